"""From the annotation of a pod to its GPU, and the answer back: an API server and a /proc that are made here."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from wattrain_api import names
from wattrain_operator.cli.app import app
from wattrain_worker.agent.__main__ import main
from wattrain_worker.agent.agent_loop import AgentLoop
from wattrain_worker.agent.gpu_control import GpuControl
from wattrain_worker.agent.gpu_limiter import GpuLimiter
from wattrain_worker.agent.kept_settings import KeptSettings
from wattrain_worker.agent.node_pods import NodePods
from wattrain_worker.agent.pod_gpus import pod_of

UID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


class FakeServer(ThreadingHTTPServer):
    """Pods by name; each request is in `asked`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pods: dict[str, Any] = {}
        self.asked: list[str] = []
        self.fails = False

    def pod(self, limit: str, uid: str = UID, phase: str = "Running") -> dict[str, Any]:
        metadata = {"name": "w-0", "namespace": "team", "uid": uid, "annotations": {names.ANNOTATION_GPU_LIMIT: limit}}
        self.pods["w-0"] = {"metadata": metadata, "status": {"phase": phase}}
        return self.pods["w-0"]

    @property
    def answer(self) -> Any:
        return json.loads(self.pods["w-0"]["metadata"]["annotations"][names.ANNOTATION_GPU_LIMIT_ANSWER])


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:
        self._send({"items": [*self.server.pods.values(), {"metadata": {"name": "plain"}}]})

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        metadata = self.server.pods[self.path.rpartition("/")[2]]["metadata"]
        assert body["metadata"]["uid"] == metadata["uid"]
        metadata["annotations"].update(body["metadata"]["annotations"])
        self._send({})

    def _send(self, body: object) -> None:
        self.server.asked.append(f"{self.command} {self.path} {self.headers['Authorization']}")
        self.send_response(500 if self.server.fails else 200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def agent(driver: Any, server: FakeServer, tmp_path: Path) -> tuple[AgentLoop, list[str]]:
    (tmp_path / "token").write_text("secret\n")
    said: list[str] = []
    control = GpuControl(driver, sleep=lambda _: None)
    limiter = GpuLimiter(control, KeptSettings(tmp_path / "gpus.json"), said.append)
    pods = NodePods(f"http://127.0.0.1:{server.server_port}", "node-1", tmp_path)
    return AgentLoop(control, limiter, pods, tmp_path, said.append), said


def process(root: Path, pid: int, cgroup: str) -> int:
    folder = root / f"proc/{pid}"
    folder.mkdir(parents=True)
    (folder / "cgroup").write_text(f"0::{cgroup}\n")
    return pid


IN_POD = f"/kubepods.slice/kubepods-burstable-pod{UID.replace('-', '_')}.slice/cri-containerd-0.scope"


def test_the_gpus_of_a_pods_processes_are_limited_as_its_annotation_says(
    agent: Any, server: FakeServer, driver: Any, tmp_path: Path
) -> None:
    loop, said = agent
    driver.gpus["GPU-b"].users = {process(tmp_path, 7, IN_POD)}
    server.pod('{"version": 4, "watts": 300}')
    loop.make_pass()
    assert (driver.gpus["GPU-a"].limit, driver.gpus["GPU-b"].limit) == (700_000, 300_000)
    assert server.answer["state"] == "Applied"
    assert (server.answer["version"], server.answer["gpus"], server.answer["watts"]) == (4, 1, 300)
    first, second = server.asked
    assert first.startswith("GET /api/v1/pods?fieldSelector=spec.nodeName%3Dnode-1&labelSelector=wattrain.dev%2Fjob ")
    assert second == "PATCH /api/v1/namespaces/team/pods/w-0 Bearer secret"
    driver.gpus["GPU-b"].wanted_clock = 900  # a clock that moves is no news
    loop.make_pass()
    assert len(server.asked) == 3
    server.pod('{"version": 4, "watts": 300}', phase="Succeeded")
    loop.make_pass()
    assert driver.gpus["GPU-b"].limit == 500_000
    assert said == []


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("{", "no JSON with a version"),
        ('{"watts": 300}', "no JSON with a version"),
        ('{"version": 1}', "neither watts"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_set(
    agent: Any, server: FakeServer, driver: Any, tmp_path: Path, limit: str, sentence: str
) -> None:
    driver.gpus["GPU-a"].users = {process(tmp_path, 7, IN_POD)}
    server.pod(limit)
    for _ in range(2):
        agent[0].make_pass()
    assert (server.answer["state"], sentence in server.answer["message"]) == ("Refused", True)
    assert len([line for line in server.asked if line.startswith("PATCH")]) == 1
    assert driver.gpus["GPU-a"].limit == 700_000


def test_a_gpu_on_which_another_pod_computes_as_well_is_not_limited(
    agent: Any, server: FakeServer, driver: Any, tmp_path: Path
) -> None:
    other = process(tmp_path, 8, f"/kubepods/besteffort/pod{OTHER}/abc")
    driver.gpus["GPU-a"].users = {process(tmp_path, 7, IN_POD), other}
    server.pod('{"version": 1, "watts": 300}')
    agent[0].make_pass()
    assert (server.answer["state"], driver.gpus["GPU-a"].limit) == ("Refused", 700_000)


def test_while_the_api_server_does_not_answer_what_was_asked_for_last_holds(
    agent: Any, server: FakeServer, driver: Any, tmp_path: Path
) -> None:
    loop, said = agent
    driver.gpus["GPU-a"].users = {process(tmp_path, 7, IN_POD)}
    server.pod('{"version": 1, "watts": 300}')
    loop.make_pass()
    server.fails = True
    for _ in range(3):
        loop.make_pass()
    assert driver.gpus["GPU-a"].limit == 300_000
    assert said == [
        "the API server: it answers 500 to GET /api/v1/pods; what was asked for last holds meanwhile",
    ]
    driver.gpus["GPU-a"].users = set()  # the pod has ended meanwhile
    loop.make_pass()
    assert driver.gpus["GPU-a"].limit == 700_000


def test_an_agent_that_is_told_to_end_restores_all(agent: Any, server: FakeServer, driver: Any, tmp_path: Path) -> None:
    driver.gpus["GPU-a"].users = {process(tmp_path, 7, IN_POD)}
    server.pod('{"version": 1, "watts": 300, "clockMhz": 900}')
    agent[0].make_pass()
    assert (driver.gpus["GPU-a"].limit, driver.gpus["GPU-a"].locked) == (300_000, 900)
    agent[0].end()
    assert (driver.gpus["GPU-a"].limit, driver.gpus["GPU-a"].locked) == (700_000, None)


@pytest.mark.parametrize(
    ("cgroup", "uid"),
    [(IN_POD, UID), (f"/kubepods/besteffort/pod{UID}/abc", UID), ("/system.slice/ssh.service", ""), ("/podman/x", "")],
)
def test_a_process_is_of_the_pod_that_its_cgroup_names(tmp_path: Path, cgroup: str, uid: str) -> None:
    assert pod_of(tmp_path, process(tmp_path, 5, cgroup)) == uid
    assert pod_of(tmp_path, 6) == ""


def test_without_a_gpu_that_can_be_managed_the_agent_says_so_and_ends(tmp_path: Path, capsys: Any) -> None:
    assert main(["--state", str(tmp_path / "gpus.json")]) == 1
    assert "there is no NVIDIA GPU that can be managed here" in capsys.readouterr().err
    (tmp_path / "gpus.json").write_text("{")
    assert main(["--state", str(tmp_path / "gpus.json")]) == 2
    assert "reset the GPUs with nvidia-smi, and remove it" in capsys.readouterr().err


def test_the_command_becomes_the_agent_with_the_options_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, arguments: became.append([program, *arguments]))
    assert CliRunner().invoke(app, ["agent", "--restore", "--state", "x"]).exit_code == 0
    assert became == [[sys.executable, sys.executable, "-m", "wattrain_worker.agent", "--restore", "--state", "x"]]
