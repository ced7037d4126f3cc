"""Line plots as SVG, coloured by the page's style. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from wattrain_operator.local.receipt.curves import Point
from wattrain_operator.local.receipt.units import number

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 440, 250, 58, 14, 14, 44


class Line(NamedTuple):
    """One curve. `style` is a class of the page's style sheet: a, b."""

    name: str
    points: Sequence[Point]
    style: str


class Band(NamedTuple):
    """The area from `low` x the first line to `high` x the first line."""

    low: float
    high: float


class _Frame:
    """Where numbers lie on the drawing."""

    def __init__(self, points: Sequence[Point], from_zero: bool) -> None:
        ys = [y for _, y in points]
        self._x = _span([x for x, _ in points])
        self._y = _span([*ys, 0.0] if from_zero else ys)
        self.x_ticks, self.y_ticks = ticks(*self._x), ticks(*self._y)

    def x(self, value: float) -> float:
        return _LEFT + (value - self._x[0]) / (self._x[1] - self._x[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self._y[0]) / (self._y[1] - self._y[0]) * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Sequence[Point]) -> str:
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def plot(title: str, x_name: str, lines: Sequence[Line], band: Band | None = None, from_zero: bool = False) -> str:
    """A plot of `lines` (at least one, none empty) over the same axes, with a description in words."""
    edge = [(x, y * band.high) for x, y in lines[0].points] if band else []
    edge += [(x, y * band.low) for x, y in reversed(lines[0].points)] if band else []
    frame = _Frame([*edge, *(point for line in lines for point in line.points)], from_zero)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(_in_words(title, lines))}">']
    parts += [_grid_y(frame, value) for value in frame.y_ticks]
    parts += [_tick_x(frame, value) for value in frame.x_ticks]
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2:.0f}" y="{_HEIGHT - 6}" class="axis">{escape(x_name)}</text>')
    if edge:
        parts.append(f'<polygon class="band" points="{frame.path(edge)}"/>')
    for line in lines:
        if len(line.points) == 1:
            x, y = line.points[0]
            parts.append(f'<circle class="{line.style}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}" r="3"/>')
        parts.append(f'<polyline class="{line.style}" points="{frame.path(line.points)}"/>')
    return "\n".join([*parts, "</svg>"])


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from `low` to `high`, which must lie apart: two to six of them."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


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
