"""`wattrain_trainingjob_*` of a job, for the page of `wattrain run` and for the operator's alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client.core import Metric as Family

from wattrain_api import metrics
from wattrain_api.metric_families import families_of
from wattrain_api.status import PhaseTotals, State, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec
from wattrain_operator.core import phase_totals

_NOTHING_TRAINS: Final[tuple[State, ...]] = ("Pending", "Queued", "Suspended", "Complete", "Failed")
SCRIPT: Final = "script"
"""Stands for the recipe of a job that has none."""


@dataclass(frozen=True)
class JobInfo:
    """What a job is, for the labels of its info metric."""

    recipe: str
    strategy: str
    precision: str
    """Empty for a script: it may use any."""
    image: str
    """Empty: the operator's default."""
    powerdomain: str
    attempt: int


@dataclass(frozen=True)
class ExportedJob:
    """What is exported of a job; `wattrain_api.metrics` names these fields."""

    status: TrainingJobStatus
    info: JobInfo
    phases: tuple[PhaseTotals, ...]
    """Those of the status, with the present state until now."""
    samples_per_second: float | None
    """That of the progress; 0 while nothing is trained."""


def identity_of(job: TrainingJob) -> dict[str, str]:
    """The labels that say which job it is. Figures of its workers have the same."""
    return dict(zip(metrics.JOB.identity, (job.metadata.namespace, job.metadata.name), strict=True))


def job_families(job: TrainingJob, status: TrainingJobStatus, as_of: datetime) -> list[Family]:
    """The families of a job as `status` has them.

    `as_of` (aware) is the time until which its present state is counted: so long ago that whatever was decided before
    is in `status`, or else that count would fall when another state is told of.
    """
    exported = ExportedJob(
        status, _info(job.spec, status.attempt), phase_totals.as_of(status, as_of), _samples_per_second(status)
    )
    return families_of(metrics.JOB, exported, identity_of(job))


def _samples_per_second(status: TrainingJobStatus) -> float | None:
    if status.progress is None:
        return None
    return 0.0 if status.state in _NOTHING_TRAINS else status.progress.samples_per_second


def _info(spec: TrainingJobSpec, attempt: int) -> JobInfo:
    return JobInfo(
        recipe=SCRIPT if spec.recipe is None else spec.recipe.name,
        strategy=spec.parallelism.strategy,
        precision="" if spec.training is None else spec.training.precision,
        image=spec.image,
        powerdomain=spec.energy.power_domain,
        attempt=attempt,
    )
