"""What the workers of a group do and draw together: sums over their last reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from wattrain_api.contract.group_exchange import MemberReport
from wattrain_api.contract.progress import GroupProgress, PowerReading, RestartInPlace, WorkerSummary, sum_of_watts
from wattrain_worker.supervisor.gpu_claims import GpuClaims
from wattrain_worker.supervisor.slowest_rank import SlowestRank, Waits
from wattrain_worker.supervisor.training_power import TrainingPower, window_of

_RATE_WINDOW_SECONDS: Final = 5.0
_SHORTEST_WINDOW_SECONDS: Final = 0.1
_KEPT_REPLACED: Final = 16


class Figures(NamedTuple):
    """What the workers of a group draw and do together. None: not known."""

    watts: float | None
    joules: float
    low_joules: float
    high_joules: float
    samples_per_second: float | None


class Totals:
    """Sums over the members' last reports. Energy counts from each supervisor's start, and what a replaced worker had
    used stays in its sum, so that it never falls. A GPU that several members count whole is in them once."""

    def __init__(self, clock: Callable[[], float], stale_seconds: float = 2.0) -> None:
        """`clock`: monotonic seconds. The power of a member that has not been heard of for `stale_seconds` is not
        known."""
        self._clock, self._stale_seconds = clock, stale_seconds
        self._reports: dict[int, MemberReport] = {}
        self._heard: dict[int, float] = {}
        self._claims = GpuClaims()
        self._replaced: deque[WorkerSummary] = deque(maxlen=_KEPT_REPLACED)
        self._joules_of_replaced: tuple[PowerReading, ...] = ()
        self._samples: dict[int, deque[tuple[float, int]]] = {}
        self._slowest = SlowestRank(clock)
        self.data_wait_seconds = 0.0
        """Time that the ranks waited for data since the supervisors started: mean over the workers."""
        self._training_power: dict[int, TrainingPower] = {}

    def update(self, worker: int, report: MemberReport) -> None:
        """Take the last report of `worker`. Another uid than before: a new worker has taken its place."""
        before = self._reports.get(worker)
        if before is not None and before.uid and report.uid and before.uid != report.uid:
            gone = [replace(reading, watts=0.0) for reading in before.power]
            self._joules_of_replaced = energy_by_source([*self._joules_of_replaced, *gone])
            self._replaced.append(replace(_summary(worker, before, 0.0), ranks=0))
        elsewhere = self._claims.take(worker, report.power)
        power = tuple(reading for reading in report.power if reading.divided or reading.device not in elsewhere)
        told = 0.0 if before is None else before.data_wait_seconds
        self._reports[worker], self._heard[worker] = replace(report, power=power), self._clock()
        self.data_wait_seconds += max(0.0, report.data_wait_seconds - told) / len(self._reports)
        self._slowest.update(worker, Waits(report.steps_done or 0, report.peer_wait_seconds))
        self._training_power.setdefault(worker, TrainingPower(self._clock)).take(self._reports[worker])
        if report.samples:
            window = self._samples.setdefault(worker, deque())
            window.append((self._clock(), report.samples))
            while len(window) > 2 and window[1][0] < window[-1][0] - _RATE_WINDOW_SECONDS:
                window.popleft()

    @property
    def slowest_rank_seconds(self) -> float:
        """Time that the ranks waited for the slowest since the supervisors started: mean over the ranks."""
        return self._slowest.seconds

    @property
    def samples(self) -> int:
        """Samples that all workers have trained on, repeated ones counted again."""
        return sum(report.samples for report in self._reports.values())

    @property
    def joules(self) -> float:
        """Energy of all workers since their supervisors started."""
        return sum((reading.joules for reading in self._readings()), 0.0)

    @property
    def figures(self) -> Figures:
        """What is told with a recorded step."""
        readings = self._readings()
        low = sum((reading.low_joules for reading in readings), 0.0)
        high = sum((reading.high_joules for reading in readings), 0.0)
        return Figures(self.watts, self.joules, low, high, self.samples_per_second())

    @property
    def watts(self) -> float | None:
        """Power of all workers now; None where that of one of them is not known."""
        known = [watts for watts in map(self._watts, self._reports) if watts is not None]
        return sum(known) if known and len(known) == len(self._reports) else None

    def counted_elsewhere(self, worker: int) -> tuple[str, ...]:
        """UUIDs of GPUs that `worker` counts whole and another worker counts already."""
        return self._claims.counted_elsewhere(worker)

    def samples_per_second(self) -> float | None:
        """Mean over the last seconds, all workers; None before there is anything to take it from."""
        rates = [rate for rate in map(_rate, self._samples.values()) if rate is not None]
        return sum(rates) if rates else None

    def training_watts(self, window_seconds: float) -> float | None:
        """Mean power of all workers while they train; None where that of one of them is not known."""
        return _sum_of_all([power.mean_watts(window_seconds) for power in self._training_power.values()])

    def training_samples_per_second(self, window_seconds: float) -> float | None:
        """Samples that all workers have trained on in the same time, a second; None as above."""
        return _sum_of_all([power.samples_per_second(window_seconds) for power in self._training_power.values()])

    def progress(self, restarts: tuple[RestartInPlace, ...], step_seconds: float = 0.0) -> GroupProgress:
        """The group's sums as in /v1/progress, with its restarts. `step_seconds`: how long a step takes."""
        window_seconds = window_of(step_seconds)
        return GroupProgress(
            training_watts=self.training_watts(window_seconds),
            training_watts_seconds=window_seconds,
            training_samples_per_second=self.training_samples_per_second(window_seconds),
            samples=self.samples,
            samples_per_second=self.samples_per_second(),
            watts=self.watts,
            energy=energy_by_source(self._readings()),
            uncounted=tuple(dict.fromkeys(gap for report in self._reports.values() for gap in report.uncounted)),
            workers=tuple(_summary(index, self._reports[index], self._watts(index)) for index in sorted(self._reports)),
            replaced=tuple(self._replaced),
            restarts=restarts,
        )

    def _watts(self, worker: int) -> float | None:
        """Power of `worker`: its last one is shown as long as it is heard of."""
        is_stale = self._clock() - self._heard[worker] > self._stale_seconds
        return None if is_stale else sum_of_watts(self._reports[worker].power)

    def _readings(self) -> list[PowerReading]:
        return [*(r for report in self._reports.values() for r in report.power), *self._joules_of_replaced]


