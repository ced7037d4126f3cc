"""Real supervisors as processes, with small scripts of the standard library as ranks."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

DEADLINE_SECONDS = 90.0  # torch is imported by some ranks, on machines that do other things as well
TOKEN = "the secret of this attempt"
PRELUDE = """
import os, signal, sys, time
from pathlib import Path
from wattrain_worker.report import report
rank, generation = int(os.environ["RANK"]), int(os.environ["WATTRAIN_GENERATION"])
here = Path(os.environ["TEST_DIRECTORY"])
(here / f"rank-{rank}.generation-{generation}.pid").write_text(str(os.getpid()))
def wait_for(name):
    while not (here / name).exists():
        time.sleep(0.01)
def train(first, last, loss=lambda step: 1 / step):
    for step in range(first, last + 1):
        validation = {"validation": {"step": step, "loss": 0.5, "accuracy": 0.75}} if step % 4 == 0 else {}
        report(step=step, loss=loss(step), learning_rate=0.1, samples=8, steps=1, **validation)
def hold(name):
    while not (here / name).exists():
        report()  # sends what a kernel that queues ten datagrams did not take
        time.sleep(0.01)
"""


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` answers, once it is true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    pytest.fail(f"not within {DEADLINE_SECONDS:g} s: {what}")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


class Wait:
    """Waiting for conditions."""

    until = staticmethod(wait_until)
    is_alive = staticmethod(is_alive)


class Group:
    """The supervisors of one attempt, and what they leave."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wait = Wait
        self._others: list[Group] = []
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ports: list[int] = []
        self.parent_write_fd: int | None = None
        self.temporary = tempfile.mkdtemp(prefix="wt-")  # short: the path of a socket has at most 107 bytes

    def start(
        self,
        script: str,
        workers: int = 1,
        processes: int = 1,
        spec: dict[str, Any] | None = None,
        environ: dict[str, str] | None = None,
        spec_parts: dict[str, Any] | None = None,
    ) -> None:
        """`spec` changes script and workers; `spec_parts` are other parts of the spec."""
        program = self.directory / "script.py"
        program.write_text(PRELUDE + script)
        self.spec = {
            "script": {"command": [sys.executable, str(program)], **((spec or {}).get("script", {}))},
            "workers": {"processesPerWorker": processes, **((spec or {}).get("workers", {}))},
            **(spec_parts or {}),
        }
        (self.directory / "spec.json").write_text(json.dumps(self.spec))
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(workers)]
        self.ports = [listening.getsockname()[1] for listening in sockets]
        read_fd, self.parent_write_fd = os.pipe()
        for worker, listening in enumerate(sockets):
            self.processes.append(self._launch(worker, workers, listening, read_fd, environ or {}))
            listening.close()
        os.close(read_fd)

    def _launch(
        self, worker: int, workers: int, listening: socket.socket, parent_fd: int, environ: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WATTRAIN_")},
            "TEST_DIRECTORY": str(self.directory),
            "TMPDIR": self.temporary,
            "WATTRAIN_JOB": "a-job",
            "WATTRAIN_SPEC": str(self.directory / "spec.json"),
            "WATTRAIN_WORKER_INDEX": str(worker),
            "WATTRAIN_WORKERS": str(workers),
            "WATTRAIN_COORDINATOR": f"127.0.0.1:{self.ports[0]}",
            "WATTRAIN_GROUP_TOKEN": TOKEN,
            "WATTRAIN_LISTEN_FD": str(listening.fileno()),
            "WATTRAIN_PARENT_FD": str(parent_fd),
            "WATTRAIN_HOST_ADDRESS": "127.0.0.1",
            "WATTRAIN_NODE": f"node-{worker}",
            "WATTRAIN_CHILD_UID": f"uid-{worker}",
            "WATTRAIN_GRACE_SECONDS": "5",
            "WATTRAIN_RESTARTS_LEFT": "2",
            "WATTRAIN_CPU_SCOPE": "process",
            "WATTRAIN_TERMINATION_FILE": str(self.directory / f"termination-{worker}.json"),
            "WATTRAIN_LOG_FILE": str(self.directory / f"worker-{worker}.log"),
            "WATTRAIN_METRICS_FILE": str(self.directory / "metrics.jsonl"),
            **environ,
        }
        with (self.directory / f"supervisor-{worker}.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "wattrain_worker"], env=variables, stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, pass_fds=(listening.fileno(), parent_fd),
            )  # fmt: skip

    def exit_codes(self) -> list[int]:
        """The supervisors' exit codes, once all have ended."""
        return [self.exit_code(worker) for worker in range(len(self.processes))]

    def exit_code(self, worker: int) -> int:
        try:
            return self.processes[worker].wait(timeout=DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"supervisor {worker} does not end: {self.said(worker)}")

    def termination(self, worker: int = 0) -> dict[str, Any]:
        message: dict[str, Any] = json.loads((self.directory / f"termination-{worker}.json").read_bytes())
        return message

    def log(self, worker: int = 0) -> str:
        """What the ranks wrote."""
        return (self.directory / f"worker-{worker}.log").read_text()

    def said(self, worker: int = 0) -> str:
        """What the supervisor itself wrote."""
        return (self.directory / f"supervisor-{worker}.log").read_text()

    def metrics(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "metrics.jsonl").read_text().splitlines()]

    def get(self, path: str, worker: int = 0) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[worker], timeout=DEADLINE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def progress(self, worker: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/v1/progress", worker)[1])
        return found

    def rank_pid(self, rank: int, generation: int = 0) -> int:
        """Process id of a rank, once it runs."""
        file = self.directory / f"rank-{rank}.generation-{generation}.pid"
        return int(wait_until(lambda: file.exists() and file.read_text(), f"rank {rank} runs"))

    def release(self, name: str) -> None:
        """Let the ranks go on that wait for `name`."""
        (self.directory / name).touch()

    def close_parent(self) -> None:
        """Do what the launcher's death does."""
        if self.parent_write_fd is not None:
            os.close(self.parent_write_fd)
            self.parent_write_fd = None

    def another(self) -> Group:
        """A later group in the same directory."""
        self._others.append(Group(self.directory))
        return self._others[-1]

    def clean_up(self) -> None:
        for other in self._others:
            other.clean_up()
        self.close_parent()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)  # its ranks die with it
                process.wait(timeout=10)
        shutil.rmtree(self.temporary)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    made = Group(tmp_path)
    yield made
    made.clean_up()


@pytest.fixture
def wait() -> type[Wait]:
    return Wait
