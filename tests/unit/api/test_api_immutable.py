import pytest

from wattrain_api.immutable import changed_immutable_fields, immutable_paths
from wattrain_api.load import apply_overrides
from wattrain_api.trainingjob import MUTABLE, TrainingJobSpec


def changed(job, *overrides, before=()):
    old = apply_overrides(job, before)
    specs = [TrainingJobSpec.model_validate(d["spec"]) for d in (old, apply_overrides(old, overrides))]
    return changed_immutable_fields(*specs)


def test_the_same_job_has_not_changed(job):
    assert changed(job) == []
    assert changed(job, "training.batchSize=64") == []  # the default, written out


@pytest.mark.parametrize(
    "override",
    ["suspend=true", "energy.budget.cost=3", "energy.powerCap.jobWatts=9", "policy.activeDeadlineSeconds=9",
     "policy.startDeadlineSeconds=9", "policy.progressDeadlineSeconds=9", "policy.ttlSecondsAfterFinished=9",
     "queue.priority=9"],
)  # fmt: skip
def test_what_the_user_steers_may_change(job, override):
    assert changed(job, override) == []


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("training.optimizer.lr=0.5", "training"),
        ("recipe.params.hidden=[9]", "recipe"),
        ("policy.maxRestarts=9", "policy.maxRestarts"),
        ("workers.processesPerWorker=2", "workers.processesPerWorker"),
        ("image=x", "image"),
    ],
)
def test_what_would_make_another_training_may_not_change(job, override, path):
    assert changed(job, override) == [path]


def test_replicas_may_change_only_of_a_job_that_is_and_stays_elastic(job):
    assert changed(job, "workers.replicas=2") == ["workers.replicas"]
    elastic = ["workers.replicas=3", "workers.minReplicas=2"]
    assert changed(job, "workers.replicas=2", before=elastic) == []
    assert changed(job, "workers.replicas=2", "workers.minReplicas=", before=elastic) == [
        "workers.minReplicas",
        "workers.replicas",
    ]


def test_every_mutable_path_exists_and_none_is_immutable_too():
    spec = TrainingJobSpec.model_json_schema(by_alias=True)
    for path in MUTABLE:
        assert path.split(".")[0] in spec["properties"]
        assert not any(path == i or path.startswith(f"{i}.") for i in immutable_paths())
