"""Runs on a real MLflow server, by supervisors that really run.

The server is the program `mlflow` that WATTRAIN_TEST_MLFLOW names or that is on PATH: 850 MB with all that it needs,
so it is no dependency. It demands a password, as one in a cluster should.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

MLFLOW = os.environ.get("WATTRAIN_TEST_MLFLOW") or shutil.which("mlflow") or ""


def is_whole(program: str) -> bool:
    """Whether `program` is of the whole mlflow: mlflow-skinny brings the command, and no server."""
    python = Path(program).resolve().parent / "python"
    code = "import importlib.util as u, sys; sys.exit(not (u.find_spec('sqlalchemy') and u.find_spec('flask_wtf')))"
    return bool(program) and subprocess.run([python, "-c", code], check=False).returncode == 0


pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
    pytest.mark.skipif(
        find_spec("mlflow") is None,
        reason="NOT TESTED: runs on an MLflow server, for its client is missing; pip install 'wattrain[mlflow]'",
    ),
    pytest.mark.skipif(
        not is_whole(MLFLOW),
        reason="NOT TESTED: runs on an MLflow server, for there is none; pip install 'mlflow[auth]' into an "
        "environment of its own, and name its program mlflow in WATTRAIN_TEST_MLFLOW",
    ),
]
START_SECONDS = 120
PASSWORD = "correct-horse-battery-7"
LOGIN = {"MLFLOW_TRACKING_USERNAME": "admin", "MLFLOW_TRACKING_PASSWORD": PASSWORD}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


class Server:
    """A real MLflow server on a port of its own."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        where = [f"--backend-store-uri=sqlite:///{directory}/mlflow.db", f"--artifacts-destination={directory}"]
        settings = {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD, "MLFLOW_FLASK_SERVER_SECRET_KEY": "of this test",
        }  # fmt: skip
        command = [MLFLOW, "server", *where, f"--port={self.port}", "--workers=1", "--app-name=basic-auth"]
        with (directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **settings}, cwd=directory
            )
        deadline = time.monotonic() + START_SECONDS
        while self._answer("GET", "/health") is None:
            if self._process.poll() is not None or time.monotonic() >= deadline:
                self.stop()
                pytest.fail((directory / "server.log").read_text())
            time.sleep(0.1)

    def stop(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=20)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        found = self._answer("GET" if body is None else "POST", f"/api/2.0/mlflow/{path}", body)
        return {} if found is None else found

    def _answer(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        login = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
        headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                text = connection.getresponse().read()
        except OSError:
            return None
        return json.loads(text) if text.startswith(b"{") else {}

    def run(self, experiment: str) -> dict[str, Any]:
        """The only run of `experiment`; empty: there is none yet."""
        known = self.ask(f"experiments/get-by-name?experiment_name={experiment}").get("experiment")
        if known is None:
            return {}
        runs = self.ask("runs/search", {"experiment_ids": [known["experiment_id"]]}).get("runs", [])
        assert len(runs) <= 1, runs
        return dict(runs[0]) if runs else {}

    def history(self, experiment: str, metric: str) -> list[tuple[int, float]]:
        run = self.run(experiment)
        if not run:
            return []
        query = f"metrics/get-history?run_id={run['info']['run_id']}&metric_key={metric}&max_results=5000"
        return [(int(m["step"]), m["value"]) for m in self.ask(query).get("metrics", [])]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("mlflow"))
    yield made
    made.stop()


