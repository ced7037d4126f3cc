"""Whatever a spec accepts either acts or is refused, on every backend: a walk over all fields of both kinds.

A field acts where the code that `PLACES` names for it, by its longest prefix, reads it. So a new field without any code
that reads it fails here, and so does one that is read for clusters alone and not refused or told of on a laptop.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from wattrain_api.base import Model
from wattrain_api.powerdomain import PowerDomain, PowerDomainSpec
from wattrain_api.support import DOMAINS_IDLE, DOMAINS_NOT_YET, IDLE, NOT_YET, unsupported, unsupported_domain
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec
from wattrain_operator.local import preflight
from wattrain_operator.local.refused import Refused

ROOT = Path(__file__).parents[2]
CORE, OBJECTS = "operator/wattrain_operator/core", "operator/wattrain_operator/cluster/objects"
DATA, TRAIN = "worker/wattrain_worker/data", "worker/wattrain_worker/train"
SUPERVISOR = "worker/wattrain_worker/supervisor"
PLACES = {
    "suspend": CORE,
    "image": OBJECTS,
    "recipe": TRAIN,
    "script": SUPERVISOR,
    "data": DATA,
    "data.source.claim": OBJECTS,
    "training": TRAIN,
    "training.initialModel": f"{DATA}/texts/initial_model.py",
    "training.initialModel.claim": OBJECTS,
    "checkpoint": TRAIN,
    "parallelism": TRAIN,
    "workers": OBJECTS,
    "workers.replicas": CORE,
    "workers.processesPerWorker": SUPERVISOR,
    "workers.launcher": SUPERVISOR,
    "workers.env": "operator/wattrain_operator/workers",
    "workers.env.valueFrom": OBJECTS,
    "workers.resources": "api/wattrain_api/workers.py",
    "storage": OBJECTS,
    "tracking": "worker/wattrain_worker/tracking",
    "tracking.tensorBoard": "api/wattrain_api/trackers.py",
    "policy": CORE,
    "queue": CORE,
    "energy.powerDomain": CORE,
    "energy.powerCap": CORE,
    "energy.objective": CORE,
    "energy.energyWeight": CORE,
    "energy.budget": CORE,
    "energy.flexibility": CORE,
    "energy.carbon": CORE,
}
"""Where a field of a TrainingJob acts. What is read in `cluster/objects` alone does nothing on a laptop."""
PASSED_ON = {
    "workers.topologySpread": "topology_spread",
    "workers.affinity": "affinity",
    "workers.env.valueFrom": "value_from",
    "workers.envFrom": "env_from",
    "workers.volumes.projected": "projected",
}
"""What goes into the pod with all that is in it, by its name in Python."""
ONLY_FOR_PODS = ("policy.keepPods", "policy.ttlSecondsAfterFinished")
"""Decided by the core about pods and objects of the API server, which a laptop does not have."""
DOMAIN_PLACES = {
    "maxRunningJobs": CORE,
    "capWatts": CORE,
    "headroomPercent": CORE,
    "baseWatts": CORE,
    "namespaceWeights": CORE,
    "preemption": CORE,
    "shed": CORE,
    "pue": CORE,
    "tariff": "api/wattrain_api/powerdomain.py",
    "tariff.currency": CORE,
    "carbon": "operator/wattrain_operator/receipt",
    "carbon.gramsPerKWh": CORE,
    "carbon.configMap": "operator/wattrain_operator/cluster/series_reader.py",
    "carbon.url": "operator/wattrain_operator/cluster/series_reader.py",
    "carbon.file": "operator/wattrain_operator/local/carbon_reader.py",
    "carbon.basis": "operator/wattrain_operator/local/carbon_reader.py",
}
"""Where a field of a PowerDomain acts; zone and source are words for people, in the receipt."""
ONE_CHOICE = {"ordering"}

RECIPE: dict[str, Any] = {
    "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1},
}  # fmt: skip
SCRIPT: dict[str, Any] = {"script": {"command": ["python", "-V"]}}
SGD = {**RECIPE, "training": {"epochs": 1, "optimizer": {"name": "sgd"}}}
TIME = {**RECIPE, "data": {"source": {"builtin": "digits"}, "split": {"method": "time", "column": "t"}}}
TEXTS = {**RECIPE, "recipe": {"name": "gpt"}, "data": {"source": {"uri": "a.txt"}}}
PICTURES = {**RECIPE, "recipe": {"name": "resnet"}, "data": {"source": {"uri": "pictures"}}}
PAIRS = {**RECIPE, "recipe": {"name": "recommender"}, "data": {"source": {"uri": "pairs.csv"}}}
SPENDS: dict[str, Any] = {**RECIPE, "energy": {"budget": {"energyKWh": 1}}}
WARNS: dict[str, Any] = {**RECIPE, "energy": {"budget": {"energyKWh": 1, "action": "Warn"}}}
REFUSED: dict[str, tuple[dict[str, Any], Any]] = {
    "data.engine": (PICTURES, "dask"),
    "workers.minReplicas": (RECIPE, 1),
    "parallelism.strategy": (RECIPE, "FSDP"),
    "parallelism.tensor": (RECIPE, 2),
    "parallelism.pipeline": (RECIPE, 2),
    "storage.uri": (RECIPE, "s3://bucket"),
    "energy.powerCap": (SCRIPT, {"jobWatts": 100}),
    "energy.objective": (SCRIPT, "time"),
    "energy.flexibility": (SCRIPT, "throttle"),
    "energy.powerCap.mode": ({**RECIPE, "energy": {"powerCap": {"jobWatts": 100}}}, "Hard"),
    "energy.powerCap.perGpuWatts": (RECIPE, 100),
    "energy.powerCap.percentOfMax": (RECIPE, 60),
    "energy.budget.action": (SPENDS, "Throttle"),
    "energy.budget.allowEstimated": (WARNS, True),
    "inference.enabled": (RECIPE, True),
    "inference.replicas": (RECIPE, 2),
    "inference.resources": (RECIPE, {"limits": {"cpu": "1"}}),
    "training.logicalShards": (RECIPE, 24),
    "training.bestMetric": (RECIPE, "accuracy"),
    "training.optimizer.momentum": (RECIPE, 0.9),
    "training.optimizer.beta1": (SGD, 0.8),
    "training.optimizer.beta2": (SGD, 0.9),
    "data.clean.outliers.threshold": (RECIPE, 3.0),
    "data.clean.outliers.action": (RECIPE, "clip"),
    "data.label": (PICTURES, "kind"),
    "data.task": (PICTURES, "regression"),
    "data.features": (PICTURES, ["width"]),
    "data.schema": (PICTURES, {"width": {"min": 0}}),
    "data.missingValues": (PICTURES, ["?"]),
    "data.clean": (PICTURES, {"missing": "mean"}),
    "data.normalize": (PICTURES, "minmax"),
    "data.image": (RECIPE, {"size": 128}),
    "data.interactions": (RECIPE, {"user": "who"}),
    "data.split": (PAIRS, {"method": "stratified"}),
    "data.split.column": (RECIPE, "day"),
    "data.split.method": (TEXTS, "stratified"),
    "data.text.vocabularySize": (RECIPE, 500),
    "data.text.sequenceLength": (PICTURES, 64),
    "data.split.seed": (TIME, 7),
    "training.auto": (RECIPE, ["channelsLast"]),
    "training.initialModel": (TEXTS, {"path": "runs/topics-bert"}),
    "checkpoint.every": (SCRIPT, {"seconds": 5}),
    "checkpoint.keep": (SCRIPT, 5),
    "checkpoint.async": (SCRIPT, False),
    "script.command": ({**SCRIPT, "workers": {"replicas": 2}}, ["deepspeed", "train.py"]),
}
REFUSED_OF_DOMAINS: dict[str, Any] = {
    "headroomPercent": 10,
    "baseWatts": 50.0,
    "namespaceWeights": {"team": 2.0},
    "preemption": "LowerPriority",
    "nodeSelector": {"rack": "a"},
    "carbon.basis": "Marginal",
}
NOT_ON_A_LAPTOP: dict[str, Any] = {
    "suspend": True,
    "image": "registry.example/mine",
    "data.source.claim": {"name": "tables", "path": "a.csv"},
    "training.initialModel.claim": {"name": "models", "path": "topics-bert"},
    "storage.claim": "training",
    "storage.ephemeral": {"size": "1Gi"},
    "policy.keepPods": "All",
    "policy.ttlSecondsAfterFinished": 60,
    "workers.volumes": [{"mountPath": "/in", "configMap": "files"}],
    "workers.env.valueFrom": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "workers.envFrom": [{"secretRef": {"name": "s"}}],
    "workers.affinity": {"nodeAffinity": {}},
    "workers.labels": {"team": "vision"},
    "workers.annotations": {"note": "mine"},
    "workers.serviceAccountName": "reader",
    "workers.nodeSelector": {"disk": "ssd"},
    "workers.tolerations": [{"key": "spot", "operator": "Exists"}],
    "workers.topologySpread": [{"topologyKey": "zone"}],
    "workers.priorityClassName": "high",
    "workers.schedulerName": "volcano",
    "workers.imagePullSecrets": ["registry"],
    "workers.runAsUser": 1000,
}


def leaves(model: type[Model], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every field without fields of its own: its path below spec, and its name in Python."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = [model for model in models(field.annotation) if model.model_fields]
        if not inner:
            yield path, name
        for part in inner:
            yield from leaves(part, f"{path}.")


def models(annotation: object) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from models(argument)


def place_of(path: str, places: dict[str, str]) -> str:
    """By the longest prefix; empty: there is none."""
    parts = path.split(".")
    prefixes = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((places[prefix] for prefix in prefixes if prefix in places), "")


def is_below(path: str, fields: typing.Iterable[str]) -> bool:
    return any(path == field or path.startswith(f"{field}.") for field in fields)


@cache
def text_of(place: str) -> str:
    files = [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def is_read(path: str, name: str, places: dict[str, str]) -> bool:
    """Whether its place has it as an attribute, or by its name in JSON."""
    place = place_of(path, places)
    whole = next((field for field in PASSED_ON if path.startswith(f"{field}.")), None)
    path, name = (path, name) if whole is None else (whole, PASSED_ON[whole])
    spelt = rf"\.{name}\b|[\"']{path.rpartition('.')[2]}[\"']"
    return bool(place) and re.search(spelt, text_of(place)) is not None


def changed(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    first, _, rest = path.partition(".")
    return {**spec, first: changed(spec.get(first) or {}, rest, value) if rest else value}


JOB_FIELDS = dict(leaves(TrainingJobSpec))
DOMAIN_FIELDS = dict(leaves(PowerDomainSpec))


@pytest.mark.parametrize("path", JOB_FIELDS)
def test_every_field_of_a_job_acts_or_is_refused(path: str) -> None:
    wholly = [gap.field for gap in NOT_YET]
    assert is_below(path, wholly) or is_read(path, JOB_FIELDS[path], PLACES), "neither read where it acts nor refused"


@pytest.mark.parametrize("path", sorted(DOMAIN_FIELDS.keys() - ONE_CHOICE))
def test_every_field_of_a_power_domain_acts_or_is_refused(path: str) -> None:
    wholly = [gap.field for gap in DOMAINS_NOT_YET]
    assert is_below(path, wholly) or is_read(path, DOMAIN_FIELDS[path], DOMAIN_PLACES), "neither read nor refused"


def test_a_field_with_one_choice_has_no_other_value_that_could_be_ignored() -> None:
    for path in ONE_CHOICE:
        assert len(typing.get_args(PowerDomainSpec.model_fields[path].annotation)) == 1


def test_all_that_is_refused_is_tried() -> None:
    assert {gap.field for gap in (*NOT_YET, *IDLE)} == set(REFUSED)
    assert {gap.field for gap in (*DOMAINS_NOT_YET, *DOMAINS_IDLE)} == set(REFUSED_OF_DOMAINS)


@pytest.mark.parametrize("path", REFUSED)
def test_a_value_that_would_do_nothing_is_refused_by_its_field_with_a_remedy(path: str) -> None:
    base, value = REFUSED[path]
    assert unsupported(TrainingJobSpec.model_validate(base)) == []
    found = unsupported(TrainingJobSpec.model_validate(changed(base, path, value)))
    assert [field for field, _ in found] == [f"spec.{path}"]
    assert re.search("; (write|remove|use) ", found[0][1])


@pytest.mark.parametrize(
    ("beside", "said"),
    [
        ({"training": {"epochs": 1, "deterministic": True}}, "deterministic training has one"),
        ({"training": {"epochs": 1, "compile": True}}, "compiled anew for each number of threads"),
        ({"training": {"epochs": 1, "auto": ["compile"]}}, "compiled anew for each number of threads"),
        ({"workers": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}, "does not ask the node agent for these"),
        ({"energy": {"powerCap": {"jobWatts": 9}}}, "the ranks pause between steps"),
    ],
)
def test_an_objective_is_refused_where_threads_cannot_be_chosen(beside: dict[str, Any], said: str) -> None:
    base = {**RECIPE, **beside}
    assert unsupported(TrainingJobSpec.model_validate(base)) == []
    [(field, sentence)] = unsupported(TrainingJobSpec.model_validate(changed(base, "energy.objective", "time")))
    assert (field, said in sentence) == ("spec.energy.objective", True)


@pytest.mark.parametrize("method", ["group", "time"])
def test_a_split_by_a_column_is_refused_where_samples_have_none(method: str) -> None:
    split = {"method": method, "column": "day"}
    found = unsupported(TrainingJobSpec.model_validate(changed(PICTURES, "data.split", split)))
    assert [field for field, _ in found] == ["spec.data.split.column"]


def test_a_vocabulary_is_refused_where_the_tokenizer_is_that_of_the_initial_model() -> None:
    spec = {**TEXTS, "recipe": {"name": "bert-classifier"}, "training": {"epochs": 1, "initialModel": {"path": "a"}}}
    assert unsupported(TrainingJobSpec.model_validate(spec)) == []
    found = unsupported(TrainingJobSpec.model_validate(changed(spec, "data.text.vocabularySize", 500)))
    assert [field for field, _ in found] == ["spec.data.text.vocabularySize"]


@pytest.mark.parametrize("path", REFUSED_OF_DOMAINS)
def test_a_value_of_a_domain_that_would_do_nothing_is_refused_on_a_laptop_too(path: str) -> None:
    spec = changed({}, path, REFUSED_OF_DOMAINS[path])
    found = unsupported_domain(PowerDomainSpec.model_validate(spec))
    assert [field for field, _ in found] == [f"spec.{path}"]
    domain = PowerDomain.model_validate({"metadata": {"name": "default"}, "spec": spec})
    with pytest.raises(Refused) as refused:
        preflight.check(job_of(RECIPE), domain)
    assert refused.value.lines == (f"PowerDomain default, spec.{path}: {found[0][1]}",)


def test_what_acts_on_clusters_alone_is_all_tried_on_a_laptop() -> None:
    reads = {path for path in JOB_FIELDS if place_of(path, PLACES) == OBJECTS or path in ONLY_FOR_PODS}
    told = {path for path in reads if is_below(path, NOT_ON_A_LAPTOP) or is_below(path, [g.field for g in NOT_YET])}
    assert reads == told


@pytest.mark.parametrize("path", NOT_ON_A_LAPTOP)
def test_what_acts_on_clusters_alone_is_refused_or_told_on_a_laptop(path: str) -> None:
    base = changed(RECIPE, "data.source", {}) if path.startswith("data.source") else RECIPE
    field = path.removesuffix(".valueFrom")
    job = job_of(changed(base, field, NOT_ON_A_LAPTOP[path]))
    try:
        preflight.check(job, PowerDomain.model_validate({"metadata": {"name": "default"}}))
        said = preflight.notes(job.spec)
    except Refused as refused:
        said = list(refused.lines)
    assert re.search(rf"spec\.{re.escape(field)}\b", re.sub(r"\[\d+\]", "", " ".join(said))), said


def job_of(spec: dict[str, Any]) -> TrainingJob:
    return TrainingJob.model_validate({"metadata": {"name": "job"}, "spec": spec})
