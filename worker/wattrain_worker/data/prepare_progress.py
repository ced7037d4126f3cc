"""How far a preparation is, told to the supervisor while it goes on: samples that are done, of how many, how fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeVar

from wattrain_worker.report import report

_SECONDS_BETWEEN: Final = 0.5
Item = TypeVar("Item")


class SampleCounter:
    """Counts the samples of one stage of a preparation, and reports at most twice a second, besides its end. Outside of
    a preparation, as when a prediction reads the same files, nobody hears it."""

    def __init__(self, stage: str, total: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """`stage`: one of `contract.progress.PREPARE_STAGES`. `total`: how many samples there are; None: not known."""
        self._stage, self._total, self._clock = stage, total, clock
        self._began_at = self._told_at = clock()
        self._samples = 0

    def add(self, samples: int = 1) -> None:
        """So many more are done."""
        self._samples += samples
        now = self._clock()
        if now - self._told_at >= _SECONDS_BETWEEN:
            self._told_at = now
            self._report(now)

    def through(self, samples: Iterable[Item]) -> Iterator[Item]:
        """Each of `samples`, counted when the next is asked for."""
        for sample in samples:
            yield sample
            self.add()

    def end(self) -> None:
        """All are done: there are as many as were counted."""
        self._total = self._samples
        self._report(self._clock())

    def _report(self, now: float) -> None:
        took = now - self._began_at
        figures: dict[str, object] = {"stage": self._stage, "samples": self._samples}
        if self._total is not None:
            figures["total"] = self._total
        if took > 0:
            figures["samplesPerSecond"] = self._samples / took
        report(prepared=figures)
