"""Line plots as SVG, coloured by the page's style. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import Literal, NamedTuple

from wattrain_operator.receipt.curves import Point
from wattrain_operator.receipt.units import number

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 440, 250, 58, 14, 14, 44


Axis = Literal["linear", "from zero", "logarithmic"]


class Line(NamedTuple):
    """One curve, of stretches with gaps between them. `style` is a class of the page's style sheet: a, b."""

    name: str
    stretches: Sequence[Sequence[Point]]
    style: str

    @property
    def points(self) -> list[Point]:
        """Of all stretches."""
        return [point for stretch in self.stretches for point in stretch]


class Band(NamedTuple):
    """The area from `low` x the first line to `high` x the first line."""

    low: float
    high: float


class _Frame:
    """Where numbers lie on the drawing."""

    def __init__(self, points: Sequence[Point], axis: Axis) -> None:
        self._scale: Callable[[float], float] = math.log10 if axis == "logarithmic" else float
        ys = [self._scale(y) for _, y in points]
        self._x = _span([x for x, _ in points])
        self._y = _span([*ys, 0.0] if axis == "from zero" else ys)
        self.x_ticks = ticks(*self._x)
        self.y_ticks = log_ticks(*self._y) if axis == "logarithmic" else ticks(*self._y)

    def x(self, value: float) -> float:
        return _LEFT + (value - self._x[0]) / (self._x[1] - self._x[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        at = self._scale(value) - self._y[0]
        return _HEIGHT - _BOTTOM - at / (self._y[1] - self._y[0]) * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def plot(title: str, x_name: str, lines: Sequence[Line], band: Band | None = None, axis: Axis = "linear") -> str:
    """A plot of `lines` (at least one, none empty) over the same axes, with a description in words.

    A logarithmic y axis needs values above 0.
    """
    edges = [_edge(stretch, band) for stretch in lines[0].stretches] if band else []
    frame = _Frame([point for part in (*edges, *(line.points for line in lines)) for point in part], axis)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(_in_words(title, lines))}">']
    parts += [_grid_y(frame, value) for value in frame.y_ticks]
    parts += [_tick_x(frame, value) for value in frame.x_ticks]
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 6}" class="axis">{escape(x_name)}</text>')
    parts += [f'<polygon class="band" points="{frame.path(edge)}"/>' for edge in edges]
    parts += [_drawn(frame, stretch, line.style) for line in lines for stretch in line.stretches]
    return "\n".join([*parts, "</svg>"])


def _edge(stretch: Sequence[Point], band: Band) -> list[Point]:
    """Around the band of one stretch: its upper edge there, its lower edge back."""
    return [*((x, y * band.high) for x, y in stretch), *((x, y * band.low) for x, y in reversed(stretch))]


def _drawn(frame: _Frame, stretch: Sequence[Point], style: str) -> str:
    if len(stretch) == 1:
        x, y = stretch[0]
        return f'<circle class="{style}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"/>'
    return f'<polyline class="{style}" points="{frame.path(stretch)}"/>'


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, which must lie apart: two to six of them."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    digits = 2 - math.floor(math.log10(step))
    return [round(i * step, digits) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from 10^low to 10^high, which must lie apart: two to six of them."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    for round_numbers in ((1, 2, 5), (1,)):
        found = [m * 10.0**d for d in decades for m in round_numbers if low <= math.log10(m) + d <= high]
        if 2 <= len(found) <= 6:
            return found
    if len(found) > 6:
        return found[:: math.ceil(len(found) / 6)]
    return ticks(10.0**low, 10.0**high)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The smallest and the largest of `values`, moved apart where they are as good as equal."""
    low, high = min(values), max(values)
    if high - low < max(1e-12, 1e-9 * abs(low), 1e-9 * abs(high)):
        half = 0.5 * max(abs(low), abs(high), 1e-9)
        return low - half, high + half
    return low, high


def _grid_y(frame: _Frame, value: float) -> str:
    y = frame.y(value)
    line = f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" class="tick y">{_tick(value)}</text>'


def _tick_x(frame: _Frame, value: float) -> str:
    return f'<text x="{frame.x(value):.1f}" y="{_HEIGHT - _BOTTOM + 18}" class="tick">{_tick(value)}</text>'


def _tick(value: float) -> str:
    return f"{value:,.6g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}"


def _in_words(title: str, lines: Sequence[Line]) -> str:
    told = (f"{ln.name} from {number(ln.points[0][1])} to {number(ln.points[-1][1])}" for ln in lines)
    return f"{title}: {'; '.join(told)}"
