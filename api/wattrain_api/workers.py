"""`spec.workers` and `spec.storage`: the processes that train and what they may use. Typed, so that it is safe."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wattrain_api.affinity import Affinity
from wattrain_api.base import LabelKey, LabelValue, Model, ObjectName, Path, Quantity, Rule, quantity_value
from wattrain_api.variables import EnvironmentVariable, VariablesFrom
from wattrain_api.volumes import Volume

_PLAIN_RESOURCES = ("cpu", "memory", "ephemeral-storage")


def _requests_within_limits(resources: Resources) -> bool:
    limits = resources.limits
    return all(quantity_value(r) <= quantity_value(limits.get(name, r)) for name, r in resources.requests.items())


def _devices_are_limited(resources: Resources) -> bool:
    devices = {name: amount for name, amount in resources.requests.items() if name not in _PLAIN_RESOURCES}
    limits = resources.limits
    return all(name in limits and quantity_value(limits[name]) == quantity_value(r) for name, r in devices.items())


class Resources(Model):
    """Requests and limits, as in a pod."""

    RULES: ClassVar = (
        Rule(
            "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            "a request must not exceed the limit of the same resource: lower requests, or raise limits",
            _requests_within_limits,
        ),
        Rule(
            "!has(self.requests) || self.requests.all(name, name in ['cpu', 'memory', 'ephemeral-storage'] || "
            "(has(self.limits) && name in self.limits && "
            "quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) == 0))",
            "of a device, as of all but cpu, memory and ephemeral-storage, request and limit are the same: name it in "
            "limits alone",
            _devices_are_limited,
        ),
    )

    requests: Annotated[dict[LabelKey, Quantity], Field(max_length=16)] = {}
    """What the scheduler sets aside, by resource (cpu, memory, nvidia.com/gpu, ...)."""
    limits: Annotated[dict[LabelKey, Quantity], Field(max_length=16)] = {}
    """What may be used at most, by resource."""

    def cpus(self) -> float | None:
        """CPUs of the limit, else of the request; None where neither names any."""
        return self._amount("cpu", self.limits, self.requests)

    def memory_bytes(self) -> float | None:
        """Bytes of the memory request, else of the limit; None where neither names any."""
        return self._amount("memory", self.requests, self.limits)

    @staticmethod
    def _amount(resource: str, *maps: dict[str, str]) -> float | None:
        found = next((m[resource] for m in maps if resource in m), None)
        return None if found is None else quantity_value(found)


class Toleration(Model):
    """A taint of nodes that the workers tolerate."""

    key: Annotated[str, Field(max_length=317)] = ""
    """Key of the taint; empty with operator Exists: all."""
    operator: Literal["Equal", "Exists"] = "Equal"
    """How key and value are compared."""
    value: LabelValue = ""
    """Value of the taint."""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    """Effect of the taint; empty: all."""


class TopologySpread(Model):
    """How evenly the workers spread over groups of nodes."""

    topology_key: LabelKey
    """Label of nodes that names their group."""
    max_skew: Annotated[int, Field(ge=1, le=1024)] = 1
    """Largest difference in the number of workers between two groups."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = "ScheduleAnyway"
    """What happens where it cannot be kept."""


ACCOUNT_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"
_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
_OURS = ("wattrain.dev/", "app.kubernetes.io/")
_SECURITY = ("security.alpha.kubernetes.io/", "security.beta.kubernetes.io/")


def _is_key(key: str) -> bool:
    return re.fullmatch(_KEY, key) is not None and not key.startswith(_OURS)


def _has_token(workers: Workers) -> bool:
    return any(part.service_account_token is not None for v in workers.volumes for part in v.projected or ())


