"""How long the ranks of a group waited for the slowest of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

_WINDOW_SECONDS: Final = 1.0


class Waits(NamedTuple):
    """What the ranks of one worker have waited so far."""

    steps: int
    """Steps that they have made."""
    seconds: tuple[float, ...]
    """Of each of them, how long it waited for the others after it had computed its own gradients."""


class SlowestRank:
    """The slowest rank waits for nothing but the network, and so do the others besides. What a rank waits a step more
    than the one that waits least is lost to the slowest: the mean of that over the ranks is added up, window by window.
    Ranks that take turns in being slow within one window hide a part of it, so this is the least that was lost."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self.seconds = 0.0
        """Mean over the ranks."""
        self._begin: dict[int, Waits] = {}
        self._now: dict[int, Waits] = {}
        self._began_at = clock()

    def update(self, worker: int, waits: Waits) -> None:
        """Take what the ranks of `worker` have waited since its supervisor started."""
        before = self._now.get(worker)
        self._now[worker] = waits
        if before is None or len(before.seconds) != len(waits.seconds) or waits.steps < before.steps:
            self._start_window()
        elif self._clock() - self._began_at >= _WINDOW_SECONDS and self._all_have_made_steps():
            self._end_window()

    def _all_have_made_steps(self) -> bool:
        return all(waits.steps > self._begin[worker].steps for worker, waits in self._now.items())

    def _start_window(self) -> None:
        self._begin, self._began_at = dict(self._now), self._clock()

    def _end_window(self) -> None:
        a_step, steps = [], []
        for worker, waits in self._now.items():
            begin = self._begin[worker]
            made = waits.steps - begin.steps
            steps.append(made)
            a_step += [(now - old) / made for now, old in zip(waits.seconds, begin.seconds, strict=True)]
        if a_step:
            mean = sum(a_step) / len(a_step)
            self.seconds += max(0.0, mean - min(a_step)) * sum(steps) / len(steps)
        self._start_window()
