"""Numbers as people read them: three digits, a fitting unit, and the range where they are not measured."""

from __future__ import annotations

import math

_JOULE_UNITS = ((3.6e5, 3.6e6, "kWh"), (1e3, 1e3, "kJ"), (0.1, 1.0, "J"), (0.0, 1e-3, "mJ"))
_GRAM_UNITS = ((1e3, 1e3, "kg"), (0.1, 1.0, "g"), (0.0, 1e-3, "mg"))


def number(value: float) -> str:
    """`value` with three significant digits, never in powers of ten: 1,230 and 0.00123."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.{decimals}f}"


def joules(value: float, low: float | None = None, high: float | None = None) -> str:
    """Energy in mJ, J, kJ or (from 0.1 kWh) kWh, with its range where one is given."""
    return _with_range(value, low, high, _JOULE_UNITS)


def grams(value: float, low: float | None = None, high: float | None = None) -> str:
    """Mass in mg, g or kg, with its range where one is given."""
    return _with_range(value, low, high, _GRAM_UNITS)


def money(value: float, currency: str, low: float | None = None, high: float | None = None) -> str:
    """An amount of `currency`, with its range where one is given."""
    return _with_range(value, low, high, ((0.0, 1.0, currency),))


def seconds(value: float | None) -> str:
    """A duration: 4.2 s, 3 min 07 s, 2 h 05 min."""
    if value is None:
        return "not finished"
    if value < 60:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def provenance(measured_ratio: float | None) -> str:
    """`measured`, `modelled`, or how much of which; `incomplete` where something was not counted at all (None)."""
    if measured_ratio is None:
        return "incomplete"
    if measured_ratio < 1e-6:
        return "modelled"
    if measured_ratio > 1 - 1e-6:
        return "measured"
    percent = min(99, max(1, round(100 * measured_ratio)))
    return f"{percent} % measured, {100 - percent} % modelled"


def _with_range(
    value: float, low: float | None, high: float | None, units: tuple[tuple[float, float, str], ...]
) -> str:
    size, unit = next((size, unit) for least, size, unit in units if abs(value) >= least)
    text = f"{number(value / size)} {unit}"
    if low is None or high is None or low == high:
        return text
    return f"{text} ({number(low / size)} to {number(high / size)} {unit})"
