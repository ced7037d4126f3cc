"""What a rank is started with: command and environment."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from wattrain_api import names
from wattrain_api.contract.launchers import ACCELERATE, launcher_of, with_group
from wattrain_worker.supervisor.config import Config

_NOT_FOR_RANKS: Final = (
    names.ENV_GROUP_TOKEN, names.ENV_LISTEN_FD, names.ENV_PARENT_FD, names.ENV_DIRECTIVE_FILE,
)  # fmt: skip
_SAFE_PATH: Final = ("-P",) if sys.version_info >= (3, 11) else ()
"""A module of the user's in the current directory must not stand in for one of the standard library."""
_TORCH_DEFAULTS: Final = {
    # A collective that hangs ends the process instead of staying, and leaves a record of what it waited for.
    "TORCH_NCCL_ASYNC_ERROR_HANDLING": "3",
    "TORCH_NCCL_DUMP_ON_TIMEOUT": "1",
    "TORCH_FR_BUFFER_SIZE": "20000",
}


@dataclass(frozen=True)
class Order:
    """One start of the group, as the coordinator decided it."""

    generation: int
    master_address: str
    master_port: int
    restart_reason: str


NO_ORDER: Final = Order(generation=0, master_address="127.0.0.1", master_port=0, restart_reason="")
"""What starts before there is a group."""


@dataclass(frozen=True)
class RankStart:
    """A process to start."""

    rank: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    label: str = ""
    """What its lines begin with in the log; empty: its rank."""


def rank_starts(config: Config, order: Order, report_socket: str, environ: Mapping[str, str]) -> list[RankStart]:
    """The processes of this worker in the generation that `order` describes. `environ` is the supervisor's own."""
    shared = _shared_environment(config, order, report_socket, environ)
    if config.launcher == "command":
        command, extra = _own_launcher(config, order)
        first, label = config.worker * config.processes_per_worker, f"worker {config.worker}"
        return [RankStart(first, command, {**shared, **extra}, label)]
    if config.launcher == "torchrun":
        command, extra = _torchrun(config, order)
        return [RankStart(config.worker * config.processes_per_worker, command, {**shared, **extra})]
    command, label = _command(config), names.ROLE_PREPARE if config.preparing else ""
    return [
        RankStart(rank, command, {**shared, **_rank_environment(config, order, rank, local_rank)}, label)
        for local_rank, rank in enumerate(_ranks(config))
    ]


def _ranks(config: Config) -> range:
    first = config.worker * config.processes_per_worker
    return range(first, first + config.processes_per_worker)


def _command(config: Config) -> tuple[str, ...]:
    if config.command:
        return config.command
    module = "wattrain_worker.data" if config.preparing else "wattrain_worker.train"
    return python_module(module)


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs a module of ours in the supervisor's own Python."""
    return (sys.executable, *_SAFE_PATH, "-m", module)


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of the supervisor's environment `environ` its children get."""
    return {name: value for name, value in environ.items() if name not in _NOT_FOR_RANKS}


def _shared_environment(config: Config, order: Order, report_socket: str, environ: Mapping[str, str]) -> dict[str, str]:
    cpus = config.cpu_limit or _usable_cpus()
    threads = str(max(1, int(cpus / config.processes_per_worker)))
    return {
        "OMP_NUM_THREADS": threads,
        **_TORCH_DEFAULTS,
        **inherited_environment(environ),
        "PYTHONUNBUFFERED": "1",
        names.ENV_GENERATION: str(order.generation),
        names.ENV_RESTART_REASON: order.restart_reason,
        names.ENV_REPORT_SOCKET: report_socket,
        "MASTER_ADDR": order.master_address,
        "MASTER_PORT": str(order.master_port),
    }


def _rank_environment(config: Config, order: Order, rank: int, local_rank: int) -> dict[str, str]:
    """What torch.distributed's `env://` reads, and what a script that starts torchrun gives to it."""
    processes = str(config.processes_per_worker)
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(config.workers * config.processes_per_worker),
        "LOCAL_RANK": str(local_rank),
        "LOCAL_WORLD_SIZE": processes,
        "GROUP_RANK": str(config.worker),
        "GROUP_WORLD_SIZE": str(config.workers),
        **_torchrun_environment(config, order),
    }


def _torchrun_environment(config: Config, order: Order) -> dict[str, str]:
    """Defaults of torchrun's options: its static rendezvous, as under Kubeflow."""
    return {
        "PET_NNODES": str(config.workers),
        "PET_NPROC_PER_NODE": str(config.processes_per_worker),
        "PET_NODE_RANK": str(config.worker),
        "PET_MASTER_ADDR": order.master_address,
        "PET_MASTER_PORT": str(order.master_port),
    }


def _own_launcher(config: Config, order: Order) -> tuple[tuple[str, ...], dict[str, str]]:
    """A command that starts the ranks itself, once a worker. accelerate starts none where each worker has one rank: its
    process is the rank then, and finds its number as any script does."""
    environment = _torchrun_environment(config, order)
    if config.processes_per_worker == 1:
        environment = _rank_environment(config, order, config.worker, 0)
    if launcher_of(config.command) != ACCELERATE:
        return config.command, environment
    size = (config.workers, config.worker, config.processes_per_worker)
    return tuple(with_group(config.command, *size, order.master_address, order.master_port)), environment


def _torchrun(config: Config, order: Order) -> tuple[tuple[str, ...], dict[str, str]]:
    """One torchrun of one shot for all ranks of the worker: restarts are the group's, not its own.

    Whether it hosts the rendezvous is said outright, because torchrun's own comparison of host names fails on names
    of services. The agent's store is not shared with the ranks, because a later start would find stale keys in it.
    """
    rendezvous = f"is_host={str(config.worker == 0).lower()},last_call_timeout=3,join_timeout=600,read_timeout=30"
    python, program = _python_and_program(config)
    command = (
        *python,
        "-m",
        "torch.distributed.run",
        f"--nnodes={config.workers}",
        f"--nproc-per-node={config.processes_per_worker}",
        "--rdzv-backend=c10d",
        f"--rdzv-id={config.job}-{config.attempt}-{order.generation}",
        f"--rdzv-endpoint={order.master_address}:{order.master_port}",
        f"--rdzv-conf={rendezvous}",
        f"--local-addr={config.host_address}",
        "--max-restarts=0",
        "--monitor-interval=0.1",
        *program,
    )
    return command, {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}


def _python_and_program(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The Python that torchrun runs in, which is the script's own, and what comes after torchrun's options."""
    if not config.command:
        return (sys.executable, *_SAFE_PATH), ("-m", "wattrain_worker.train")
    program, *arguments = config.command
    if not re.fullmatch(r"(.*/)?python[0-9.]*", program):
        return ("python",), ("--no-python", program, *arguments)
    while arguments and arguments[0] == "-u":  # torchrun adds it itself
        arguments = arguments[1:]
    return (program,), tuple(arguments)


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
