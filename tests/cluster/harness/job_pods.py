"""Jobs, and the pods that they become."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.objects import pod_of
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role

WORKER_IMAGE, SUPERVISOR_IMAGE = "wattrain/worker:1", "wattrain/supervisor:1"
UID = "6f1f3a52-0f25-4dd4-bc0c-1d1d5f3f8f6e"
RECIPE = {
    "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1, "batchSize": 4096}
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    worker_image: str = WORKER_IMAGE
    supervisor_image: str = SUPERVISOR_IMAGE
    image_pull_policy: str = "IfNotPresent"
    worker_cpu_request: str = "100m"
    worker_memory_request: str = "512Mi"
    credentials: Literal["allowed", "refused"] = "allowed"


def make_job(name: str = "digits", **spec: Any) -> TrainingJob:
    """A job in namespace `team`: a recipe, unless `spec` has a script."""
    whole = {**({} if "script" in spec else RECIPE), **spec}
    return TrainingJob.model_validate({"metadata": {"name": name, "namespace": "team", "uid": UID}, "spec": whole})


def make_child(job: TrainingJob, role: Role = Role.WORKER, attempt: int = 1, worker: int = 0) -> CreateChild:
    name = names.child_name(job.metadata.name, role, attempt, worker)
    return CreateChild(name, role, attempt, worker, job.spec.workers.replicas, 2)


@pytest.fixture
def job_of():
    return make_job


@pytest.fixture
def pod_for():
    """The pod of a job with `spec`; `role`, `attempt` and `worker` say which."""

    def build(role: Role = Role.WORKER, attempt: int = 1, worker: int = 0, name: str = "digits", **spec: Any) -> Any:
        job = make_job(name, **spec)
        return pod_of(job, make_child(job, role, attempt, worker), Settings())

    return build
