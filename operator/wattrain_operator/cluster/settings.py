"""The settings of the operator, which it reads from its environment once.

Each field of OperatorSettings is a variable: `lease_name` is WATTRAIN_OPERATOR_LEASE_NAME.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from wattrain_api import reasons
from wattrain_api.base import QUANTITY_PATTERN
from wattrain_operator.notifications.webhook import host_of, key_of

NOT_SHOWN: Final = frozenset({"notify_url", "notify_secret"})
"""Settings whose values may be all that protects something, so that no message has them."""
PREFIX: Final = "WATTRAIN_OPERATOR_"
SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_LINK = re.compile(r"_(SERVICE_(HOST|PORT).*|PORT(_\d+_(TCP|UDP).*)?)$")
"""Variables that Kubernetes sets in every pod of a namespace with a Service, here one named wattrain-operator."""


class InvalidSettingsError(ValueError):
    """Variables that cannot be used: `problems` has one sentence each, with the variable, its value and the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def _own_namespace() -> str:
    """The namespace of this pod's service account; `default` outside a pod."""
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text(encoding="utf-8").strip() or "default"
    except OSError:
        return "default"


def _check_label(value: str) -> str:
    if not _DNS_LABEL.fullmatch(value):
        raise ValueError("no DNS label; write at most 63 lower-case letters, digits and inner hyphens")
    return value


def _check_amount(value: str) -> str:
    if value and not re.fullmatch(QUANTITY_PATTERN, value):
        raise ValueError("no amount; write one as Kubernetes does, such as 100m, 2 or 512Mi, or nothing")
    return value


def _split(value: Any) -> Any:
    """The names between the commas of a text, each once."""
    if not isinstance(value, str):
        return value
    return tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


def _check_truth(value: Any) -> Any:
    """pydantic would take `yes` and `1` too, which a chart then writes in one place and not in another."""
    if value not in (True, False, "true", "false"):
        raise ValueError("write true or false")
    return value


def _check_address(value: str) -> str:
    if value:
        host_of(value)
    return value


def _check_secret(value: str) -> str:
    if value:
        key_of(value)
    return value


def _check_ends(value: tuple[str, ...]) -> tuple[str, ...]:
    if set(value) - {reasons.COMPLETE, reasons.FAILED}:
        raise ValueError("no end of a job; write Complete, Failed or both, with a comma between them")
    return value


Label = Annotated[str, AfterValidator(_check_label)]
Labels = Annotated[tuple[Label, ...], BeforeValidator(_split)]
Amount = Annotated[str, AfterValidator(_check_amount)]
Address = Annotated[str, AfterValidator(_check_address)]
Secret = Annotated[str, AfterValidator(_check_secret)]
Ends = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_check_ends)]
Port = Annotated[int, Field(ge=0, le=65535)]


@dataclass(frozen=True)
class OperatorSettings:
    """How one operator works. ValidationError where a value makes no sense."""

    worker_image: str
    """Image of the workers of jobs that name none. Required."""
    supervisor_image: str
    """Image that carries the supervisor for foreign images. Unset: the worker image."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    """When a node pulls the images of workers that this operator chose."""
    namespaces: Labels = ()
    """Namespaces to work in, in the environment comma-separated. Empty: all."""
    namespace: Label = Field(default_factory=_own_namespace)
    """Namespace that the operator runs in; its Lease is there. Unset: that of the service account."""
    lease_name: Label = "wattrain-operator"
    """Name of the Lease of who leads."""
    resync_seconds: Annotated[float, Field(ge=1, le=3600)] = 90.0
    """Seconds between two LISTs that repair the cache."""
    progress_interval_seconds: Annotated[float, Field(ge=0.2, le=3600)] = 10.0
    """Seconds between two questions to a group."""
    status_interval_seconds: Annotated[float, Field(ge=0, le=3600)] = 15.0
    """Shortest time between two writes of figures alone."""
    reach: Literal["direct", "proxy"] = "direct"
    """`direct`: ask pods by address. `proxy`: through the API server."""
    network_policy: Annotated[bool, BeforeValidator(_check_truth)] = True
    """Whether each job gets a NetworkPolicy."""
    worker_cpu_request: Amount = ""
    """CPUs that a worker requests whose job names none, as in a pod. Empty: none."""
    worker_memory_request: Amount = ""
    """The same for memory."""
    credentials: Literal["allowed", "refused"] = "refused"
    """`allowed`: jobs may name Secrets and service accounts, for an admission policy checks who may use which, or all
    who create jobs are trusted. `refused`: they may not."""
    notify_url: Address = Field(default="", repr=False)
    """Address that is notified of the ends of jobs. Empty: none."""
    notify_secret: Secret = Field(default="", repr=False)
    """What notifications are signed with, `whsec_...`. Empty: they are not."""
    notify_conditions: Ends = (reasons.COMPLETE, reasons.FAILED)
    """Ends that are notified of, in the environment comma-separated."""
    metrics_port: Port = 8080
    """Port of /metrics; 0: a free one."""
    health_port: Port = 8081
    """Port of /healthz and /readyz; 0: a free one."""

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> OperatorSettings:
        """The settings that `environment` holds. InvalidSettingsError names everything that is wrong."""
        known = [field.name for field in fields(OperatorSettings)]
        given = {name: environment.get(_variable(name), "").strip() for name in known}
        values: dict[str, Any] = {name: value for name, value in given.items() if value}
        values.setdefault("supervisor_image", values.get("worker_image", ""))
        problems = _unknown(environment, known)
        if "notify_secret" in values and "notify_url" not in values:
            sentence = f"there is no {_variable('notify_url')} that it signs for; set that too, or remove this"
            problems.append(f"{_variable('notify_secret')}: {sentence}")
        try:
            settings = OperatorSettings(**values)
        except ValidationError as error:
            problems = [_sentence(details, given) for details in error.errors(include_url=False)] + problems
        if problems:
            raise InvalidSettingsError(list(dict.fromkeys(problems)))  # one for each name of a list
        return settings


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _sentence(details: ErrorDetails, given: Mapping[str, str]) -> str:
    """What is wrong with a variable, its value, and the remedy."""
    field = str(details["loc"][0])
    if details["type"] == "missing":
        why = "required, but missing: set it to the image that workers run in"
    elif details["type"] == "value_error":
        why = str(details["ctx"]["error"])
    else:
        why = _what_to_write(TypeAdapter(OperatorSettings).json_schema()["properties"][field])
    shown = "" if field in NOT_SHOWN else f"={given[field]}"
    return f"{_variable(field)}{shown}: {why}"


def _what_to_write(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"not known; write one of {', '.join(schema['enum'])}"
    noun = "a whole number" if schema["type"] == "integer" else "a number"
    return f"write {noun} from {schema['minimum']:g} to {schema['maximum']:g}"


def _unknown(environment: Mapping[str, str], known: list[str]) -> list[str]:
    """A misspelt variable would otherwise leave a default in force unnoticed."""
    variables = sorted(_variable(name) for name in known)
    return [
        f"{name}: no such setting; remove it, or write one of {', '.join(variables)}"
        for name in sorted(environment)
        if name.startswith(PREFIX) and name not in variables and not _SERVICE_LINK.search(name)
    ]
