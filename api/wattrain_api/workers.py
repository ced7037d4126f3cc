"""`spec.workers` and `spec.storage`: the processes that train and what they may use. Typed, so that it is safe."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wattrain_api.base import Model, Name, Path, Quantity, Rule, quantity_value

LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]


class Resources(Model):
    """Requests and limits, as in a pod."""

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


class EnvironmentVariable(Model):
    """A variable for the ranks."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=32_768)] = ""
    """Its value."""


class Volume(Model):
    """Something mounted into the workers: exactly one kind."""

    RULES: ClassVar = (
        Rule(
            "[has(self.claim), has(self.emptyDir), has(self.configMap)].filter(x, x).size() == 1",
            "give exactly one of claim, emptyDir and configMap",
            lambda v: sum(x is not None for x in (v.claim, v.empty_dir, v.config_map)) == 1,
        ),
    )

    mount_path: Annotated[str, Field(pattern=r"^/.+", max_length=1024)]
    """Where it appears, an absolute path."""
    claim: Name | None = None
    """Name of a PersistentVolumeClaim."""
    empty_dir: Quantity | None = None
    """Size of an empty directory that lives as long as the pod."""
    config_map: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of a ConfigMap."""
    read_only: bool = False
    """Whether it is mounted read-only."""


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


class Workers(Model):
    """The processes that train."""

    RULES: ClassVar = (
        Rule(
            "!has(self.minReplicas) || self.minReplicas <= self.replicas",
            "minReplicas must not exceed replicas",
            lambda w: w.min_replicas is None or w.min_replicas <= w.replicas,
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
    volumes: Annotated[tuple[Volume, ...], Field(max_length=32)] = ()
    """What is mounted into the workers."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    """Labels that a node must carry."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that are tolerated."""
    topology_spread: Annotated[tuple[TopologySpread, ...], Field(max_length=8)] = ()
    """How evenly the workers spread."""
    priority_class_name: Annotated[str, Field(max_length=253)] = ""
    """PriorityClass of the pods."""
    scheduler_name: Annotated[str, Field(max_length=253)] = ""
    """Scheduler of the pods; empty: the cluster's."""
    image_pull_secrets: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
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

    claim: Name | None = None
    """Name of a PersistentVolumeClaim that outlives the pods."""
    ephemeral: EphemeralStorage | None = None
    """A directory that lives as long as its pod."""
    uri: Path | None = None
    """Address in an object store."""
