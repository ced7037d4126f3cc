"""Loss and power over a run, from metrics.jsonl, thinned for a plot. Pure, but for `read_curves`."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Point = tuple[float, float]
MAX_POINTS = 400


@dataclass(frozen=True)
class Curves:
    """What is plotted."""

    loss: tuple[Point, ...] = ()
    """(step, loss) on the training split. Steps that a restart repeated are there once, as they were done last."""
    validation: tuple[Point, ...] = ()
    """(step, loss) on the validation split."""
    power: tuple[Point, ...] = ()
    """(seconds since the first line, watts), repeated steps included."""
    samples_per_second: float | None = None
    """Median over the recorded steps."""


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
    power: list[Point] = []
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
        _append(power, record.get("time"), record.get("watts"))
        if _is_number(record.get("samplesPerSecond")):
            rates.append(float(record["samplesPerSecond"]))
    start = power[0][0] if power else 0.0
    shown = thin([(time - start, watts) for time, watts in power])
    return Curves(thin(loss), thin(validation), shown, statistics.median(rates) if rates else None)


def thin(points: list[Point]) -> tuple[Point, ...]:
    """At most MAX_POINTS points: the means of groups of equal size, with the first and the last point as they are."""
    if len(points) <= MAX_POINTS:
        return tuple(points)
    inner, size = points[1:-1], math.ceil((len(points) - 2) / (MAX_POINTS - 2))
    groups = (inner[i : i + size] for i in range(0, len(inner), size))
    means = ((sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups)
    return (points[0], *means, points[-1])


def _append(points: list[Point], x: Any, y: Any) -> None:
    """Add (x, y) if both are finite numbers, instead of all that has the same x or a later one."""
    if not (_is_number(x) and _is_number(y)):
        return
    while points and points[-1][0] >= x:
        points.pop()
    points.append((float(x), float(y)))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
