"""Series of carbon intensity of a run: from a file beside that of the power domain, or from an address. Made by us."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from wattrain_api.carbon_series import HOUR
from wattrain_api.load import load_files
from wattrain_api.powerdomain import CarbonIntensity
from wattrain_operator.core.observed import CarbonView
from wattrain_operator.local import preflight
from wattrain_operator.local.carbon_reader import CarbonReader
from wattrain_operator.local.refused import Refused

CSV = "time,gramsPerKWh\n2026-12-01T12:00:00Z,400\n"
JOB = """\
apiVersion: wattrain.dev/v1alpha1
kind: TrainingJob
metadata: {name: job}
spec: {script: {command: [python3, -V]}}
---
apiVersion: wattrain.dev/v1alpha1
kind: PowerDomain
metadata: {name: default}
spec: {carbon: {file: grid.csv}}
"""


def test_a_file_is_found_beside_its_power_domain_and_a_bad_one_is_refused_before_anything_starts(
    tmp_path: Path,
) -> None:
    (tmp_path / "job.yaml").write_text(JOB, encoding="utf-8")
    loaded = load_files([tmp_path / "job.yaml"])
    with pytest.raises(Refused, match=r"spec\.carbon\.file .*grid\.csv cannot be read: No such file"):
        preflight.check_all(loaded.jobs, loaded.domains)
    (tmp_path / "grid.csv").write_text("time\n", encoding="utf-8")
    with pytest.raises(Refused, match=r"grid\.csv: line 1: the header must be"):
        preflight.check_all(loaded.jobs, loaded.domains)
    (tmp_path / "grid.csv").write_text(CSV, encoding="utf-8")
    (domain,) = preflight.check_all(loaded.jobs, loaded.domains)
    series = CarbonReader(domain.spec.carbon).view().series
    assert series is not None
    assert series.at(datetime(2026, 12, 1, 12, tzinfo=UTC)) == 400


def awaited(reader: CarbonReader) -> CarbonView:
    deadline = time.monotonic() + 20
    while (view := reader.view()).awaited:
        assert time.monotonic() < deadline, "nothing was read"
        time.sleep(0.005)
    return view


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/ok": 200, "/moved": 302}.get(self.path, 404))
        if self.path == "/moved":
            self.send_header("Location", "/ok")
        self.end_headers()
        if self.path == "/ok":
            self.wfile.write(CSV.encode())

    def log_message(self, *_: object) -> None:
        pass


def test_an_address_is_read_beside_the_run_and_one_that_fails_is_told_of_and_not_fatal() -> None:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    serving.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        reader = CarbonReader(CarbonIntensity(url=f"{address}/ok", zone="MADE-UP"))
        view = awaited(reader)
        assert view.series is not None
        assert (view.series.zone, view.series.end - view.series.start) == ("MADE-UP", HOUR)
        for path in ("moved", "gone"):
            problem = awaited(CarbonReader(CarbonIntensity(url=f"{address}/{path}"))).problem
            assert problem.startswith("carbon.url cannot be read")
            assert "127.0.0.1" not in problem
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
