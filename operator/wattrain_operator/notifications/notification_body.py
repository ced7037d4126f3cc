"""The body of a notification: what a receiver wants to know of a job that has ended, from its status alone.

docs/notifications.md describes it for those who write receivers. Fields may be added; who changes or removes one raises
`version`.
"""

from __future__ import annotations

from typing import Literal

from wattrain_api.base import Model
from wattrain_api.status import NotFinite, Time, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import condition_of


class SpentEnergy(Model):
    """The job's ledger, in joules, without cooling and losses."""

    joules: float
    low_joules: float
    high_joules: float
    measured_ratio: float | None
    """Share of the joules that a counter measured; the rest is modelled. Null: something was not counted."""
    facility_joules: float
    """With cooling and losses."""


class SpentMoney(Model):
    """Cost of the facility's energy in one currency."""

    amount: float
    currency: str


class EndedJob(Model):
    """A job and its end. What is not known is null."""

    name: str
    namespace: str
    uid: str
    outcome: str
    """The condition that is true: Complete or Failed."""
    reason: str
    message: str
    creation_time: Time | None
    start_time: Time | None
    completion_time: Time | None
    attempts: int
    restarts: int
    step: int | None
    total_steps: int | None
    loss: float | None
    """Of the last recorded step."""
    loss_not_finite: NotFinite | None
    """What it is instead of a number."""
    energy: SpentEnergy
    carbon_grams: float | None
    """CO2 equivalent of the facility's energy, location-based."""
    costs: tuple[SpentMoney, ...]
    """One for each currency that a tariff had; empty: there was no tariff."""


class Notification(Model):
    """The whole body. `type`, `timestamp` and `data` are as the Standard Webhooks specification recommends."""

    type: str
    """trainingjob.complete or trainingjob.failed."""
    timestamp: Time
    """When the condition became true."""
    version: Literal[1] = 1
    data: EndedJob


def notification_id(job: TrainingJob, condition: str) -> str:
    """The same for every try to tell of this end of this job, and for no other."""
    return f"{job.metadata.uid}-{condition.lower()}"


def notification_body(job: TrainingJob, status: TrainingJobStatus, condition: str) -> bytes:
    """What is sent of `job`, of which `condition` is true in `status`."""
    told, progress, energy = condition_of(status, condition), status.progress, status.energy
    notification = Notification(
        type=f"trainingjob.{condition.lower()}",
        timestamp=told.last_transition_time,
        data=EndedJob(
            name=job.metadata.name,
            namespace=job.metadata.namespace,
            uid=job.metadata.uid,
            outcome=condition,
            reason=told.reason,
            message=told.message,
            creation_time=job.metadata.creation_timestamp,
            start_time=status.start_time,
            completion_time=status.completion_time,
            attempts=status.attempt,
            restarts=status.restart_count,
            step=None if progress is None else progress.step,
            total_steps=None if progress is None else progress.total_steps or None,
            loss=None if progress is None else progress.loss,
            loss_not_finite=None if progress is None else progress.loss_not_finite,
            energy=SpentEnergy(
                joules=energy.joules,
                low_joules=energy.low,
                high_joules=energy.high,
                measured_ratio=energy.measured_ratio,
                facility_joules=energy.facility_joules,
            ),
            carbon_grams=energy.carbon_grams,
            costs=tuple(SpentMoney(amount=cost.cost, currency=cost.currency) for cost in energy.costs),
        ),
    )
    return notification.model_dump_json(by_alias=True).encode()
