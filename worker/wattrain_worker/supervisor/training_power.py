"""Mean power of a worker while it trains: what a cap is compared with. One sample may be of a step or of a pause."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from wattrain_api.contract.group_exchange import MemberReport
from wattrain_api.contract.phases import STARTING_PHASES, Phase
from wattrain_api.contract.progress import sum_of_watts

_WINDOW_SECONDS: Final = 5.0
"""Five samples of the power. Our choice: the model of energy rounds CPU time, and counters lag."""
_STEPS_IN_WINDOW: Final = 3.0
"""Where steps take seconds, the mean is over so many of them, each with its pause."""
_COVERED_RATIO: Final = 0.6
_KEPT_SAMPLES: Final = 256


class _Sample(NamedTuple):
    time: float
    seconds: float
    watts: float
    samples: int
    """Samples that were trained on in that time."""


class TrainingPower:
    """The last samples of one worker's power."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=_KEPT_SAMPLES)
        self._joules, self._sampled_at, self._trained = 0.0, clock(), 0

    def take(self, report: MemberReport) -> None:
        """Take what the worker says now. Where nothing was sampled since it said something last, it is not news."""
        joules = sum(reading.joules for reading in report.power)
        if joules == self._joules:
            return
        now, watts = self._clock(), sum_of_watts(report.power)
        if report.phase is None or report.phase in STARTING_PHASES:
            self._samples.clear()
        elif report.phase == Phase.TRAINING and watts is not None:
            self._samples.append(_Sample(now, now - self._sampled_at, watts, max(0, report.samples - self._trained)))
        self._joules, self._sampled_at, self._trained = joules, now, report.samples

    def mean_watts(self, window_seconds: float) -> float | None:
        """Mean over the last `window_seconds`; None where too little of them is known."""
        parts = self._parts(window_seconds)
        return sum(part * sample.watts for part, sample in parts) / _sum(parts) if parts else None

    def samples_per_second(self, window_seconds: float) -> float | None:
        """Samples that the worker has trained on in the same time, a second; None as above."""
        parts = self._parts(window_seconds)
        return sum(part * sample.samples / sample.seconds for part, sample in parts) / _sum(parts) if parts else None

    def _parts(self, window_seconds: float) -> list[tuple[float, _Sample]]:
        """How many seconds of each sample are of the last `window_seconds`; none where too little of them is known."""
        since = self._clock() - window_seconds
        cut = [(min(sample.seconds, sample.time - since), sample) for sample in self._samples]
        parts = [(part, sample) for part, sample in cut if part > 0]
        return parts if _sum(parts) >= _COVERED_RATIO * window_seconds else []


def _sum(parts: list[tuple[float, _Sample]]) -> float:
    return sum(part for part, _ in parts)


def window_of(step_seconds: float) -> float:
    """Over how many seconds a mean is taken where a step takes `step_seconds`, with its pause."""
    return max(_WINDOW_SECONDS, _STEPS_IN_WINDOW * step_seconds)
