"""What the operator tells a supervisor: the environment and the spec's file, read once into a frozen object."""

from __future__ import annotations

import json
import math
import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wattrain_api import names
from wattrain_api.contract.launchers import launcher_of
from wattrain_api.contract.metric_pattern import MetricPattern, PatternError, compile_pattern
from wattrain_api.trackers import TRACKERS, missing_libraries
from wattrain_worker.errors import BadSpec

DEFAULT_GRACE_SECONDS = 30.0
DEFAULT_TERMINATION_FILE = "/dev/termination-log"
LAUNCHERS = ("native", "torchrun")


class ConfigError(BadSpec):
    """Something that was configured cannot work; the message names it, its value and the remedy."""


@dataclass(frozen=True)
class Config:
    """Everything that a supervisor is told. Durations are in seconds, sizes in CPUs and ranks."""

    job: str
    role: str
    spec_file: str
    attempt: int
    worker: int
    """Index of this worker; 0 decides for the group."""
    workers: int
    coordinator: str
    """`host:port` of worker 0's supervisor."""
    token: str
    port: int
    listen_fd: int | None
    parent_fd: int | None
    host_address: str
    node: str
    uid: str
    """Uid of the child that this supervisor is; empty: not known."""
    metrics_file: str
    log_file: str
    kept_log_file: str
    """Where the ranks' output is kept besides; empty: nowhere."""
    termination_file: str
    directive_file: str
    """Where the operator's directives appear, at worker 0; empty: none comes."""
    grace_seconds: float
    restarts_left: int
    joules_before: float
    joules_low_before: float
    joules_high_before: float
    cpu_limit: float | None
    command: tuple[str, ...]
    """The user's own program and its arguments; empty: a recipe."""
    metric_patterns: tuple[MetricPattern, ...]
    processes_per_worker: int
    launcher: str
    """`native`: a process a rank. `torchrun`: ours, once a worker. `command`: the user's, once a worker."""
    prepares_own_data: bool
    """Whether this worker prepares the data for itself before it joins the group."""
    trackers: tuple[str, ...]
    """Fields of `spec.tracking` that are given, at worker 0."""

    @property
    def preparing(self) -> bool:
        """Whether this is the preparation of the data, which has one process and no group."""
        return self.role == names.ROLE_PREPARE

    @property
    def worker_of_failures(self) -> int | None:
        """Index of this worker in what is said of a failure; None for the preparation, which belongs to no group."""
        return None if self.preparing else self.worker

    def rank_of_failures(self, rank: int) -> int | None:
        """`rank` in what is said of a failure; None where a process is not one DDP rank: the preparation, or a torchrun
        that stands for several."""
        says_itself = self.launcher == "command" and any("nproc" in word for word in self.command)
        is_one = self.launcher == "native" or (self.processes_per_worker == 1 and not says_itself)
        return rank if is_one and not self.preparing else None

    def ranks_of_process(self, first: int) -> range:
        """The ranks of the process that stands for rank `first`, and under torchrun for all of this worker."""
        return range(first, first + (1 if self.launcher == "native" else self.processes_per_worker))

    @property
    def coordinator_host_port(self) -> tuple[str, int]:
        """Address of worker 0's supervisor; checked when the configuration was read."""
        host, _, port = self.coordinator.rpartition(":")
        return host.strip("[]"), int(port)


def read_config(environ: Mapping[str, str] = os.environ) -> Config:
    """The configuration in `environ` and in the file that WATTRAIN_SPEC names. ConfigError where it cannot work."""
    role = environ.get(names.ENV_ROLE) or names.ROLE_WORKER
    if role not in (names.ROLE_PREPARE, names.ROLE_WORKER):
        raise ConfigError(f"{names.ENV_ROLE} is {role!r}: write {names.ROLE_PREPARE} or {names.ROLE_WORKER}")
    preparing = role == names.ROLE_PREPARE
    workers = 1 if preparing else _integer(environ, names.ENV_WORKERS, 1, low=1)
    worker = 0 if preparing else _integer(environ, names.ENV_WORKER_INDEX, 0)
    if worker >= workers:
        raise ConfigError(
            f"{names.ENV_WORKER_INDEX} is {worker}, but there are {workers} workers: write 0 to {workers - 1}"
        )
    _check_group(environ, workers, worker)
    spec_file = _required(environ, names.ENV_SPEC, "write the path of a file with the job's spec as JSON")
    spec = _read_spec(spec_file)
    script, group = _object(spec, "script"), _object(spec, "workers")
    command = () if preparing else _command(spec, script)
    if worker == 0 and not (preparing and "script" in spec):  # whose data is prepared in another image than its own
        missing = missing_libraries(_trackers(spec), f"in the image of this {role}")
        if missing:
            raise ConfigError(missing[0])
    return Config(
        job=environ.get(names.ENV_JOB, ""),
        role=role,
        spec_file=spec_file,
        attempt=_integer(environ, names.ENV_ATTEMPT, 1),
        worker=worker,
        workers=workers,
        coordinator=environ.get(names.ENV_COORDINATOR, ""),
        token=environ.get(names.ENV_GROUP_TOKEN, ""),
        port=_integer(environ, names.ENV_PORT, names.DEFAULT_WORKER_PORT, high=65_535),
        listen_fd=_optional_integer(environ, names.ENV_LISTEN_FD),
        parent_fd=_optional_integer(environ, names.ENV_PARENT_FD),
        host_address=environ.get(names.ENV_HOST_ADDRESS) or "127.0.0.1",
        node=environ.get(names.ENV_NODE) or socket.gethostname(),
        uid=environ.get(names.ENV_CHILD_UID, ""),
        metrics_file=environ.get(names.ENV_METRICS_FILE, ""),
        log_file=environ.get(names.ENV_LOG_FILE, ""),
        kept_log_file=environ.get(names.ENV_KEPT_LOG_FILE, ""),
        termination_file=environ.get(names.ENV_TERMINATION_FILE) or DEFAULT_TERMINATION_FILE,
        directive_file=environ.get(names.ENV_DIRECTIVE_FILE, ""),
        grace_seconds=_number(environ, names.ENV_GRACE_SECONDS, DEFAULT_GRACE_SECONDS),
        restarts_left=_integer(environ, names.ENV_RESTARTS_LEFT, 0),
        joules_before=_number(environ, names.ENV_JOULES_BEFORE, 0.0),
        joules_low_before=_number(environ, names.ENV_JOULES_LOW_BEFORE, 0.0),
        joules_high_before=_number(environ, names.ENV_JOULES_HIGH_BEFORE, 0.0),
        cpu_limit=_number(environ, names.ENV_CPU_LIMIT, 0.0) or None,
        command=command,
        metric_patterns=() if preparing else _patterns(script),
        processes_per_worker=1 if preparing else _processes(group),
        launcher="native" if preparing else "command" if command and launcher_of(command) else _launcher(group),
        prepares_own_data=not preparing and _prepares_own_data(environ),
        trackers=() if preparing or worker else _trackers(spec),
    )


