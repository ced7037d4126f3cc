"""What the API describes and a job or a power domain cannot have: it is refused, for nothing is ignored.

Either this version does not do it yet, which `kubectl explain` says too, or it has no effect beside what else the spec
says. A test walks over all fields: each is named here, or has a row of its own that says where it acts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, NamedTuple, TypeVar

from wattrain_api.base import Model
from wattrain_api.contract.launchers import ACCELERATE, DEEPSPEED, launcher_of
from wattrain_api.names import GPU_PRODUCT_LABEL
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.registered import STRATEGIES
from wattrain_api.trainingjob import TrainingJobSpec

_S = TypeVar("_S", bound=Model)


def _launcher(spec: TrainingJobSpec) -> str:
    return "" if spec.script is None else launcher_of(spec.script.command)


def _ranks(spec: TrainingJobSpec) -> int:
    return spec.workers.replicas * spec.workers.processes_per_worker


def _has_gpus(spec: TrainingJobSpec) -> bool:
    resources = spec.workers.resources
    return any("gpu" in name for name in (*resources.limits, *resources.requests))


def _samples(spec: TrainingJobSpec) -> str:
    return "table" if spec.recipe is None else spec.recipe.params.SAMPLES


def _has_no_table(spec: TrainingJobSpec) -> bool:
    return _samples(spec) != "table"


def _has_texts_of_classes(spec: TrainingJobSpec) -> bool:
    return _samples(spec) == "text" and spec.recipe is not None and "classification" in spec.recipe.params.TASKS


def _has_initial_model(spec: TrainingJobSpec) -> bool:
    return spec.training is not None and spec.training.initial_model is not None


def _has_interactions(spec: TrainingJobSpec) -> bool:
    return spec.recipe is not None and spec.recipe.params.SAMPLES == "interactions"


class Gap(NamedTuple, Generic[_S]):
    """A field that does not act, or not with every value."""

    field: str
    """Path below spec, as in `energy.powerCap`."""
    sentence: str
    """What is missing and what to do, after the name of the field."""
    where: Callable[[_S], bool] = lambda _: True
    """Whether it does not act in that spec; it is refused where it has another value than its default as well."""


_NO_SERVING: Final = "serving is not in this version; remove it, and take the model from the job's storage"
_NO_EFFECT_WITHOUT_CAP: Final = "it is a part of capWatts, which is not given; remove it, or give capWatts"
_TABLES_ALONE: Final = "only tables have this, and the recipe's samples are no rows of one; remove it"
_TEXTS_ALONE: Final = "only texts are cut into tokens, and the recipe's samples are none; remove it"
_OF_TABLES: Final = (
    "data.task", "data.features", "data.schema", "data.clean", "data.normalize",
)  # fmt: skip
_SCRIPT_SAVES: Final = "a script saves its own checkpoints; remove it, and give the script an argument for it"

NOT_YET: Final[tuple[Gap[TrainingJobSpec], ...]] = (
    Gap("workers.minReplicas", "elastic jobs are not in this version; remove it: the job then runs with exactly "
        "workers.replicas workers"),
    Gap("parallelism.strategy", f"others than {' and '.join(STRATEGIES)} are not in this version; write "
        f"{' or '.join(STRATEGIES)}, or use a script that does this itself",
        lambda s: s.parallelism.strategy not in STRATEGIES),
    Gap("parallelism.tensor", "tensor parallelism is not in this version; write 1, or use a script that does this "
        "itself"),
    Gap("parallelism.pipeline", "pipeline parallelism is not in this version; write 1, or use a script that does this "
        "itself"),
    Gap("storage.uri", "object stores are not in this version; use storage.claim, whose files outlive the pods"),
    Gap("energy.powerCap.mode", "the operator does not ask the node agent for limits of GPUs in this version; write "
        "Cooperative: the ranks then pause between steps",
        lambda s: s.energy.power_cap is not None and s.energy.power_cap.mode == "Hard"),
    Gap("energy.powerCap.perGpuWatts", "the operator does not ask the node agent for limits of GPUs in this version; "
        "write jobWatts, for all workers together"),
    Gap("energy.powerCap", "a script cannot be asked to pause between steps; remove it, and limit "
        "workers.resources.limits.cpu instead", lambda s: s.script is not None),
    Gap("energy.budget.action", "slowing a job down by its budget is not in this version; write CheckpointAndSuspend, "
        "Stop or Warn", lambda s: s.energy.budget is not None and s.energy.budget.action == "Throttle"),
    Gap("inference.enabled", "serving is not in this version; write false, and take the model from the job's storage"),
    Gap("inference.replicas", _NO_SERVING),
    Gap("inference.resources", _NO_SERVING),
)  # fmt: skip
"""What no job can have in this version."""
DOMAINS_NOT_YET: Final[tuple[Gap[PowerDomainSpec], ...]] = (
    Gap("nodeSelector", "choosing a domain by nodes is not in this version; remove it: a job belongs to the domain "
        "that its spec.energy.powerDomain names, and workers.nodeSelector chooses its nodes"),
)  # fmt: skip
"""What no power domain can have in this version."""
DOMAINS_IDLE: Final[tuple[Gap[PowerDomainSpec], ...]] = (
    Gap("carbon.basis", "it says what a series is, and none is named; remove it, or name one",
        lambda s: not s.carbon.has_series),
    Gap("headroomPercent", _NO_EFFECT_WITHOUT_CAP, lambda s: s.cap_watts is None),
    Gap("baseWatts", _NO_EFFECT_WITHOUT_CAP, lambda s: s.cap_watts is None),
    Gap("namespaceWeights", "without a limit nobody waits; remove it, or give capWatts or maxRunningJobs",
        lambda s: s.cap_watts is None and s.max_running_jobs is None),
    Gap("preemption", "without a limit nobody waits; remove it, or give capWatts or maxRunningJobs",
        lambda s: s.cap_watts is None and s.max_running_jobs is None),
)  # fmt: skip
"""What has no effect beside something else that a power domain says."""
_NOT_IN_A_CLUSTER: Final[tuple[Gap[PowerDomainSpec], ...]] = (
    Gap("carbon.file", "the operator reads no files; put the series into a ConfigMap, and name it in carbon.configMap"),
)
IDLE: Final[tuple[Gap[TrainingJobSpec], ...]] = (
    Gap("energy.powerCap", "how much the GPU draws at most is not known; name its product in workers.nodeSelector, as "
        "nvidia.com/gpu.product", lambda s: _has_gpus(s) and GPU_PRODUCT_LABEL not in s.workers.node_selector),
    Gap("energy.flexibility", "a script cannot be asked to pause between steps; write none or pause",
        lambda s: s.script is not None and s.energy.flexibility == "throttle"),
    Gap("energy.objective", "a script cannot be asked for another number of threads; remove it",
        lambda s: s.script is not None),
    Gap("energy.objective", "of GPUs it would be found by their limits, and the operator does not ask the node agent "
        "for these in this version; remove it", lambda s: s.script is None and _has_gpus(s)),
    Gap("energy.objective", "the number of threads changes the last bits of a model, so deterministic training has "
        "one; remove it, or write deterministic: false", lambda s: s.training is not None and s.training.deterministic),
    Gap("energy.objective", "a model is compiled anew for each number of threads, which takes longer than trying them; "
        "remove it, or training.compile", lambda s: s.training is not None
        and (s.training.compile or "compile" in s.training.auto)),
    Gap("energy.objective", "under energy.powerCap the ranks pause between steps, so that what is measured says "
        "nothing of the threads; remove one of them", lambda s: s.energy.power_cap is not None),
    Gap("energy.powerCap.percentOfMax", "what the workers draw at most follows from their limits; write "
        "workers.resources.limits.cpu", lambda s: s.workers.resources.cpus() is None),
    Gap("energy.budget.allowEstimated", "action Warn warns by modelled watts as well; remove it, or write another "
        "action", lambda s: s.energy.budget is not None and s.energy.budget.action == "Warn"),
    Gap("training.logicalShards", "only deterministic training cuts batches into shards; remove it, or write "
        "deterministic: true", lambda s: s.training is not None and not s.training.deterministic),
    Gap("training.auto", "channelsLast is for models of pictures, and the recipe's samples are none; remove it",
        lambda s: s.training is not None and "channelsLast" in s.training.auto and _samples(s) != "image"),
    Gap("training.auto", "adafactor has no fused form; remove fused", lambda s: s.training is not None
        and "fused" in s.training.auto and s.training.optimizer.name == "adafactor"),
    Gap("training.bestMetric", "the model of the last step is exported, which needs no choice; remove it, or write "
        "export: best", lambda s: s.training is not None and s.training.export_metric is None),
    Gap("training.optimizer.momentum", "only sgd and muon have it; remove it, or write name: sgd",
        lambda s: s.training is not None and s.training.optimizer.name not in ("sgd", "muon")),
    Gap("training.optimizer.beta1", "sgd and adafactor have none; remove it, or write name: adamw",
        lambda s: s.training is not None and s.training.optimizer.name in ("sgd", "adafactor")),
    Gap("training.optimizer.beta2", "sgd and adafactor have none; remove it, or write name: adamw",
        lambda s: s.training is not None and s.training.optimizer.name in ("sgd", "adafactor")),
    Gap("data.clean.outliers.threshold", "method none looks for no outliers; remove it, or write another method",
        lambda s: s.data is not None and s.data.clean.outliers.method == "none"),
    Gap("data.clean.outliers.action", "method none looks for no outliers; remove it, or write another method",
        lambda s: s.data is not None and s.data.clean.outliers.method == "none"),
    Gap("data.split.column", "only the methods group and time go by a column; remove it, or write one of them",
        lambda s: s.data is not None and s.data.split.method not in ("group", "time")),
    Gap("data.engine", "only tables are prepared on Dask, and the recipe's samples are no rows of one; write local",
        _has_no_table),
    Gap("data.image", "the samples are no pictures; remove it, or choose a recipe for pictures, such as resnet",
        lambda s: s.recipe is None or s.recipe.params.SAMPLES != "image"),
    *(Gap(field, _TABLES_ALONE, _has_no_table) for field in _OF_TABLES),
    Gap("data.label", _TABLES_ALONE, lambda s: _has_no_table(s) and not _has_texts_of_classes(s)),
    Gap("data.missingValues", _TABLES_ALONE, lambda s: _has_no_table(s) and not _has_interactions(s)),
    Gap("data.interactions", "the samples are no interactions; remove it, or choose a recipe for them, such as "
        "recommender", lambda s: not _has_interactions(s)),
    Gap("data.split", "of interactions the last two of each user are for validation and test, whatever it says; "
        "remove it", _has_interactions),
    Gap("data.split.column", "only tables have columns, and the recipe's samples are no rows of one; remove it, and "
        "write method hash or stratified",
        lambda s: s.data is not None and s.data.split.method in ("group", "time") and _has_no_table(s)),
    Gap("data.split.method", "texts are dealt by hash alone; remove it",
        lambda s: _samples(s) == "text" and not _has_texts_of_classes(s)),
    Gap("data.text.vocabularySize", _TEXTS_ALONE, lambda s: _samples(s) != "text"),
    Gap("data.text.vocabularySize", "the tokenizer is that of training.initialModel; remove it",
        lambda s: _has_texts_of_classes(s) and _has_initial_model(s)),
    Gap("training.initialModel", "only bert-classifier begins with another model; remove it",
        lambda s: not _has_texts_of_classes(s)),
    Gap("data.text.sequenceLength", _TEXTS_ALONE, lambda s: _samples(s) != "text"),
    Gap("data.split.seed", "method time deals rows by their order; remove it, or write another method",
        lambda s: s.data is not None and s.data.split.method == "time"),
    Gap("checkpoint.every", _SCRIPT_SAVES, lambda s: s.script is not None),
    Gap("checkpoint.keep", _SCRIPT_SAVES, lambda s: s.script is not None),
    Gap("checkpoint.async", _SCRIPT_SAVES, lambda s: s.script is not None),
    Gap("script.command", "deepspeed starts ranks on its own machine alone, or over ssh; write torchrun in place of "
        "deepspeed: it starts the same ranks", lambda s: _launcher(s) == DEEPSPEED and _ranks(s) > 1),
    Gap("script.command", "accelerate launch starts one process a worker where there is no GPU; write more "
        "workers.replicas in place of workers.processesPerWorker, or torchrun in place of accelerate launch",
        lambda s: _launcher(s) == ACCELERATE and s.workers.processes_per_worker > 1 and not _has_gpus(s)),
)  # fmt: skip
"""What has no effect beside something else that a job says."""


def unsupported(spec: TrainingJobSpec) -> list[tuple[str, str]]:
    """What `spec` asks for and cannot have: path below the object's root, and a sentence with a remedy."""
    return _found((*NOT_YET, *IDLE), spec)