class Workers(Model):
    """The processes that train."""

    RULES: ClassVar = (
        Rule(
            "!has(self.minReplicas) || self.minReplicas <= self.replicas",
            "minReplicas must not exceed replicas",
            lambda w: w.min_replicas is None or w.min_replicas <= w.replicas,
        ),
        Rule(
            f"!has(self.labels) || self.labels.all(key, key.matches('{_KEY}') && self.labels[key].matches('{_VALUE}')"
            " && !key.startsWith('wattrain.dev/') && !key.startsWith('app.kubernetes.io/'))",
            "labels: keys and values are labels of Kubernetes, and no key begins with wattrain.dev/ or "
            "app.kubernetes.io/, which are set already",
            lambda w: all(_is_key(key) and re.fullmatch(_VALUE, value) for key, value in w.labels.items()),
        ),
        Rule(
            f"!has(self.annotations) || self.annotations.all(key, key.matches('{_KEY}') && "
            "!key.startsWith('wattrain.dev/') && !key.startsWith('app.kubernetes.io/') && "
            "!key.contains('security.alpha.kubernetes.io/') && !key.contains('security.beta.kubernetes.io/'))",
            "annotations: keys are names of Kubernetes; those that begin with wattrain.dev/ or app.kubernetes.io/ are "
            "set already, and those of security.alpha and security.beta.kubernetes.io could loosen the pod",
            lambda w: all(_is_key(key) and not any(part in key for part in _SECURITY) for key in w.annotations),
        ),
        Rule(
            "!has(self.volumes) || (has(self.serviceAccountName) && self.serviceAccountName != '') || "
            "self.volumes.all(v, !has(v.projected) || v.projected.all(p, !has(p.serviceAccountToken)))",
            "a serviceAccountToken is of workers.serviceAccountName: name the account",
            lambda w: w.service_account_name != "" or not _has_token(w),
        ),
    )

    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    """Number of workers."""
    min_replicas: Annotated[int, Field(ge=1, le=1024)] | None = None
    """With how many an elastic job goes on; unset: the job is not elastic and needs all."""
    processes_per_worker: Annotated[int, Field(ge=1, le=64)] = 1
    """Ranks in each worker, one a GPU where there are GPUs."""
    launcher: Literal["native", "torchrun"] = "native"
    """`torchrun` starts the ranks through torchrun, for scripts that need it; exit codes are lost."""
    resources: Resources = Resources()
    """Requests and limits of each worker."""
    env: Annotated[tuple[EnvironmentVariable, ...], Field(max_length=256)] = ()
    """Variables for the ranks."""
    env_from: Annotated[tuple[VariablesFrom, ...], Field(max_length=16)] = ()
    """Secrets and ConfigMaps whose entries become variables for the ranks; `env` wins over them."""
    volumes: Annotated[tuple[Volume, ...], Field(max_length=32)] = ()
    """What is mounted into the workers."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    """Labels that a node must carry."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that are tolerated."""
    topology_spread: Annotated[tuple[TopologySpread, ...], Field(max_length=8)] = ()
    """How evenly the workers spread."""
    affinity: Affinity | None = None
    """Nodes and neighbours that the workers must or should have."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    """Further labels of the pods."""
    annotations: Annotated[dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] = {}
    """Further annotations of the pods, such as `sidecar.istio.io/inject`."""
    service_account_name: Annotated[str, Field(pattern=ACCOUNT_PATTERN, max_length=253)] = ""
    """ServiceAccount of the pods, which whoever creates the job may use; its token is mounted. Empty: no token."""
    priority_class_name: Annotated[str, Field(max_length=253)] = ""
    """PriorityClass of the pods."""
    scheduler_name: Annotated[str, Field(max_length=253)] = ""
    """Scheduler of the pods; empty: the cluster's."""
    image_pull_secrets: Annotated[tuple[ObjectName, ...], Field(max_length=16)] = ()
    """Names of Secrets for pulling the image."""
    run_as_user: Annotated[int, Field(ge=1, le=2**31 - 1)] = 65532
    """User and group of the processes; never 0."""


class EphemeralStorage(Model):
    """A directory that lives as long as its pod."""

    size: Quantity = "10Gi"
    """Its size at most."""


class Storage(Model):
    """Where data, checkpoints and the model live: at most one kind; none means ephemeral."""

    RULES: ClassVar = (
        Rule(
            "[has(self.claim), has(self.ephemeral), has(self.uri)].filter(x, x).size() <= 1",
            "give at most one of claim, ephemeral and uri",
            lambda s: sum(x is not None for x in (s.claim, s.ephemeral, s.uri)) <= 1,
        ),
    )

    claim: ObjectName | None = None
    """Name of a PersistentVolumeClaim that outlives the pods."""
    ephemeral: EphemeralStorage | None = None
    """A directory that lives as long as its pod."""
    uri: Path | None = None
    """Address in an object store."""
