"""The page of runs on this machine: while they run, or of what they have left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wattrain_operator.dashboard.page_site import PageSite
from wattrain_operator.dashboard.shipped import shipped_dashboards
from wattrain_operator.dashboard.source_protocol import Source
from wattrain_operator.local.metrics_page import listening
from wattrain_operator.local.run_source import RunSource


class PageServer:
    """Serves the page on 127.0.0.1 from construction on."""

    def __init__(self, source: Source, port: int = 0) -> None:
        """`port` 0: a free one. Refused where it is in use."""
        self._server = listening(PageSite(source, shipped_dashboards()).answer, "--port", port)
        self.url = f"http://127.0.0.1:{self._server.port}/"

    def close(self) -> None:
        """Free the port."""
        self._server.close()


def serve_runs(paths: Sequence[Path], port: int = 0) -> PageServer:
    """The page of the runs in these directories. Refused where one holds none."""
    return PageServer(RunSource(paths), port)
