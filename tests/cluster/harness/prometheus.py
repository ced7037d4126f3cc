"""Real Prometheus and promtool, of Debian's package `prometheus`: scraping for real, or with data of a fixed past."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from harness.components import free_port
from harness.daemon import Daemon, DaemonError
from harness.unavailable import UnavailableError

Labels = dict[str, str]
_NO_TARGETS = "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
_EVERYTHING = "100y"  # blocks of a fixed past are old, and would be deleted


class Sample(NamedTuple):
    """One series at one moment."""

    labels: Labels
    value: float


class Series(NamedTuple):
    """One series over time."""

    labels: Labels
    points: list[tuple[float, float]]
    """Unix time in seconds, and value."""


class QueryError(Exception):
    """What Prometheus has to say against a request."""


class Prometheus:
    """A running server on the loopback interface."""

    def __init__(self, port: int):
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def query(self, expression: str, *, at: float | None = None) -> list[Sample]:
        """The series of `expression` at the Unix time `at`, or now. A scalar is a series without labels."""
        parameters = {"query": expression} | ({} if at is None else {"time": repr(at)})
        answer = self.get("/api/v1/query", **parameters)
        if answer["resultType"] == "scalar":
            return [Sample({}, float(answer["result"][1]))]
        return [Sample(series["metric"], float(series["value"][1])) for series in answer["result"]]

    def query_range(self, expression: str, *, start: float, end: float, step: float) -> list[Series]:
        """The series of `expression` from `start` to `end` (Unix time), a point every `step` seconds."""
        answer = self.get("/api/v1/query_range", query=expression, start=repr(start), end=repr(end), step=repr(step))
        return [
            Series(series["metric"], [(float(time), float(value)) for time, value in series["values"]])
            for series in answer["result"]
        ]

    def get(self, path: str, **parameters: str) -> Any:
        """`data` of the answer of its HTTP API; QueryError where it refuses."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", f"{path}?{urlencode(parameters)}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise QueryError(f"{path} {parameters}: {answer['error']}")
        return answer["data"]

    def is_ready(self) -> bool:
        """Whether it has read its data and answers queries."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        finally:
            connection.close()


@contextmanager
def running_prometheus(
    folder: Path, *, config: Path | None = None, openmetrics: str | None = None
) -> Iterator[Prometheus]:
    """A Prometheus that keeps its data in `folder`, ready for queries; it ends with the block.

    `config` is its configuration file; without one it scrapes nothing. `openmetrics` are samples of the past, as text:
    lines `name{labels} value unix_seconds` by family, then `# EOF`. Samples later than now would keep it from storing
    what it scrapes.
    """
    program, data = find_prometheus(), folder / "data"
    folder.mkdir(parents=True, exist_ok=True)
    if openmetrics is not None:
        _backfill(folder, data, openmetrics)
    if config is None:
        config = folder / "prometheus.yml"
        config.write_text(_NO_TARGETS, encoding="utf-8")
    server = Prometheus(free_port())
    command = [
        program, f"--config.file={config}", f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={_EVERYTHING}", f"--web.listen-address=127.0.0.1:{server.port}",
        "--log.level=warn",
    ]  # fmt: skip
    daemon = Daemon("prometheus", command, folder / "prometheus.log")
    try:
        daemon.start(server.is_ready)
        yield server
    finally:
        daemon.stop()


def _backfill(folder: Path, data: Path, openmetrics: str) -> None:
    file = folder / "samples.om"
    file.write_text(openmetrics, encoding="utf-8")
    done = promtool("tsdb", "create-blocks-from", "openmetrics", "--quiet", file, data)
    if done.returncode:
        raise DaemonError(f"promtool takes no samples from {file}: {done.stderr}{done.stdout}")


def promtool(*arguments: object, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool to its end, with `text` as its standard input."""
    command = [str(find_promtool()), *map(str, arguments)]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)


def find_prometheus() -> Path:
    """The program `prometheus`; UnavailableError where it is not installed."""
    return _find("prometheus")


def find_promtool() -> Path:
    """The program `promtool`; UnavailableError where it is not installed."""
    return _find("promtool")


def _find(name: str) -> Path:
    path = shutil.which(name)
    if path is None:
        raise UnavailableError(
            f"there is no {name}: run tests/cluster/install-packages.sh, or install the package prometheus"
        )
    return Path(path)
