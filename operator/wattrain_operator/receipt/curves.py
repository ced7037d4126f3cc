"""Loss and power over a run, thinned for a plot. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from wattrain_api.contract.recorded_step import RecordedStep

Point = tuple[float, float]
MAX_POINTS = 400
GAP_SECONDS = 5.0
"""Where nothing was recorded for longer, nothing is drawn."""
_USUAL_GAPS = 5
"""A training with slow steps records seldom: its gaps are those this many times longer than usual."""


@dataclass(frozen=True)
class Curves:
    """What is plotted."""

    loss: tuple[Point, ...] = ()
    """(step, loss) on the training split. Steps that a restart repeated are there once, as they were done last."""
    validation: tuple[Point, ...] = ()
    """(step, loss) on the validation split."""
    power: tuple[tuple[Point, ...], ...] = ()
    """Stretches without a gap of (seconds since the first line, watts), repeated steps included."""
    power_joules: float | None = 0.0
    """Energy spent in these stretches; None: not counted apart."""
    samples_per_second: float | None = None
    """Median over the recorded steps."""


class _Sample(NamedTuple):
    """Power at one moment."""

    time: float
    watts: float
    start: tuple[int | None, int | None]
    """Attempt and generation: which start of the group it belongs to."""
    joules: float | None
    """A running total."""


def curves(steps: Iterable[RecordedStep]) -> Curves:
    """The curves of the recorded steps of a run, in the order in which they were recorded."""
    loss: list[Point] = []
    validation: list[Point] = []
    samples: list[_Sample] = []
    rates: list[float] = []
    for step in steps:
        _append(loss, step.step, step.loss)
        if step.validation is not None:
            _append(validation, step.validation.step, step.validation.loss)
        _append_sample(samples, step)
        if step.samples_per_second:  # 0: too little time had passed to know it
            rates.append(step.samples_per_second)
    stretches = _stretches(samples)
    return Curves(
        loss=thin(loss),
        validation=thin(validation),
        power=tuple(thin([(s.time - samples[0].time, s.watts) for s in part], len(samples)) for part in stretches),
        power_joules=sum(max(0.0, (part[-1].joules or 0.0) - (part[0].joules or 0.0)) for part in stretches),
        samples_per_second=statistics.median(rates) if rates else None,
    )


def curves_of_samples(losses: Iterable[Point], watts: Sequence[Point]) -> Curves:
    """The curves of what was sampled from outside now and then: `losses` as (step, loss) in the order in which they
    were seen, `watts` as (time in seconds, watts)."""
    loss: list[Point] = []
    for step, value in losses:
        _append(loss, step, value)
    samples = [_Sample(time, power, (None, None), None) for time, power in watts if math.isfinite(power)]
    parts = ([(s.time - samples[0].time, s.watts) for s in part] for part in _stretches(samples))
    return Curves(loss=thin(loss), power=tuple(thin(part, len(samples)) for part in parts), power_joules=None)


def thin(points: list[Point], of_all: int | None = None) -> tuple[Point, ...]:
    """At most MAX_POINTS points: the means of groups of equal size, with the first and the last point as they are.

    Where `points` are a part of `of_all`, their share of MAX_POINTS, and the two ends.
    """
    total = len(points) if of_all is None else of_all
    if total <= MAX_POINTS or len(points) <= 2:
        return tuple(points)
    inner, size = points[1:-1], math.ceil((total - 2) / (MAX_POINTS - 2))
    groups = (inner[i : i + size] for i in range(0, len(inner), size))
    means = ((sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups)
    return (points[0], *means, points[-1])


def _stretches(samples: list[_Sample]) -> list[list[_Sample]]:
    """The samples, cut where the group was started anew and where nothing was recorded for long."""
    if not samples:
        return []
    usual = statistics.median([b.time - a.time for a, b in pairwise(samples)] or [0.0])
    longest = max(GAP_SECONDS, _USUAL_GAPS * usual)
    parts = [[samples[0]]]
    for before, sample in pairwise(samples):
        if sample.start != before.start or sample.time - before.time > longest:
            parts.append([])
        parts[-1].append(sample)
    return parts


def _append_sample(samples: list[_Sample], step: RecordedStep) -> None:
    if step.time is None or step.watts is None:
        return
    while samples and samples[-1].time >= step.time:  # the clock was set back
        samples.pop()
    samples.append(_Sample(step.time, step.watts, (step.attempt, step.generation), step.joules))


def _append(points: list[Point], x: float, y: float | None) -> None:
    """Add (x, y) if y is a finite number, instead of all that has the same x or a later one."""
    if y is None or not math.isfinite(y):
        return
    while points and points[-1][0] >= x:
        points.pop()
    points.append((x, y))
