"""What the operator is told: read once from the environment, then never looked up again.

| variable | meaning | default |
|---|---|---|
| WATTRAIN_OPERATOR_WORKER_IMAGE | image of the workers of jobs that name none | required |
| WATTRAIN_OPERATOR_SUPERVISOR_IMAGE | image that carries the supervisor for foreign images | the worker image |
| WATTRAIN_OPERATOR_IMAGE_PULL_POLICY | Always, IfNotPresent or Never | IfNotPresent |
| WATTRAIN_OPERATOR_NAMESPACES | namespaces to work in, comma-separated; empty: all | empty |
| WATTRAIN_OPERATOR_NAMESPACE | namespace that the operator runs in; its Lease is there | that of the service account |
| WATTRAIN_OPERATOR_LEASE_NAME | name of the Lease | wattrain-operator |
| WATTRAIN_OPERATOR_RESYNC_SECONDS | seconds between two LISTs that repair the cache | 90 |
| WATTRAIN_OPERATOR_PROGRESS_INTERVAL_SECONDS | seconds between two questions to a group | 10 |
| WATTRAIN_OPERATOR_STATUS_INTERVAL_SECONDS | shortest time between two writes of figures alone | 15 |
| WATTRAIN_OPERATOR_REACH | direct: ask pods by address; proxy: through the API server | direct |
| WATTRAIN_OPERATOR_NETWORK_POLICY | true: a NetworkPolicy for each job | true |
| WATTRAIN_OPERATOR_METRICS_PORT | port of /metrics; 0: a free one | 8080 |
| WATTRAIN_OPERATOR_HEALTH_PORT | port of /healthz and /readyz; 0: a free one | 8081 |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast, get_args

PREFIX = "WATTRAIN_OPERATOR_"
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
Reach = Literal["direct", "proxy"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_LINK = re.compile(r"_(SERVICE_(HOST|PORT).*|PORT(_\d+_(TCP|UDP).*)?)$")
"""Variables that Kubernetes sets in every pod of a namespace with a Service, here one named wattrain-operator."""
_T = TypeVar("_T")


class InvalidSettingsError(ValueError):
    """Variables that cannot be used: `problems` has one sentence each, with the variable, its value and the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class OperatorSettings:
    """How one operator works. The table above says what each is for."""

    worker_image: str
    supervisor_image: str
    image_pull_policy: PullPolicy = "IfNotPresent"
    namespaces: tuple[str, ...] = ()
    """Empty: all."""
    operator_namespace: str = "default"
    lease_name: str = "wattrain-operator"
    resync_seconds: float = 90.0
    progress_interval_seconds: float = 10.0
    status_interval_seconds: float = 15.0
    reach: Reach = "direct"
    network_policy: bool = True
    metrics_port: int = 8080
    health_port: int = 8081

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> OperatorSettings:
        """The settings that `environment` holds. InvalidSettingsError names everything that is wrong."""
        reader = _Reader(environment)
        worker_image = reader.read("WORKER_IMAGE", _text, "")
        settings = OperatorSettings(
            worker_image=worker_image,
            supervisor_image=reader.read("SUPERVISOR_IMAGE", _text, "") or worker_image,
            image_pull_policy=cast(
                PullPolicy, reader.read("IMAGE_PULL_POLICY", _one_of(get_args(PullPolicy)), "IfNotPresent")
            ),
            namespaces=reader.read("NAMESPACES", _labels, ()),
            operator_namespace=reader.read("NAMESPACE", _label, _own_namespace()),
            lease_name=reader.read("LEASE_NAME", _label, "wattrain-operator"),
            resync_seconds=reader.read("RESYNC_SECONDS", _between(1, 3600), 90.0),
            progress_interval_seconds=reader.read("PROGRESS_INTERVAL_SECONDS", _between(0.2, 3600), 10.0),
            status_interval_seconds=reader.read("STATUS_INTERVAL_SECONDS", _between(0, 3600), 15.0),
            reach=cast(Reach, reader.read("REACH", _one_of(get_args(Reach)), "direct")),
            network_policy=reader.read("NETWORK_POLICY", _truth, True),
            metrics_port=reader.read("METRICS_PORT", _port, 8080),
            health_port=reader.read("HEALTH_PORT", _port, 8081),
        )
        if not worker_image:
            reader.refuse("WORKER_IMAGE", "", "required, but missing: set it to the image that workers run in")
        reader.refuse_unknown()
        if reader.problems:
            raise InvalidSettingsError(reader.problems)
        return settings


class _Reader:
    """Reads one variable after the other, and remembers what was wrong."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._asked: set[str] = set()
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], _T], default: _T) -> _T:
        self._asked.add(PREFIX + name)
        value = self._environment.get(PREFIX + name, "").strip()
        if not value:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.refuse(name, value, str(error))
            return default

    def refuse(self, name: str, value: str, why: str) -> None:
        self.problems.append(f"{PREFIX}{name}={value}: {why}")

    def refuse_unknown(self) -> None:
        """A misspelt variable would otherwise leave a default in force without a word."""
        for name in sorted(self._environment):
            if name.startswith(PREFIX) and name not in self._asked and not _SERVICE_LINK.search(name):
                self.problems.append(
                    f"{name}: no such setting; remove it, or write one of {', '.join(sorted(self._asked))}"
                )


def _own_namespace() -> str:
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"


def _text(value: str) -> str:
    return value


def _label(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("no DNS label; write at most 63 lower-case letters, digits and inner hyphens")
    return value


def _labels(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_label(name.strip()) for name in value.split(",") if name.strip()))


def _one_of(known: tuple[Any, ...]) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in known:
            raise ValueError(f"not known; write one of {', '.join(known)}")
        return value

    return parse


def _between(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise ValueError(f"write a number from {low:g} to {high:g}, in seconds")
        return number

    return parse


def _port(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) > 65535:
        raise ValueError("write a port from 0 to 65535")
    return int(value)


def _truth(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("write true or false")
    return value == "true"