def energy_by_source(readings: Iterable[PowerReading]) -> tuple[PowerReading, ...]:
    """Power and energy by component and source; the devices of one component are added up."""
    sums: dict[tuple[str, str], PowerReading] = {}
    for reading in readings:
        key = (reading.component, reading.source)
        sums[key] = _sum(sums[key], reading) if key in sums else replace(reading, device=None)
    return tuple(replace(sums[key], divided=None) for key in sorted(sums))


def _sum(one: PowerReading, other: PowerReading) -> PowerReading:
    return replace(
        one,
        watts=sum_of_watts((one, other)),
        joules=one.joules + other.joules,
        low_joules=one.low_joules + other.low_joules,
        high_joules=one.high_joules + other.high_joules,
    )


def _sum_of_all(figures: list[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known and len(known) == len(figures) else None


def _rate(window: deque[tuple[float, int]]) -> float | None:
    (start, before), (end, after) = window[0], window[-1]
    return (after - before) / (end - start) if end - start >= _SHORTEST_WINDOW_SECONDS else None


def _summary(index: int, report: MemberReport, watts: float | None) -> WorkerSummary:
    energy = energy_by_source(report.power)
    by_source: dict[str, float] = {}
    for reading in energy:
        by_source[reading.source] = by_source.get(reading.source, 0.0) + reading.joules
    return WorkerSummary(
        worker=index,
        ranks=report.ranks_running,
        ranks_done=report.ranks_done,
        step=report.step,
        watts=watts,
        source="+".join(sorted(by_source, key=lambda source: (-by_source[source], source))),
        joules=sum(by_source.values()),
        energy=energy,
        uid=report.uid,
    )
