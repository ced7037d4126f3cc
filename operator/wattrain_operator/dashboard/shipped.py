"""The files that the page is made of, and the dashboards that it draws: read once, known by name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wattrain_operator.dashboard.drawing_code import DrawingCode

_STATIC = Path(__file__).parent / "static"
_DASHBOARDS = (Path(__file__).parent / "dashboards", Path(__file__).parents[3] / "dashboards")
"""In the wheel they lie beside this module, in a clone at its root."""
_TYPES = {
    ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
}  # fmt: skip


@dataclass(frozen=True)
class ShippedFile:
    """A file of the page."""

    content_type: str
    body: bytes


@dataclass(frozen=True)
class ShippedDashboard:
    """One Grafana dashboard, as it ships."""

    uid: str
    title: str
    body: bytes


@cache
def drawing_code() -> DrawingCode:
    """What a receipt carries to draw its plots."""
    styles, library, *module = (
        (_STATIC / name).read_text(encoding="utf-8")
        for name in ("plot.css", "uplot/uPlot.iife.min.js", "units.js", "plot.js", "receipt.js")
    )
    return DrawingCode(
        (_STATIC / "uplot/uPlot.min.css").read_text(encoding="utf-8") + styles, library, "\n".join(module)
    )


@cache
def static_files() -> dict[str, ShippedFile]:
    """The files of the page by their path below `static/`, as in `uplot/uPlot.min.css`."""
    files = (file for file in _STATIC.rglob("*") if file.suffix in _TYPES)
    return {f.relative_to(_STATIC).as_posix(): ShippedFile(_TYPES[f.suffix], f.read_bytes()) for f in files}


@cache
def shipped_dashboards() -> dict[str, ShippedDashboard]:
    """The dashboards that ship, by uid, in the order of their titles."""
    folder = next((folder for folder in _DASHBOARDS if folder.is_dir()), None)
    return read_dashboards(folder) if folder is not None else {}


def read_dashboards(folder: Path) -> dict[str, ShippedDashboard]:
    """The dashboards in `folder`, by uid, in the order of their titles. ValueError where one is no dashboard."""
    found = [_dashboard(file) for file in sorted(folder.glob("*.json"))]
    return {each.uid: each for each in sorted(found, key=lambda each: each.title)}


def _dashboard(file: Path) -> ShippedDashboard:
    body = file.read_bytes()
    document = json.loads(body)
    try:
        return ShippedDashboard(str(document["uid"]), str(document["title"]), body)
    except (KeyError, TypeError):
        raise ValueError(f"{file}: is no Grafana dashboard; it needs uid and title") from None
