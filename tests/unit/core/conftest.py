"""One job, whose status the core decides from what a test says is the case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.failures import Failure
from wattrain_api.names import child_name
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.reasons import meaning_of_exit
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core.observed import (
    GRANTED,
    NO_SERIES,
    Child,
    Delivery,
    DirectChild,
    Event,
    GoneChild,
    Observed,
    Plan,
    Receiver,
    Refusal,
    Report,
    TerminationMessage,
)
from wattrain_operator.core.plan import plan
from wattrain_operator.core.roles import Role
from wattrain_operator.exposition import job_families
from wattrain_operator.simulated.objects import moment


class Scene:
    """One job as a table of sentences sees it: set what is the case, plan, look at what was decided."""

    def __init__(self, policy: dict[str, Any], spec: dict[str, Any], workers: int = 2, shared: bool = False) -> None:
        self.spec = TrainingJobSpec.model_validate(
            {
                "recipe": {"name": "mlp"},
                "data": {"source": {"builtin": "digits"}},
                "training": {"epochs": 1},
                "workers": {"replicas": workers},
                "policy": policy,
            }
            | spec
        )
        self.generation = 1
        self.shared = shared
        self.seconds = 0.0
        self.status = TrainingJobStatus()
        self.children: dict[str, Child] = {}
        self.report: Report | None = None
        self.gone: tuple[GoneChild, ...] = ()
        self.refusal: Refusal | None = None
        self.grant = GRANTED
        self.domain = PowerDomainSpec()
        self.carbon = NO_SERIES
        self.interval_seconds = 0.0
        self.storage_failure = ""
        self.limits_cpus = False
        self.limit_refusal: Refusal | None = None
        self.receiver: Receiver | None = None
        self.delivery: Delivery | None = None
        self.events: list[Event] = []

    @property
    def job(self) -> TrainingJob:
        """The object as a user wrote it."""
        return TrainingJob(metadata=ObjectMeta(name="job", uid="uid", generation=self.generation), spec=self.spec)

    def exported(self, metric: str) -> list[float]:
        """Values of the samples of `wattrain_trainingjob_<metric>`."""
        families = job_families(self.job, self.status, moment(self.seconds))
        return [s.value for f in families for s in f.samples if s.name == f"wattrain_trainingjob_{metric}"]

    def plan(self, *, fresh: bool = True) -> Plan:
        """Decide once, and remember the status and the events."""
        seen = Observed(
            now=moment(self.seconds),
            job=self.job,
            status=self.status,
            children=tuple(self.children.values()),
            gone=self.gone,
            report=self.report,
            domain=self.domain,
            carbon=self.carbon,
            grant=self.grant,
            fresh=fresh,
            shared_storage=self.shared,
            status_interval_seconds=self.interval_seconds,
            refusal=self.refusal,
            storage_failure=self.storage_failure,
            limits_cpus=self.limits_cpus,
            limit_refusal=self.limit_refusal,
            receiver=self.receiver,
            delivery=self.delivery,
        )
        decided = plan(seen)
        self.status = decided.status
        self.events += decided.events
        return decided

    def settle(self) -> Plan:
        """Plan and do as planned until nothing changes: what is created is pending, what is deleted is gone,
        and a group that is asked to stop stops."""
        for _ in range(20):
            before = self.status
            decided = self.plan()
            for wanted in decided.creates:
                self.add(wanted.worker, role=wanted.role, phase="Pending", ready=False)
            for asked in decided.directs:
                self.obey(asked)
            for gone in decided.deletes:
                del self.children[gone.name]
            if decided.status == before and not (decided.creates or decided.deletes or decided.directs):
                return decided
        raise AssertionError(f"still deciding: {decided}")

    def add(self, worker: int, **fields: Any) -> Child:
        """A child of the current attempt, running and answering unless `fields` say otherwise; it replaces its like."""
        fields = {"role": Role.WORKER, "attempt": self.status.attempt, "phase": "Running", "ready": True} | fields
        name = child_name("job", fields["role"], fields["attempt"], worker)
        self.children[name] = Child(name, f"uid of {name}", worker=worker, **fields)
        return self.children[name]

    def run(self) -> Scene:
        """Bring the group up until it trains."""
        self.settle()
        if self.shared and not self.status.internal.data_prepared:
            self.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=TerminationMessage(0))
            self.settle()
        for worker in range(self.spec.workers.replicas):
            self.add(worker)
        self.report = Report(Role.WORKER, self.status.attempt, 0.0, phase="training", step=1, total_steps=10)
        self.settle()
        return self

    def obey(self, asked: DirectChild) -> None:
        """All workers of the group have taken what was `asked`; where that is to stop, they have saved and stopped."""
        if asked.directive.stop_at_step is None:
            version = asked.directive.version
            self.children[asked.name] = replace(self.children[asked.name], directive=asked.directive)
            self.report = None if self.report is None else replace(self.report, directive_version=version)
            return
        for child in list(self.children.values()):
            if child.role == Role.WORKER and child.attempt == self.status.attempt:
                left = TerminationMessage(143)
                self.add(child.worker, phase="Failed", ready=False, termination=left)

    def fail(self, worker: int, exit_code: int, **failure: Any) -> None:
        """A worker fails with that exit code."""
        told = Failure(meaning_of_exit(exit_code).reason, exit_code, worker=worker, **failure)
        self.add(worker, phase="Failed", ready=False, termination=TerminationMessage(exit_code, told))

    def take_away(self, worker: int) -> None:
        """Somebody deletes a worker, which saves and stops."""
        told = Failure("WorkerLost", worker=worker, last_line="the pod was deleted")
        self.add(worker, phase="Failed", ready=False, termination=TerminationMessage(143, told, disruption=True))

    def answer(self, type_: str) -> tuple[str, str]:
        """Answer and reason of a condition."""
        found = next(c for c in self.status.conditions if c.type == type_)
        return found.status, found.reason


@pytest.fixture
def scene() -> Callable[..., Scene]:
    """Makes a scene: fields of spec.policy in camelCase, and `spec`, `workers`, `shared` storage."""

    def make(spec: dict[str, Any] | None = None, workers: int = 2, shared: bool = False, **policy: Any) -> Scene:
        return Scene(policy, spec or {}, workers, shared)

    return make
