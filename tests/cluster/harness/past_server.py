"""A real Prometheus with the fixed hour of `past_fleet`, and what panels of our dashboards show of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import past_fleet
from harness.dashboard_queries import Asked, Dashboard, Window, chosen, interpolated, queries
from harness.fixtures import or_skipped
from harness.past_job import PastJob
from harness.prometheus import Prometheus, Sample, Series, running_prometheus

DASHBOARDS = Path(__file__).parents[3] / "dashboards"
NAMES = sorted(path.stem for path in DASHBOARDS.glob("*.json"))
HOUR = Window(past_fleet.START, past_fleet.END, past_fleet.SCRAPE_SECONDS)


def dashboard(name: str) -> Dashboard:
    """The file that ships."""
    found: Dashboard = json.loads((DASHBOARDS / f"{name}.json").read_text(encoding="utf-8"))
    return found


class Past:
    """What dashboards show of the hour, or of a part of it."""

    def __init__(self, server: Prometheus, fleet: list[PastJob]):
        self.server = server
        self.fleet = fleet

    def figures(self, name: str, panel: str, ref: str = "A", window: Window = HOUR, **wanted: str) -> list[Sample]:
        """The series of a query as they are at the end of `window`; `wanted` are values of variables."""
        return self.server.query(self._expr(name, panel, ref, window, wanted), at=window.end)

    def curves(self, name: str, panel: str, ref: str = "A", window: Window = HOUR, **wanted: str) -> list[Series]:
        """The series of a query over `window`."""
        expr = self._expr(name, panel, ref, window, wanted)
        return self.server.query_range(expr, start=window.start, end=window.end, step=window.step)

    def _expr(self, name: str, panel: str, ref: str, window: Window, wanted: dict[str, str]) -> str:
        shown = dashboard(name)
        asked: list[Asked] = [asked for asked in queries(shown) if (asked.panel, asked.ref) == (panel, ref)]
        return interpolated(asked[0].expr, chosen(shown, self.server, window, wanted))


@pytest.fixture(scope="session")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """The hour, in a Prometheus of this test process."""
    fleet = past_fleet.jobs()
    text = past_fleet.openmetrics(fleet)
    with or_skipped(), running_prometheus(tmp_path_factory.mktemp("past"), openmetrics=text) as server:
        yield Past(server, fleet)
