"""What the plots of a receipt show, in the words of dashboard/static/plot.js, which draws them. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape

from wattrain_operator.receipt.curves import Point


@dataclass(frozen=True)
class PlottedLine:
    """One curve: a value for each x of its plot; None where it has none."""

    name: str
    values: tuple[float | None, ...]
    modelled: bool = False
    width: int = 2
    spanGaps: bool = False  # noqa: N815 (the name that the drawing code reads)
    """Whether it goes on over what is None: it has values at other x than the other lines."""


@dataclass(frozen=True)
class Plotted:
    """Lines over the same axis."""

    title: str
    xName: str  # noqa: N815
    unit: str
    """Of the values, as Grafana calls it."""
    x: tuple[float, ...]
    lines: tuple[PlottedLine, ...]
    bands: tuple[tuple[int, int], ...] = ()
    """Areas between two lines, by index."""
    scale: tuple[tuple[str, float | bool], ...] = ()
    """`min`, `logarithmic`."""
    calcs: tuple[str, ...] = ("firstNotNull", "lastNotNull", "min")

    def to_html(self) -> str:
        """The element that the drawing code fills."""
        rounded = [replace(line, values=tuple(map(_rounded, line.values))) for line in self.lines]
        content = {**asdict(self), "x": tuple(map(_rounded, self.x)), "lines": [asdict(line) for line in rounded],
                   "scale": dict(self.scale)}  # fmt: skip
        return f'<div class="plot" data-plot="{escape(json.dumps(content))}"></div>'


def _rounded(value: float | None) -> float | None:
    """Six digits: more than a plot or its table shows."""
    return None if value is None else float(f"{value:.6g}")


def losses(training: Sequence[Point], validation: Sequence[Point]) -> Plotted | None:
    """Losses over the steps; None where there are none."""
    named = {name: dict(points) for name, points in (("training", training), ("validation", validation)) if points}
    if not named:
        return None
    x = tuple(sorted({step for points in named.values() for step in points}))
    lines = [PlottedLine(name, tuple(points.get(at) for at in x), spanGaps=True) for name, points in named.items()]
    logarithmic = all(value > 0 for points in named.values() for value in points.values())
    return Plotted("Loss", "step", "none", x, tuple(lines), scale=(("logarithmic", logarithmic),))


def power(
    title: str, stretches: Sequence[Sequence[Point]], bounds: tuple[float, float] | None, *, modelled: bool
) -> Plotted:
    """Watts over time, cut between `stretches`; `bounds`: what they are multiplied by to be the least and the most."""
    long = stretches[-1][-1][0] >= 300
    points: list[tuple[float, float | None]] = []
    for stretch in stretches:
        if points:
            points.append(((points[-1][0] + stretch[0][0]) / 2, None))
        points += stretch
    values = tuple(watts for _, watts in points)
    lines = [PlottedLine("power", values, modelled=modelled)]
    for name, factor in zip(("at most", "at least"), reversed(bounds), strict=True) if bounds else ():
        scaled = tuple(None if watts is None else watts * factor for watts in values)
        lines.append(PlottedLine(name, scaled, modelled=modelled, width=1))
    return Plotted(
        title=title,
        xName="minutes" if long else "seconds",
        unit="watt",
        x=tuple(time / 60 if long else time for time, _ in points),
        lines=tuple(lines),
        bands=((1, 2),) if bounds else (),
        scale=(("min", 0),),
        calcs=("mean", "max"),
    )
