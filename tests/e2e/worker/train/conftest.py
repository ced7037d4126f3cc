"""Real ranks over gloo on a small data set, and what they report."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_api import names
from wattrain_worker.data.prepared_data import (
    PREPARE_VERSION,
    Shard,
    load_prepared,
    shard_name,
    write_document,
    write_shard,
)

PATIENCE_SECONDS = 60.0
GRACE_SECONDS = 6.0
"""What ranks are told that they have from SIGTERM to SIGKILL."""
SPEC: dict[str, Any] = {
    "recipe": {"name": "mlp", "params": {"hidden": [12]}},
    "data": {"source": {"builtin": "digits"}},
    "training": {"epochs": 2, "batchSize": 50, "seed": 7, "optimizer": {"lr": 0.01}},
    "checkpoint": {"every": {"steps": 1_000_000}},
}


class Reports:
    """What the ranks of one run send."""

    def __init__(self, path: Path) -> None:
        self.path, self.all = path, []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while datagram := self._socket.recv(65536):
            with self._changed:
                self.all.append(json.loads(datagram))
                self._changed.notify_all()

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first report that meets `condition`."""
        with self._changed:
            found = self._changed.wait_for(lambda: next((r for r in self.all if condition(r)), None), PATIENCE_SECONDS)
        assert found, f"no such report; the last ones: {self.all[-3:]}"
        return found

    def of(self, key: str) -> list[Any]:
        return [report[key] for report in self.all if key in report]

    def curve(self, rank: int = 0) -> dict[int, float]:
        told = [report["losses"] for report in self.all if report["rank"] == rank and "losses" in report]
        return {step: loss for of in told for step, loss in zip(of.get("step", ()), of.get("loss", ()), strict=True)}

    def close(self) -> None:
        with contextlib.suppress(OSError):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", str(self.path))
            self._thread.join(PATIENCE_SECONDS)
        self._socket.close()


class Zygote:
    """See zygote.py."""

    def __init__(self, python_path: str = "") -> None:
        """`python_path`: where the packages of the ranks are, instead of those of the tests."""
        command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
        environ = os.environ | ({"PYTHONPATH": python_path} if python_path else {})
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


class Run:
    """One start of a group."""

    def __init__(self, zygote: Zygote, reports: Reports, environs: list[dict[str, str]], logs: list[Path]) -> None:
        self._zygote, self.reports, self._logs = zygote, reports, logs
        self.pids = [zygote.ask(environ=e, log=str(log)) for e, log in zip(environs, logs, strict=True)]
        self._codes: dict[int, int | None] = {}
        self.over = False
        """Whether all ranks have ended."""

    def kill(self, rank: int, number: int = signal.SIGKILL) -> None:
        os.kill(self.pids[rank], number)

    def codes(self, patience_seconds: float = PATIENCE_SECONDS) -> list[int | None]:
        """Exit codes by rank."""
        deadline = time.monotonic() + patience_seconds
        codes = [self._code(rank, max(0, deadline - time.monotonic())) for rank in range(len(self.pids))]
        if not self.over:
            self.over = True
            self.reports.close()
        return codes

    def _code(self, rank: int, seconds: float) -> int | None:
        if rank not in self._codes:
            self._codes[rank] = self._zygote.ask(wait=self.pids[rank], seconds=seconds)
        return self._codes[rank]

    def ends_within_grace(self, rank: int) -> int | None:
        """The rank's exit code; None: it had to be killed when the grace had passed."""
        return self._code(rank, GRACE_SECONDS)

    def log(self, rank: int = 0) -> str:
        return self._logs[rank].read_text()

    def succeeds(self, patience_seconds: float = PATIENCE_SECONDS) -> Run:
        assert self.codes(patience_seconds) == [0] * len(self.pids), [self.log(rank) for rank in range(len(self.pids))]
        return self


