"""What a worker is told, wherever it runs."""

from dataclasses import replace

import pytest

from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.environment import Provision, environment_of

PROVISION = Provision(
    coordinator="first:9400", group_token="t", port=9400, grace_seconds=50, cpu_scope="cgroup", cpus=None,
    spec_file="/spec.json", directory="/run-1", records="/run-1/records", keeps_logs=False,
    termination_file="/end", directive_file="/directive", shared_storage=True,
)  # fmt: skip
WORKER_0 = CreateChild("job-1-0", Role.WORKER, 1, 0, 2, 3, 7.5)


def job_of(**workers):
    spec = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
    return TrainingJob(
        metadata=ObjectMeta(name="job", namespace="team", uid="u"),
        spec=TrainingJobSpec.model_validate({**spec, "workers": workers}),
    )


def told(job=None, child=WORKER_0, defaults=(), **provided):
    return environment_of(job or job_of(), child, replace(PROVISION, **provided), dict(defaults))


def test_the_user_overrides_defaults_and_wattrain_overrides_both():
    job = job_of(env=[{"name": name, "value": "user's"} for name in ("HOME", "OMP_WAIT_POLICY")])
    ours = {"WATTRAIN_ATTEMPT": "default", "PATH": "/bin"}
    found = told(job, defaults={"HOME": "default", **ours})
    assert (found["HOME"], found["OMP_WAIT_POLICY"], found["PATH"]) == ("user's", "user's", "/bin")
    assert (found["WATTRAIN_ATTEMPT"], told()["OMP_WAIT_POLICY"]) == ("1", "PASSIVE")


def test_identity_and_group_are_those_of_the_child():
    found = told(child=replace(WORKER_0, attempt=4, worker=1))
    assert {name: found[f"WATTRAIN_{name}"] for name in ("JOB", "NAMESPACE", "ROLE", "ATTEMPT")} == {
        "JOB": "job", "NAMESPACE": "team", "ROLE": "worker", "ATTEMPT": "4",
    }  # fmt: skip
    assert (found["WATTRAIN_WORKER_INDEX"], found["WATTRAIN_WORKERS"]) == ("1", "2")


@pytest.mark.parametrize(("limit", "cpus", "told_limit"), [("2", 4.0, "2.000"), (None, 1.5, "1.500"), (None, None, "")])
def test_the_job_limits_the_cpus_and_else_the_backend_says_what_there_is(limit, cpus, told_limit):
    job = job_of(resources={"limits": {"cpu": limit}}) if limit else job_of()
    assert told(job, cpus=cpus).get("WATTRAIN_CPU_LIMIT", "") == told_limit


def test_worker_0_alone_is_told_what_only_it_needs():
    only = {"JOB_UID", "JOULES_BEFORE", "JOULES_LOW_BEFORE", "JOULES_HIGH_BEFORE", "METRICS_FILE", "DIRECTIVE_FILE"}
    first, second = told(), told(child=replace(WORKER_0, worker=1))
    assert first.keys() - second.keys() == {f"WATTRAIN_{name}" for name in only}
    assert not second.keys() - first.keys()
    assert first["WATTRAIN_METRICS_FILE"] == "/run-1/records/metrics.jsonl"
    assert (first["WATTRAIN_JOB_UID"], first["WATTRAIN_JOULES_BEFORE"]) == ("u", "7.5")
    assert "WATTRAIN_METRICS_FILE" not in told(child=replace(WORKER_0, role=Role.PREPARE))


def test_a_worker_with_a_directory_of_its_own_prepares_the_data_itself():
    assert told(shared_storage=False)["WATTRAIN_PREPARE"] == "own"
    assert "WATTRAIN_PREPARE" not in told()


def test_what_each_worker_prints_is_kept_in_a_file_of_its_own_where_storage_outlives_it():
    assert "WATTRAIN_KEPT_LOG_FILE" not in told()
    assert told(keeps_logs=True)["WATTRAIN_KEPT_LOG_FILE"] == "/run-1/records/worker-0.log"
    other = told(child=replace(WORKER_0, worker=3), keeps_logs=True)
    assert other["WATTRAIN_KEPT_LOG_FILE"] == "/run-1/records/worker-3.log"
    prepare = told(child=replace(WORKER_0, role=Role.PREPARE), keeps_logs=True)
    assert prepare["WATTRAIN_KEPT_LOG_FILE"] == "/run-1/records/prepare.log"
