"""The figures of a run as series by the names of its metrics: what metrics.jsonl has kept, and the last status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final, NamedTuple

from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_api.metrics import JOB, exported_of
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.dashboard.recorded_query import Point, RecordedSeries
from wattrain_operator.exposition import identity_of, job_families

KEPT_STEPS = 4096
"""When there are more, every second one goes."""
_EVALUATION: Final = "status.progress.validation."


def _of_evaluation(field: str) -> Callable[[RecordedStep], float | None]:
    return lambda step: getattr(step.validation, field) if step.validation else None


_RECORDED: Final[Mapping[str, Callable[[RecordedStep], float | None]]] = {
    **{
        exported.metric.name: _of_evaluation(exported.field.removeprefix(_EVALUATION))
        for exported in exported_of(JOB)
        if exported.field.startswith(_EVALUATION)
    },
    "loss": lambda step: step.loss,
    "step": lambda step: step.step,
    "epoch": lambda step: step.epoch,
    "learning_rate": lambda step: step.learning_rate,
    "samples_per_second": lambda step: step.samples_per_second,
    "power_watts": lambda step: step.watts,
    "attempt": lambda step: step.attempt,
    "steps_total": lambda step: step.step,
}
"""What a line of metrics.jsonl has, by the name of the metric."""
_COUNTED_UP: Final = "steps_total"
"""Recorded as a position, which a restart puts back. What follows counts again, but for the step it begins with."""


class _Joules(NamedTuple):
    """The joules of a line, and what its bounds have in common with them."""

    scale: Callable[[TrainingJobStatus], float]
    """Bounds are recorded for the whole run alone: a line's are in proportion, as in the receipt."""


_ENERGY: Final[Mapping[str, _Joules]] = {
    "energy_joules_total": _Joules(lambda _: 1.0),
    "energy_low_joules_total": _Joules(lambda status: status.energy.low / status.energy.joules),
    "energy_high_joules_total": _Joules(lambda status: status.energy.high / status.energy.joules),
}
_METER: Final = ("component", "source")


class RecordedFigures:
    """What a run directory has of its job's figures. It is read on while it grows."""

    def __init__(self, metrics_file: Path) -> None:
        self._file = RecordedSteps(metrics_file)
        self._steps: list[RecordedStep] = []
        self._every, self._lines = 1, 0

    def read_on(self) -> None:
        """Take in what was recorded since."""
        for step in self._file.read_on():
            self._lines += 1
            if step.time is not None and (self._lines % self._every == 0 or step.phase is not None or step.validation):
                self._steps.append(step)
            if len(self._steps) > KEPT_STEPS:
                self._steps = [s for i, s in enumerate(self._steps) if i % 2 or s.phase or s.validation]
                self._every *= 2

    @property
    def times(self) -> tuple[float, ...]:
        """When the first and the last step were recorded; empty: none was."""
        return tuple(step.time for step in (*self._steps[:1], *self._steps[-1:]) if step.time is not None)

    def series(self, job: TrainingJob, status: TrainingJobStatus, now: datetime) -> dict[str, list[RecordedSeries]]:
        """The series of all metrics of the job, by name: `status` is that of `now`, and ends each of them."""
        found: dict[str, list[RecordedSeries]] = {}
        for metric in _RECORDED:
            if points := self._history(metric):
                found[JOB.prefix + metric] = [RecordedSeries(identity_of(job), points)]
        for sample in (sample for family in job_families(job, status, now) for sample in family.samples):
            end, recorded = (now.timestamp(), float(sample.value)), found.get(sample.name)
            if sample.name.removeprefix(JOB.prefix) in _RECORDED and recorded:
                found[sample.name] = [RecordedSeries(sample.labels, _ended(recorded[0].points, end))]
            else:
                found.setdefault(sample.name, []).append(RecordedSeries(sample.labels, [end]))
        if status.energy.joules > 0:
            for metric, energy in _ENERGY.items():
                found[JOB.prefix + metric] = [self._energy(job, status, energy.scale(status), now.timestamp())]
        return found

    def _history(self, metric: str) -> list[Point]:
        value_of = _RECORDED[metric]
        values = ((step.time, value_of(step)) for step in self._steps)
        points = _in_order([(time, float(value)) for time, value in values if time is not None and value is not None])
        return _counted_up(points) if metric == _COUNTED_UP else points

    def _energy(self, job: TrainingJob, status: TrainingJobStatus, scale: float, now: float) -> RecordedSeries:
        """The sum of all meters, which is what a line has: with the labels that they have in common."""
        values = [(s.time, s.joules * scale) for s in self._steps if s.time is not None and s.joules is not None]
        labels = identity_of(job)
        for label in _METER:
            known = {str(getattr(meter, label)) for meter in status.energy.meters}
            if len(known) == 1:
                labels[label] = known.pop()
        points = _ended(_in_order(values), (now, status.energy.joules * scale))
        return RecordedSeries(labels, points, frozenset(_METER) - labels.keys())


def _counted_up(points: list[Point]) -> list[Point]:
    """The sum of all rises until each point, from 0."""
    values = [0.0, *(value for _, value in points)]
    rises = accumulate(max(0.0, after - before) for before, after in pairwise(values))
    return [(time, total) for (time, _), total in zip(points, rises, strict=True)]


def _ended(points: Sequence[Point], end: Point) -> list[Point]:
    """`points` with the status at their end, unless a line is newer than the status."""
    return [*points, end] if not points or points[-1][0] <= end[0] else [*points]


def _in_order(points: list[Point]) -> list[Point]:
    """Without what lies after a later line: the clock was set back."""
    kept: list[Point] = []
    for point in points:
        while kept and kept[-1][0] >= point[0]:
            kept.pop()
        kept.append(point)
    return kept
