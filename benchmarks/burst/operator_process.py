"""The operator as a process of its own, and what it costs: CPU seconds, peak memory, requests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

_REQUESTS = re.compile(r"^wattrain_operator_api_requests_total\{(.*)\} ([0-9.e+]+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_PORTS = re.compile(r"probes on port (\d+), metrics on port (\d+)")
START_SECONDS = 60.0


class OperatorProcess:
    """Use as a context manager: inside, it leads and has seen its namespace."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path, image: str) -> None:
        told = {
            "WORKER_IMAGE": image, "NAMESPACES": namespace, "NAMESPACE": namespace, "METRICS_PORT": "0",
            "HEALTH_PORT": "0",
        }  # fmt: skip
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTRAIN_")}
        settings = {f"WATTRAIN_OPERATOR_{name}": value for name, value in told.items()}
        self._environment = inherited | {"KUBECONFIG": str(kubeconfig)} | settings
        self._log = log

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wattrain_operator.cluster"], env=self._environment, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                raise RuntimeError(f"the operator does not start:\n{self._log.read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def cpu_seconds(self) -> float:
        """CPU time so far, of user and kernel."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_megabytes(self) -> float:
        """The most memory that it ever had resident, in 10^6 bytes."""
        found = re.search(r"^VmHWM:\s+(\d+) kB$", Path(f"/proc/{self._process.pid}/status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024 / 1e6

    def requests(self) -> Counter[tuple[str, str, str]]:
        """Requests to the API server so far, but for the Lease's, by verb, resource and code."""
        counted: Counter[tuple[str, str, str]] = Counter()
        for labels, value in _REQUESTS.findall(self._get("metrics")):
            named = dict(_LABEL.findall(labels))
            if named["resource"] != "leases":
                counted[named["verb"], named["resource"], named["code"]] += int(float(value))
        return counted

    def _is_ready(self) -> bool:
        return "leading as" in self._log.read_text() and "wattrain_operator_list_age_seconds" in self._get("metrics")

    def _get(self, path: str) -> str:
        ports = _PORTS.search(self._log.read_text())
        if ports is None:
            return ""
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[2]}/{path}", timeout=30) as answer:
            return str(answer.read().decode())
