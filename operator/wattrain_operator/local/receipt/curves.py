"""Loss and power over a run, from metrics.jsonl, thinned for a plot. Pure, but for `read_curves`."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

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
    power_joules: float = 0.0
    """Energy spent in these stretches."""
    samples_per_second: float | None = None
    """Median over the recorded steps."""


class _Sample(NamedTuple):
    """Power at one moment."""

    time: float
    watts: float
    start: tuple[Any, Any]
    """Attempt and generation: which start of the group it belongs to."""
    joules: float | None
    """A running total."""


def read_curves(file: Path) -> Curves:
    """The curves in `file`; empty ones where it is missing."""
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            return curves(lines)
    except OSError:
        return Curves()


def curves(lines: Iterable[str]) -> Curves:
    """The curves of `lines` of JSON; lines that a killed supervisor tore are left out."""
    loss: list[Point] = []
    validation: list[Point] = []
    samples: list[_Sample] = []
    rates: list[float] = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if not isinstance(record, dict):
            continue
        _append(loss, record.get("step"), record.get("loss"))
        tested = record.get("validation")
        if isinstance(tested, dict):
            _append(validation, tested.get("step"), tested.get("loss"))
        _append_sample(samples, record)
        if _is_number(record.get("samplesPerSecond")):
            rates.append(float(record["samplesPerSecond"]))
    stretches = _stretches(samples)
    return Curves(
        loss=thin(loss),
        validation=thin(validation),
        power=tuple(thin([(s.time - samples[0].time, s.watts) for s in part], len(samples)) for part in stretches),
        power_joules=sum(max(0.0, (part[-1].joules or 0.0) - (part[0].joules or 0.0)) for part in stretches),
        samples_per_second=statistics.median(rates) if rates else None,
    )


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


def _append_sample(samples: list[_Sample], record: dict[str, Any]) -> None:
    if not (_is_number(record.get("time")) and _is_number(record.get("watts"))):
        return
    time, watts, joules = float(record["time"]), float(record["watts"]), record.get("joules")
    while samples and samples[-1].time >= time:  # the clock was set back
        samples.pop()
    start = record.get("attempt"), record.get("generation")
    samples.append(_Sample(time, watts, start, float(joules) if joules is not None and _is_number(joules) else None))


def _append(points: list[Point], x: Any, y: Any) -> None:
    """Add (x, y) if both are finite numbers, instead of all that has the same x or a later one."""
    if not (_is_number(x) and _is_number(y)):
        return
    while points and points[-1][0] >= x:
        points.pop()
    points.append((float(x), float(y)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