def unsupported_domain(spec: PowerDomainSpec) -> list[tuple[str, str]]:
    """The same for a PowerDomain."""
    return _found((*DOMAINS_NOT_YET, *DOMAINS_IDLE), spec)


def unsupported_in_cluster(spec: PowerDomainSpec) -> list[tuple[str, str]]:
    """The same for a PowerDomain of a cluster, whose operator has no files of the user's."""
    return _found((*DOMAINS_NOT_YET, *DOMAINS_IDLE, *_NOT_IN_A_CLUSTER), spec)


def unpriced(spec: TrainingJobSpec, domain: PowerDomainSpec) -> list[tuple[str, str]]:
    """What `spec` asks for and cannot have in its power domain, as `unsupported` says it."""
    budget = spec.energy.budget
    if budget is None or budget.cost is None or domain.tariff is not None:
        return []
    name = spec.energy.power_domain
    sentence = f"power domain {name} has no tariff, so that no cost is counted; give it spec.tariff, or remove cost"
    return [("spec.energy.budget.cost", sentence)]


def _found(gaps: tuple[Gap[_S], ...], spec: _S) -> list[tuple[str, str]]:
    given = spec.model_dump(by_alias=True, exclude_defaults=True)
    return [(f"spec.{gap.field}", gap.sentence) for gap in gaps if _is_in(given, gap.field) and gap.where(spec)]


def _is_in(given: dict[str, Any], path: str) -> bool:
    inner: Any = given
    for name in path.split("."):
        if not isinstance(inner, dict) or name not in inner:
            return False
        inner = inner[name]
    return True
