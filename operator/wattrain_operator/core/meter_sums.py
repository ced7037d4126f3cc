"""Arithmetic of meters: joules by component and source, with their bounds."""

from __future__ import annotations

from collections.abc import Iterable

from wattrain_api.status import Meter

JOULES_DIGITS, SMALL_DIGITS = 3, 9
"""Decimals that are kept of joules, and of what a joule adds to grams and cost: more are noise, and unreadable in
`kubectl get`. Readings are rounded before they are compared, so that nothing is lost between them."""
Meters = tuple[Meter, ...]


def joules_of(meters: Iterable[Meter]) -> float:
    """Their joules."""
    return round(sum(m.joules for m in meters), JOULES_DIGITS)


def joules_by_source(meters: Iterable[Meter]) -> dict[str, float]:
    """Their joules by source."""
    sources: dict[str, float] = {}
    for meter in meters:
        sources[meter.source] = sources.get(meter.source, 0.0) + meter.joules
    return sources


def sum_of(meters: Iterable[Meter]) -> Meters:
    """One meter for each component and source."""
    sums: dict[tuple[str, str], Meter] = {}
    for m in meters:
        old = sums.get((m.component, m.source))
        sums[m.component, m.source] = (
            m
            if old is None
            else _meter(m, old.joules + m.joules, old.low_joules + m.low_joules, old.high_joules + m.high_joules)
        )
    return tuple(sums[key] for key in sorted(sums))


def highest(marks: Meters, reading: Meters) -> Meters:
    """The higher of both, figure by figure."""
    if not marks or not reading or marks == reading:
        return marks or reading
    old, new = _by_key(marks), _by_key(reading)
    pairs = [(old.get(k, new.get(k)), new.get(k, old.get(k))) for k in sorted({*old, *new})]
    return tuple(
        _meter(a, max(a.joules, b.joules), max(a.low_joules, b.low_joules), max(a.high_joules, b.high_joules))
        for a, b in pairs
        if a is not None and b is not None
    )


def difference(reading: Meters, marks: Meters) -> Meters:
    """What of `reading` is above `marks`."""
    old = _by_key(marks)
    return tuple(
        m
        if (o := old.get((m.component, m.source))) is None
        else _meter(m, m.joules - o.joules, m.low_joules - o.low_joules, m.high_joules - o.high_joules)
        for m in reading
    )


def _by_key(meters: Meters) -> dict[tuple[str, str], Meter]:
    return {(m.component, m.source): m for m in meters}


def _meter(like: Meter, joules: float, low: float, high: float) -> Meter:
    joules, low, high = (round(figure, JOULES_DIGITS) for figure in (joules, low, high))
    return Meter(component=like.component, source=like.source, joules=joules, low_joules=low, high_joules=high)
