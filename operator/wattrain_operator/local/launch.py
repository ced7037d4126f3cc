"""Starting one supervisor: its environment, its inherited files, its log."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.local.rundir import RunDirectory

SUPERVISOR = (sys.executable, "-P", "-m", "wattrain_worker")
"""-P: a module of the user's in the current directory must not stand in for one of the standard library."""
RANK_GRACE_SECONDS = 10
"""What a rank gets to save a checkpoint after SIGTERM."""

_SHARED_MACHINE = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait for each other sleep. By default they spin, and where other programs want the same cores, as on any
laptop, a small step then takes ten times as long, at full power."""


@dataclass(frozen=True)
class Surroundings:
    """What all supervisors of one run share."""

    job: TrainingJob
    directory: RunDirectory
    parent_fd: int
    """Read end of a pipe whose write end the command alone has."""
    command: Sequence[str] = SUPERVISOR


def listening_socket() -> socket.socket:
    """A socket that already listens on a free port of the loopback interface: handed on, so nobody can take it."""
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def worker_path() -> str:
    """PATH of the workers: the programs of this Python first, as if its virtual environment were active."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def termination_file(directory: RunDirectory, name: str) -> Path:
    """Where the supervisor `name` leaves its last word."""
    return directory.directory("termination") / f"{name}.json"


def launch(
    around: Surroundings, child: CreateChild, listening: socket.socket, coordinator_port: int, token: str
) -> subprocess.Popen[bytes]:
    """Start the supervisor of `child` in a session of its own, so that Ctrl-C in the terminal does not reach it."""
    log = around.directory.directory("logs") / f"{child.name}.log"
    last_word = termination_file(around.directory, child.name)
    last_word.unlink(missing_ok=True)
    environment = {
        **_SHARED_MACHINE,
        **os.environ,
        "PATH": worker_path(),
        **{variable.name: variable.value for variable in around.job.spec.workers.env},
        **_identity(around, child, coordinator_port, token),
        **_resources(around.job, child),
        **_files(around, child, log, last_word),
        names.ENV_LISTEN_FD: str(listening.fileno()),
        names.ENV_PORT: str(listening.getsockname()[1]),
        names.ENV_PARENT_FD: str(around.parent_fd),
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            list(around.command), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=(listening.fileno(), around.parent_fd, around.directory.lock_fd),
        )  # fmt: skip


def _identity(around: Surroundings, child: CreateChild, coordinator_port: int, token: str) -> dict[str, str]:
    metadata = around.job.metadata
    return {
        names.ENV_JOB: metadata.name,
        names.ENV_NAMESPACE: metadata.namespace,
        names.ENV_JOB_UID: metadata.uid,
        names.ENV_ROLE: child.role,
        names.ENV_ATTEMPT: str(child.attempt),
        names.ENV_WORKER_INDEX: str(child.rank),
        names.ENV_WORKERS: str(child.workers),
        names.ENV_COORDINATOR: f"127.0.0.1:{coordinator_port}",
        names.ENV_GROUP_TOKEN: token,
        names.ENV_HOST_ADDRESS: "127.0.0.1",
        names.ENV_NODE: socket.gethostname(),
        names.ENV_RESTARTS_LEFT: str(child.restarts_left),
        names.ENV_JOULES_BEFORE: str(child.joules_before),
        names.ENV_GRACE_SECONDS: str(RANK_GRACE_SECONDS),
    }


def _resources(job: TrainingJob, child: CreateChild) -> dict[str, str]:
    resources = job.spec.workers.resources
    cpus, memory = resources.cpus(), resources.memory_bytes()
    variables = {
        names.ENV_CPU_SCOPE: "process",
        names.ENV_CPU_LIMIT: f"{cpus or _cores() / child.workers:.3f}",
    }
    return variables if memory is None else {**variables, names.ENV_MEMORY_REQUEST: str(int(memory))}


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _files(around: Surroundings, child: CreateChild, log: Path, last_word: Path) -> dict[str, str]:
    directory = around.directory
    paths = {
        names.ENV_SPEC: directory.spec_file,
        names.ENV_DATA_DIR: directory.directory("data"),
        names.ENV_CHECKPOINT_DIR: directory.directory("checkpoints"),
        names.ENV_MODEL_DIR: directory.directory("model"),
        names.ENV_LOG_FILE: log,
        names.ENV_TERMINATION_FILE: last_word,
    }
    if child.role == names.ROLE_WORKER and child.rank == 0:
        paths[names.ENV_METRICS_FILE] = directory.metrics_file
    return {name: str(path.absolute()) for name, path in paths.items()}