class Door:
    """A port at which nobody listens until it is opened: from then on it leads to the server."""

    def __init__(self, server: Server) -> None:
        self._server, self.port = server, free_port()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port))
        self._sockets.append(listening)
        self._begin(self._lead, listening)

    def close(self) -> None:
        for opened in self._sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for opened in self._sockets:
            opened.close()

    def _begin(self, target: Callable[..., None], *sockets: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=sockets, daemon=True))
        self._threads[-1].start()

    def _lead(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                one, _ = listening.accept()
                other = socket.create_connection(("127.0.0.1", self._server.port))
                self._sockets += [one, other]
                self._begin(self._pass_on, one, other)
                self._begin(self._pass_on, other, one)

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def door(server: Server) -> Iterator[Door]:
    made = Door(server)
    yield made
    made.close()


def start(group: Any, url: str, experiment: str, script: str, **environment: str) -> None:
    tracking = {"mlflow": {"trackingURI": url, "experiment": experiment}}
    recipe = {"name": "mlp", "params": {"hidden": [64]}}  # a parameter, though a script runs here
    told = {"WATTRAIN_JOB_UID": f"uid-of-{experiment}", "WATTRAIN_NAMESPACE": "team", **LOGIN, **environment}
    group.start(script, spec_parts={"tracking": tracking, "recipe": recipe}, environ=told)


def by_name(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {entry["key"]: entry["value"] for entry in entries}


def test_a_run_has_every_step_the_parameters_the_outcome_and_the_energy_with_its_bounds(
    group: Any, server: Server
) -> None:
    script = 'train(1, 250)\nreport(test={"step": 250, "loss": 0.25, "accuracy": 0.875})'
    start(group, server.url, "whole", script, WATTRAIN_JOULES_BEFORE="100")
    assert group.exit_codes() == [0]
    run = server.run("whole")
    assert (run["info"]["status"], run["info"]["run_name"]) == ("FINISHED", "a-job")
    assert server.history("whole", "loss") == [(step, 1 / step) for step in range(1, 251)]
    assert [step for step, _ in server.history("whole", "validation_accuracy")] == list(range(4, 251, 4))
    latest, tags = by_name(run["data"]["metrics"]), by_name(run["data"]["tags"])
    assert {"learning_rate", "energy_low_joules", "energy_high_joules"} <= set(latest)
    assert (latest["test_loss"], latest["test_accuracy"]) == (0.25, 0.875)
    assert latest["total_energy_joules"] == pytest.approx(group.metrics()[-1]["joules"])
    assert latest["total_energy_joules"] > 100
    assert (tags["wattrain.dev/outcome"], tags["wattrain.dev/namespace"]) == ("Complete", "team")
    parameters = by_name(run["data"]["params"])
    assert (parameters["recipe.name"], parameters["recipe.params.hidden"]) == ("mlp", "[64]")
    assert not any("script" in name for name in parameters)
    assert group.termination().get("notices", []) == []


def test_a_rank_and_a_tracker_that_are_killed_and_a_new_attempt_neither_double_nor_lose_a_step(
    group: Any, server: Server
) -> None:
    script = """
if generation == 0:
    train(1, 20)
    hold("never")
report(resumed={"step": 12})
train(13, 30)
hold("go on")
sys.exit(9)
"""
    start(group, server.url, "killed", script, WATTRAIN_RESTARTS_LEFT="1")
    pid = group.rank_pid(0)
    group.wait.until(lambda: len(server.history("killed", "loss")) == 20, "20 steps are tracked")
    os.kill(pid, signal.SIGKILL)
    group.rank_pid(0, generation=1)
    supervisor = group.processes[0].pid
    children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    for child in children:
        if b"wattrain_worker.tracking" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(int(child), signal.SIGKILL)
    group.release("go on")
    assert group.exit_codes() != [0]
    again = group.another()
    start(again, server.url, "killed", 'report(resumed={"step": 25})\ntrain(26, 40)', WATTRAIN_ATTEMPT="2")
    assert again.exit_codes() == [0]
    assert server.history("killed", "loss") == [(step, 1 / step) for step in range(1, 41)]
    assert server.run("killed")["info"]["status"] == "FINISHED"


def test_a_server_that_comes_late_gets_all_and_is_told_of_once(group: Any, server: Server, door: Door) -> None:
    start(group, f"http://127.0.0.1:{door.port}", "late", 'train(1, 20)\nhold("enough")\ntrain(21, 30)')
    group.wait.until(lambda: group.progress().get("notices"), "the job says that the server is down")
    door.open()
    group.wait.until(lambda: len(server.history("late", "loss")) == 20, "20 steps are tracked")
    group.release("enough")
    assert group.exit_codes() == [0]
    assert server.history("late", "loss") == [(step, 1 / step) for step in range(1, 31)]
    [notice] = group.termination()["notices"]
    assert notice["reason"] == "TrackingFailed"
    assert f"the server at 127.0.0.1:{door.port} does not take figures" in notice["message"]
    assert "see that it runs" in notice["message"]


def test_a_server_that_demands_a_password_is_named_with_the_variables_that_give_it(group: Any, server: Server) -> None:
    nobody = dict.fromkeys(LOGIN, "")
    start(group, server.url, "auth", 'train(1, 5)\nhold("told")', **nobody)
    notices = group.wait.until(lambda: group.progress().get("notices"), "the job says that the server refuses")
    group.release("told")
    group.processes[0].send_signal(signal.SIGTERM)
    group.exit_codes()
    [notice] = notices
    assert f"the server at 127.0.0.1:{server.port} refuses" in notice["message"]
    assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in notice["message"]
    assert server.run("auth") == {}


def test_a_server_that_never_answers_ends_no_training_and_holds_up_no_restart(group: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start(group, address, "silent", 'train(1, 5)\nhold("end")\nsys.exit(3)', WATTRAIN_RESTARTS_LEFT="0")
        [notice] = group.wait.until(lambda: group.progress().get("notices"), "the job says that the server is silent")
        began = time.monotonic()
        group.release("end")
        group.exit_codes()
        assert time.monotonic() - began < 30, "two seconds for the tracker, and much for a busy machine"
    assert "does not take figures" in notice["message"]
    assert len(group.metrics()) == 6
