"""A real OpenTelemetry Collector that takes OTLP over HTTP and writes what it got into files."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness import binaries
from harness.components import free_port
from harness.daemon import Daemon

Json = dict[str, Any]
_CONFIGURATION = """\
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
exporters:
  file/traces: {{path: {folder}/traces.jsonl}}
  file/metrics: {{path: {folder}/metrics.jsonl}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [file/traces]}}
    metrics: {{receivers: [otlp], exporters: [file/metrics]}}
"""


class Collector:
    """A running one. What it writes is OTLP's own JSON, one export a line."""

    def __init__(self, port: int, folder: Path) -> None:
        self.endpoint, self._folder = f"http://127.0.0.1:{port}", folder

    def spans(self) -> list[tuple[Json, Json]]:
        """Each span that it has got, with the attributes of its resource."""
        return [
            (span, attributes(group["resource"]))
            for export in self._exports("traces")
            for group in export["resourceSpans"]
            for scope in group["scopeSpans"]
            for span in scope["spans"]
        ]

    def metrics(self) -> list[tuple[Json, Json]]:
        """Each metric that it has got, with the attributes of its resource."""
        return [
            (metric, attributes(group["resource"]))
            for export in self._exports("metrics")
            for group in export["resourceMetrics"]
            for scope in group["scopeMetrics"]
            for metric in scope["metrics"]
        ]

    def _exports(self, kind: str) -> list[Json]:
        file = self._folder / f"{kind}.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]


def attributes(of: Json) -> Json:
    """OTLP's list of attributes as a map of plain values."""
    return {each["key"]: _plain(each["value"]) for each in of.get("attributes", ())}


def _plain(value: Json) -> Any:
    [(kind, plain)] = value.items()
    return int(plain) if kind == "intValue" else plain


@contextmanager
def running_collector(folder: Path) -> Iterator[Collector]:
    """A collector with its files in `folder`, ready to be sent to."""
    port, configuration = free_port(), folder / "otelcol.yaml"
    configuration.write_text(_CONFIGURATION.format(port=port, folder=folder), encoding="utf-8")
    program = binaries.find("otelcol")
    daemon = Daemon("otelcol", [program, "--config", f"file:{configuration}"], folder / "otelcol.log")

    def ready() -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True

    try:
        daemon.start(ready)
        yield Collector(port, folder)
    finally:
        daemon.stop()
