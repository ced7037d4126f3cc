"""The user's variables in a worker's environment."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.environment import Provision, cluster_variables, environment_of

SECRET = {"secretKeyRef": {"name": "s3", "key": "k"}}


def job(env: list[dict[str, Any]]) -> TrainingJob:
    spec = {"script": {"command": ["x"]}, "workers": {"env": env}}
    return TrainingJob.model_validate({"metadata": {"name": "one"}, "spec": spec})


def variables(env: list[dict[str, Any]], defaults: dict[str, str]) -> dict[str, str]:
    provision = Provision(**{field.name: "1" for field in fields(Provision)} | {"cpus": None, "grace_seconds": 1})
    return environment_of(job(env), CreateChild("one-1-0", Role.WORKER, 1, 0, 1, 0), provision, defaults)


def test_where_there_is_no_cluster_a_variable_from_a_secret_is_the_commands_own() -> None:
    told = variables([{"name": "S3_KEY", "valueFrom": SECRET}, {"name": "PLAIN", "value": "x"}], {"S3_KEY": "mine"})
    assert (told["S3_KEY"], told["PLAIN"]) == ("mine", "x")


def test_a_variable_from_a_secret_is_never_empty_for_want_of_one() -> None:
    told = variables([{"name": name, "valueFrom": SECRET} for name in ("S3_KEY", "OMP_WAIT_POLICY")], {})
    assert not {"S3_KEY", "OMP_WAIT_POLICY"} & set(told)


def test_of_a_variable_that_is_given_twice_the_last_counts() -> None:
    both: list[dict[str, Any]] = [{"name": "X", "value": "1"}, {"name": "X", "valueFrom": SECRET}]
    assert list(cluster_variables(job(both).spec.workers)) == ["X"]
    assert "X" not in variables(both, {})
    assert cluster_variables(job(both[::-1]).spec.workers) == {}
    assert variables(both[::-1], {})["X"] == "1"