class Job:
    """A spec and its directories; runs of it follow one another as generations do."""

    def __init__(self, zygote: Zygote, directory: Path, data: Path, spec: dict[str, Any]) -> None:
        self._zygote, self.directory, self._data, self.spec = zygote, directory, data, spec
        self.checkpoints, self.model = directory / "checkpoints", directory / "model"
        self.directive = directory / "directive"
        self.runs: list[Run] = []

    def environs(self, world: int, socket_path: Path) -> list[dict[str, str]]:
        spec = self.directory / "spec.json"
        spec.write_text(json.dumps(self.spec))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        common = {
            "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1", names.ENV_SPEC: str(spec), names.ENV_ATTEMPT: "1",
            names.ENV_GENERATION: str(len(self.runs)), names.ENV_DATA_DIR: str(self._data),
            names.ENV_CHECKPOINT_DIR: str(self.checkpoints), names.ENV_MODEL_DIR: str(self.model),
            names.ENV_REPORT_SOCKET: str(socket_path), names.ENV_RANK_DIRECTIVE_FILE: str(self.directive),
            names.ENV_GRACE_SECONDS: str(GRACE_SECONDS),
        }  # fmt: skip
        return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]

    def start(self, world: int = 1, absent: int = 0) -> Run:
        """Start a group of `world` ranks, of which the last `absent` never come."""
        index = len(self.runs)
        reports = Reports(self.directory / f"{index}.sock")
        logs = [self.directory / f"{index}-{rank}.log" for rank in range(world - absent)]
        environs = self.environs(world, reports.path)[: world - absent]
        self.runs.append(Run(self._zygote, reports, environs, logs))
        return self.runs[-1]

    def close(self) -> None:
        for run in self.runs:
            if not run.over:
                for rank in set(range(len(run.pids))) - run._codes.keys():
                    run.kill(rank)
                run.codes()


JobMaker = Callable[..., Job]


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    zygote = Zygote()
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def zygote_of() -> Iterator[Callable[[str], Zygote]]:
    """Starts further ones, each with a PYTHONPATH of its own."""
    started: list[Zygote] = []

    def start(python_path: str) -> Zygote:
        started.append(Zygote(python_path))
        return started[-1]

    yield start
    for zygote in started:
        zygote.close()


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """203 rows to train on, so that batches, parts and shards are uneven: 8 columns, 4 classes."""
    directory, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    weights = random.normal(size=(8, 4))
    files = {}
    for split, rows in (("train", 203), ("validation", 41), ("test", 43)):
        features = random.normal(size=(rows, 8)).astype(np.float32)
        labels = (features @ weights).argmax(axis=1).astype(np.int64)
        files[shard_name(split)] = write_shard(directory, split, Shard.of_table(features, labels))
    columns, classes = [f"c{i}" for i in range(8)], ["a", "b", "c", "d"]
    document = {"version": PREPARE_VERSION, "columns": columns, "classes": classes, "files": files}
    as_it_is = {
        "outliers": {}, "missing": {"policy": "fail"}, "scaler": {"mean": [0.0] * 8, "scale": [1.0] * 8},
        "label": "kind", "columnTypes": ["number"] * 8, "classesAsWritten": classes, "missingValues": [],
    }  # fmt: skip
    write_document(directory, document | as_it_is)
    return directory


@pytest.fixture
def broken(data_dir: Path, tmp_path: Path) -> Callable[..., Path]:
    """Makes a copy of the data in which these rows to train on have a feature that is NaN, or another value."""

    def make(rows: slice, value: float = np.nan) -> Path:
        directory = tmp_path / "broken"
        shutil.copytree(data_dir, directory)
        prepared = load_prepared(directory)
        features, labels = (np.array(prepared.train.tensors[name]) for name in ("features", "labels"))
        features[rows, 3] = value
        files = {**prepared.document["files"]}
        files[shard_name("train")] = write_shard(directory, "train", Shard.of_table(features, labels))
        write_document(directory, {**prepared.document, "files": files})
        return directory

    return make


@pytest.fixture
def make_job(zygote: Zygote, data_dir: Path) -> Iterator[JobMaker]:
    """Makes jobs; `training`, `checkpoint` and `recipe` are merged into SPEC."""
    jobs = []
    with tempfile.TemporaryDirectory() as root:  # short paths: those of sockets are limited to 107 bytes

        def make(*, data: Path = data_dir, zygote: Zygote = zygote, **changes: dict[str, Any]) -> Job:
            directory = Path(root) / str(len(jobs))
            directory.mkdir()
            spec = copy.deepcopy(SPEC)
            for part, values in changes.items():
                spec.setdefault(part, {}).update(values)
            jobs.append(Job(zygote, directory, data, spec))
            return jobs[-1]

        yield make
        for job in jobs:
            job.close()
