"""What the API describes and this version does not do yet. A job that asks for it is refused: nothing is ignored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from wattrain_api.base import Model
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.trainingjob import TrainingJobSpec

_S = TypeVar("_S", bound=Model)


class _Gap(NamedTuple, Generic[_S]):
    field: str
    asked_for: Callable[[_S], bool]
    sentence: str
    """What is missing and what to do, after the name of the field."""


_JOB_GAPS: tuple[_Gap[TrainingJobSpec], ...] = (
    _Gap("recipe.name", lambda s: s.recipe is not None and s.recipe.name in ("resnet", "bert", "recommender"),
         "only logistic-regression and mlp are in this version; choose one, or bring the model as a script"),
    _Gap("data.engine", lambda s: s.data is not None and s.data.engine == "dask",
         "preparing data on Dask is not in this version; write local, for data that fits in memory"),
    _Gap("training.precision", lambda s: s.training is not None and s.training.precision == "fp16",
         "fp16 is not in this version; write bf16, which needs no scaling of the loss, or fp32"),
    _Gap("workers.minReplicas", lambda s: s.workers.min_replicas is not None,
         "elastic jobs are not in this version; remove it: the job then runs with exactly workers.replicas workers"),
    _Gap("parallelism.strategy", lambda s: s.parallelism.strategy != "DDP",
         "only DDP is in this version; write DDP, or use a script that does this itself"),
    _Gap("parallelism.tensor", lambda s: s.parallelism.tensor != 1,
         "tensor parallelism is not in this version; write 1, or use a script that does this itself"),
    _Gap("parallelism.pipeline", lambda s: s.parallelism.pipeline != 1,
         "pipeline parallelism is not in this version; write 1, or use a script that does this itself"),
    _Gap("storage.uri", lambda s: s.storage.uri is not None,
         "object stores are not in this version; use storage.claim, whose files outlive the pods"),
    _Gap("energy.powerCap", lambda s: s.energy.power_cap is not None,
         "power caps are not in this version; remove it, and limit workers.resources.limits.cpu instead"),
    _Gap("energy.budget", lambda s: s.energy.budget is not None,
         "budgets are not in this version; remove it, and limit policy.activeDeadlineSeconds instead"),
    _Gap("energy.carbon.mode", lambda s: s.energy.carbon is not None and s.energy.carbon.mode != "Off",
         'waiting for clean power is not in this version; write "Off", and use spec.suspend to choose the time'),
    _Gap("inference.enabled", lambda s: s.inference.enabled,
         "serving is not in this version; write false, and take the model from the job's storage"),
)  # fmt: skip
_DOMAIN_GAPS: tuple[_Gap[PowerDomainSpec], ...] = (
    _Gap("capWatts", lambda s: s.cap_watts is not None,
         "power caps are not in this version; remove it: without it, jobs are admitted by priority and age alone"),
    _Gap("carbon.configMap", lambda s: s.carbon.config_map is not None,
         "series of carbon intensity are not in this version; remove it, and give carbon.gramsPerKWh, a yearly mean"),
)  # fmt: skip


def unsupported(spec: TrainingJobSpec) -> list[tuple[str, str]]:
    """What `spec` asks for and this version does not do: path below the object's root, and a sentence with a remedy."""
    return _gaps(_JOB_GAPS, spec)


def unsupported_domain(spec: PowerDomainSpec) -> list[tuple[str, str]]:
    """The same for a PowerDomain."""
    return _gaps(_DOMAIN_GAPS, spec)


def _gaps(gaps: tuple[_Gap[_S], ...], spec: _S) -> list[tuple[str, str]]:
    return [(f"spec.{gap.field}", gap.sentence) for gap in gaps if gap.asked_for(spec)]
