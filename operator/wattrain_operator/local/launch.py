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
from wattrain_api.atomic_file import write_atomically
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.workers.environment import Provision, environment_of

SUPERVISOR = (sys.executable, "-P", "-m", "wattrain_worker")
"""-P: a module of the user's in the current directory must not stand in for one of the standard library."""
RANK_GRACE_SECONDS = 10
"""What a rank gets to save a checkpoint after SIGTERM."""


@dataclass(frozen=True)
class RunContext:
    """What all supervisors of one run share."""

    job: TrainingJob
    directory: RunDirectory
    parent_fd: int
    """Read end of a pipe whose write end the command alone has."""
    command: Sequence[str] = SUPERVISOR
    jobs_at_once: int = 1
    """Jobs of the command that may run at the same time: they share the cores, and the power of idle ones."""


def listening_socket() -> socket.socket:
    """A socket that already listens on a free port of the loopback interface: handed on, so nobody can take it."""
    return socket.create_server(("127.0.0.1", 0), backlog=128)


def worker_path() -> str:
    """PATH of the workers: the programs of this Python first, as if its virtual environment were active."""
    return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))


def termination_file(directory: RunDirectory, name: str) -> Path:
    """Where the supervisor `name` leaves its termination message."""
    return directory.directory("termination") / f"{name}.json"


def directive_file(directory: RunDirectory, name: str) -> Path:
    """Where the supervisor `name` finds what its group is asked to do."""
    return directory.directory("directives") / f"{name}.json"


def launch(
    context: RunContext, child: CreateChild, uid: str, listening: socket.socket, coordinator_port: int, token: str
) -> subprocess.Popen[bytes]:
    """Start the supervisor of `child`, whose uid is `uid`, in a session of its own: Ctrl-C in the terminal does not
    reach it."""
    log = context.directory.directory("logs") / f"{child.name}.log"
    termination_file(context.directory, child.name).unlink(missing_ok=True)  # a killed command may have left it
    write_atomically(directive_file(context.directory, child.name), b"")  # likewise; there is no directive yet
    port = listening.getsockname()[1]
    provision = _provision(context, child, port, coordinator_port, token)
    environment = {
        **environment_of(context.job, child, provision, {**os.environ, "PATH": worker_path()}),
        names.ENV_HOST_ADDRESS: "127.0.0.1",
        names.ENV_CHILD_UID: uid,
        names.ENV_NODE: socket.gethostname(),
        names.ENV_LOG_FILE: str(log.absolute()),
        names.ENV_LISTEN_FD: str(listening.fileno()),
        names.ENV_PARENT_FD: str(context.parent_fd),
    }
    with log.open("ab") as output:
        return subprocess.Popen(
            list(context.command), env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=(listening.fileno(), context.parent_fd, context.directory.lock_fd),
        )  # fmt: skip


def _provision(context: RunContext, child: CreateChild, port: int, coordinator_port: int, token: str) -> Provision:
    directory = context.directory
    for name in ("data", "checkpoints", "model"):
        directory.directory(name)
    return Provision(
        coordinator=f"127.0.0.1:{coordinator_port}",
        group_token=token,
        port=port,
        grace_seconds=RANK_GRACE_SECONDS,
        cpu_scope="process",
        cpus=cpus_of_worker(context.jobs_at_once, child.workers),
        spec_file=str(directory.spec_file.absolute()),
        directory=str(directory.path.absolute()),
        records=str(directory.path.absolute()),
        keeps_logs=False,
        termination_file=str(termination_file(directory, child.name).absolute()),
        directive_file=str(directive_file(directory, child.name).absolute()),
        shared_storage=True,
    )


def cpus_of_worker(jobs_at_once: int, workers: int) -> float:
    """CPUs that each of so many workers of each of so many jobs may use, where the job does not say."""
    return _cores() / jobs_at_once / workers


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
