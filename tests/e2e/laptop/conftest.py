import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MARKER = "WATTRAIN_TEST_MARKER"
EXAMPLES = Path(__file__).parents[3] / "examples"


class Laptop:
    """The command `wattrain run`, started as a user starts it, and all processes that come from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.marker = uuid.uuid4().hex
        self.command: subprocess.Popen[str] | None = None
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread()
        self._errors = ""

    def start(self, *arguments: str | Path, output: str = "json") -> None:
        """Start the command in the background; its lines gather in `lines`."""
        self.lines = []
        command = [sys.executable, "-c", "from wattrain_operator.cli import main; main()", "run"]
        self.command = subprocess.Popen(
            [*command, *map(str, arguments), "--dir", str(self.directory), "--output", output],
            env={**os.environ, MARKER: self.marker},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, args=(self.command, self.lines), daemon=True)
        self._reader.start()

    @staticmethod
    def _read(command: subprocess.Popen[str], lines: list[dict[str, Any]]) -> None:
        assert command.stdout is not None
        for line in command.stdout:  # not extend(): others look at the list while it grows
            lines.append(  # noqa: PERF401
                json.loads(line) if line.startswith("{") else {"type": "text", "text": line}
            )

    def finish(self, seconds: float = 180) -> int:
        """Wait for the end and return the exit code."""
        assert self.command is not None
        code = self.command.wait(seconds)
        self.close()
        return code

    def close(self) -> None:
        """Take what the ended command wrote last."""
        assert self.command is not None
        assert self.command.stdout is not None
        assert self.command.stderr is not None
        self._reader.join()
        if not self.command.stderr.closed:
            self._errors = self.command.stderr.read()
        self.command.stdout.close()
        self.command.stderr.close()

    def run(self, *arguments: str | Path, seconds: float = 180) -> int:
        """Start and wait for the end."""
        self.start(*arguments)
        return self.finish(seconds)

    def errors(self) -> str:
        """What the ended command wrote on standard error."""
        self.close()
        return self._errors

    def of(self, type_: str) -> list[dict[str, Any]]:
        """The lines of that type."""
        return [line for line in self.lines if line["type"] == type_]

    def status(self) -> dict[str, Any]:
        """The status that was shown last."""
        shown = [line["status"] for line in self.lines if "status" in line]
        return shown[-1] if shown else {}

    def step(self) -> int:
        """The step that was shown last."""
        return self.status().get("progress", {}).get("step", 0)

    def wait_until(self, condition: Callable[[], object], seconds: float = 120) -> None:
        """Until `condition` holds; the command must still run."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.command is not None
            assert self.command.poll() is None, f"ended with {self.command.returncode}: {self.errors()} {self.status()}"
            assert time.monotonic() < deadline, f"nothing after {seconds} s: {self.status()}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        assert self.command is not None
        self.command.send_signal(number)

    def processes(self) -> dict[int, dict[str, str]]:
        """Environments of all processes that came from this test and still run, by id."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    raw = (entry / "environ").read_bytes().decode(errors="replace").split("\0")
                    variables = dict(item.split("=", 1) for item in raw if "=" in item)
                    if variables.get(MARKER) == self.marker:
                        found[int(entry.name)] = variables
        return found

    def rank(self, rank: int) -> int:
        """Process id of a rank: the newest process that was forked as this one."""
        return max(pid for pid in self.processes() if Path(f"/proc/{pid}/comm").read_text() == f"rank {rank}\n")

    def losses(self) -> dict[int, float]:
        """Loss by step; of a step made twice the last."""
        lines = (self.directory / "metrics.jsonl").read_text().splitlines()
        return {record["step"]: record["loss"] for record in map(json.loads, lines) if "loss" in record}

    def wait_for_no_process(self, seconds: float = 40) -> None:
        """Until nothing that came from this test runs."""
        deadline = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < deadline, f"still there after {seconds} s: {list(left)}"
            time.sleep(0.05)


@pytest.fixture
def laptop(tmp_path: Path) -> Iterator[Laptop]:
    made = Laptop(tmp_path / "run")
    yield made
    if made.command is not None:
        if made.command.poll() is None:
            made.command.kill()
            made.command.wait()
        made.close()
    for pid in made.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def examples() -> Path:
    return EXAMPLES


@pytest.fixture
def write_job(tmp_path: Path) -> Callable[..., Path]:
    """A job file on the digits; keywords replace parts of its spec."""

    def write(**spec: Any) -> Path:
        document = {
            "apiVersion": "wattrain.dev/v1alpha1",
            "kind": "TrainingJob",
            "metadata": {"name": "demo"},
            "spec": {
                "recipe": {"name": "mlp"},
                "data": {"source": {"builtin": "digits"}},
                "training": {"maxSteps": 400, "batchSize": 64},
                "workers": {"replicas": 2},
                "checkpoint": {"every": {"steps": 50}},
                **spec,
            },
        }
        file = tmp_path / "job.yaml"
        file.write_text(json.dumps(document))  # JSON is YAML
        return file

    return write
