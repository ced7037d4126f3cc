"""What pods are told suffices for real supervisors, and what these leave is read back: pods as processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from wattrain_operator.cluster.objects import child_of

EXAMPLES = Path(__file__).parents[3] / "examples"


class Node:
    """Runs the containers of pods as processes of this machine: mounts become directories, names addresses."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, pods: list[Any], command: list[str]) -> list[Any]:
        """The pods as an API server shows them when all have ended."""
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in pods]
        port = sockets[0].getsockname()[1]
        for pod, listening in zip(pods, sockets, strict=True):
            with listening:
                self.processes.append(self._start(pod, listening, port, command))
        codes = [process.wait(timeout=100) for process in self.processes]
        return [self._ended(pod, code) for pod, code in zip(pods, codes, strict=True)]

    def _start(self, pod: Any, listening: socket.socket, port: int, command: list[str]) -> subprocess.Popen[bytes]:
        [container] = pod["spec"]["containers"]
        root = self.directory / pod["metadata"]["name"]
        told = {v["name"]: v.get("value", "127.0.0.1").replace("$$", "$") for v in container["env"]}
        told |= {v["name"]: "100" for v in container["env"] if "resourceFieldRef" in v.get("valueFrom", {})}
        for name, value in told.items():
            if name.startswith("WATTRAIN_") and value.startswith("/"):
                shared = "/wattrain/" in value and "claim-0" in json.dumps(pod["spec"]["volumes"])
                told[name] = str(self.directory if shared else root) + value
                Path(told[name]).parent.mkdir(parents=True, exist_ok=True)
        Path(told["WATTRAIN_SPEC"]).write_text(pod["metadata"]["annotations"]["wattrain.dev/spec"])
        told |= {"WATTRAIN_COORDINATOR": f"127.0.0.1:{port}", "WATTRAIN_LISTEN_FD": str(listening.fileno())}
        told |= {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "WATTRAIN_CPU_SCOPE": "process"}
        inherited = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        with (root / "log").open("wb") as log:
            return subprocess.Popen(
                command, env={**inherited, **told}, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                pass_fds=[listening.fileno()],
            )  # fmt: skip

    def _ended(self, pod: Any, code: int) -> Any:
        message = self.directory / pod["metadata"]["name"] / "dev/termination-log"
        terminated = {"exitCode": code, "message": message.read_text(), "reason": "Completed" if code == 0 else "Error"}
        state = {"name": "worker", "state": {"terminated": terminated}}
        status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [state]}
        return {**pod, "metadata": {**pod["metadata"], "uid": "u"}, "status": status}

    def logs(self) -> str:
        return "\n".join(log.read_text() for log in self.directory.glob("*/log"))

    def clean_up(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=10)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path)
    yield made
    made.clean_up()


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    out = tmp_path / "wattrain-worker.pyz"
    subprocess.run([sys.executable, "-m", "wattrain_worker.bundle", str(out)], check=True, capture_output=True)
    return out


def test_the_example_of_a_plain_script_trains_in_two_pods_that_only_got_the_archive(pod_for, node, archive):
    spec = yaml.safe_load((EXAMPLES / "script-ddp.yaml").read_text())["spec"]
    spec["script"]["command"][1] = str(EXAMPLES / "script/train_ddp.py")
    spec["script"]["args"] = ["--steps", "60"]
    pods = [pod_for(name="script-ddp", worker=rank, **spec) for rank in range(2)]
    assert all(pod["spec"]["initContainers"] for pod in pods)
    ended = node.run(pods, [sys.executable, str(archive)])
    children = [child_of(pod, datetime.now(UTC)) for pod in ended]
    assert [(c.phase, c.worker) for c in children] == [("Succeeded", 0), ("Succeeded", 1)], node.logs()
    assert children[0].termination.step == 60
    assert all(child.termination.energy[0].joules > 0 for child in children)
    assert "step=60 loss=" in node.logs()


def test_a_recipe_without_a_claim_trains_in_pods_that_prepare_for_themselves(pod_for, node):
    training = {"maxSteps": 20, "batchSize": 64, "deterministic": True}
    pods = [pod_for(worker=rank, workers={"replicas": 2}, training=training) for rank in range(2)]
    ended = node.run(pods, [sys.executable, "-m", "wattrain_worker"])
    children = [child_of(pod, datetime.now(UTC)) for pod in ended]
    assert [c.termination.exit_code for c in children] == [0, 0], node.logs()
    assert children[0].termination.step == 20
    assert children[0].termination.model_uri.endswith("/wattrain/digits/model")
    prepared = [node.directory / pod["metadata"]["name"] / "wattrain/digits/data/prepare.json" for pod in pods]
    first, second = (json.loads(file.read_text())["counts"] for file in prepared)
    assert first == second