def _trackers(spec: dict[str, Any]) -> tuple[str, ...]:
    given = tuple(_object(spec, "tracking"))
    unknown = [field for field in given if field not in TRACKERS]
    if unknown:
        raise ConfigError(f"spec.tracking.{unknown[0]}: this image does not know it; take a newer image, or remove it")
    return given


def _prepares_own_data(environ: Mapping[str, str]) -> bool:
    value = environ.get(names.ENV_PREPARE, "")
    if value not in ("", names.PREPARE_OWN):
        raise ConfigError(f"{names.ENV_PREPARE} is {value!r}: write {names.PREPARE_OWN}, or nothing")
    return value == names.PREPARE_OWN


def _check_group(environ: Mapping[str, str], workers: int, worker: int) -> None:
    if workers == 1:
        return
    _required(environ, names.ENV_GROUP_TOKEN, "write the secret that all workers of the attempt share")
    if worker == 0:
        return
    address = _required(environ, names.ENV_COORDINATOR, "write host:port of worker 0")
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"{names.ENV_COORDINATOR} is {address!r}: write host:port of worker 0")


def _read_spec(path: str) -> dict[str, Any]:
    try:
        spec = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{names.ENV_SPEC} is {path!r}, which cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise ConfigError(f"{path}, the file that {names.ENV_SPEC} names, is no JSON ({error})") from None
    if not isinstance(spec, dict):
        raise ConfigError(f"{path}, the file that {names.ENV_SPEC} names, must hold an object: the job's spec")
    return spec


def _object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name) or {}
    if not isinstance(value, dict):
        raise ConfigError(f"spec.{name} is {value!r}: write an object")
    return value


def _command(spec: dict[str, Any], script: dict[str, Any]) -> tuple[str, ...]:
    if "script" not in spec:
        return ()
    command, arguments = script.get("command"), script.get("args") or []
    if not _is_texts(command) or not command:
        raise ConfigError(f"spec.script.command is {command!r}: write a list with the program and its first arguments")
    if not _is_texts(arguments):
        raise ConfigError(f"spec.script.args is {arguments!r}: write a list of texts")
    return (*command, *arguments)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _patterns(script: dict[str, Any]) -> tuple[MetricPattern, ...]:
    found = []
    patterns = script.get("metricPatterns") or {}
    if not isinstance(patterns, dict):
        raise ConfigError(f"spec.script.metricPatterns is {patterns!r}: write a regular expression by metric")
    for metric, text in patterns.items():
        if not isinstance(text, str):
            raise ConfigError(f"spec.script.metricPatterns.{metric} is {text!r}: write a text")
        try:
            found.append(compile_pattern(metric, text))
        except PatternError as error:
            raise ConfigError(f"spec.script.metricPatterns.{metric}: {error}") from None
    return tuple(found)


def _processes(group: dict[str, Any]) -> int:
    value = group.get("processesPerWorker", 1)
    if not isinstance(value, int) or value < 1:
        raise ConfigError(f"spec.workers.processesPerWorker is {value!r}: write an integer of at least 1")
    return value


def _launcher(group: dict[str, Any]) -> str:
    value = group.get("launcher", "native")
    if value not in LAUNCHERS:
        raise ConfigError(f"spec.workers.launcher is {value!r}: write one of {', '.join(LAUNCHERS)}")
    return str(value)


def _required(environ: Mapping[str, str], name: str, remedy: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set: {remedy}")
    return value


def _optional_integer(environ: Mapping[str, str], name: str) -> int | None:
    return _integer(environ, name, 0) if environ.get(name) else None


def _integer(environ: Mapping[str, str], name: str, default: int, low: int = 0, high: int = 2**31 - 1) -> int:
    text = environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,10}", text.strip()) or not low <= int(text) <= high:
        raise ConfigError(f"{name} is {text!r}: write an integer from {low} to {high}")
    return int(text)


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(f"{name} is {text!r}: write a number of at least 0")
    return value
