"""`wattrain_trainingjob_*` of a job and `wattrain_powerdomain_*` of a domain, for the page of `wattrain run` and for
the operator's alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from prometheus_client.core import Metric as Family

from wattrain_api import metrics, reasons
from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.contract.phases import LONG_PHASES
from wattrain_api.metric_families import Identity, families_of
from wattrain_api.powerdomain import DomainPower, SheddingStatus, Tariff
from wattrain_api.status import CauseTotals, PhaseTotals, PointStatus, State, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec
from wattrain_operator.core import energy_causes, phase_totals
from wattrain_operator.core.domains import Domain
from wattrain_operator.core.fleet_job import fleet_job

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
class SavedGrams:
    """What waiting for clean hours has saved."""

    grams: float
    basis: str
    """Of the series: Average or Marginal."""


@dataclass(frozen=True)
class Waiting:
    """That a job waits to be admitted."""

    reason: str
    """For what, one of `wattrain_api.reasons`."""
    since: datetime


@dataclass(frozen=True)
class ExportedJob:
    """What is exported of a job; `wattrain_api.metrics` names these fields."""

    status: TrainingJobStatus
    info: JobInfo
    phases: tuple[PhaseTotals, ...]
    """Those of the status, with the present state until now."""
    causes: tuple[CauseTotals, ...]
    """Those of the status, with the time in which no supervisor ran."""
    points: tuple[PointStatus, ...]
    """What was measured with other numbers of threads."""
    saved: SavedGrams | None
    """None: nothing has been compared."""
    waiting: Waiting | None
    """None: it does not wait to be admitted."""
    expected_start: datetime | None
    """None: it does not wait, or nobody knows."""
    samples_per_second: float | None
    """That of the progress; 0 while nothing is trained."""
    steps_paused: bool | None
    """Whether a running group does what takes much longer than a step, at the same step. None: it is not known."""


def identity_of(job: TrainingJob) -> Identity:
    """The labels that say which job it is. Figures of its workers have the same."""
    return Identity(zip(metrics.JOB.identity, (job.metadata.namespace, job.metadata.name), strict=True))


def identity_of_domain(name: str) -> Identity:
    """The label that says which power domain it is."""
    return Identity(zip(metrics.DOMAIN.identity, (name,), strict=True))


def job_families(job: TrainingJob, status: TrainingJobStatus, as_of: datetime) -> list[Family]:
    """The families of one job; `as_of` as in `exported_job`."""
    return families_of(metrics.JOB, exported_job(job, status, as_of), identity_of(job))


def exported_job(job: TrainingJob, status: TrainingJobStatus, as_of: datetime) -> ExportedJob:
    """What is exported of a job that `status` tells of.

    `as_of` (aware) is the time until which its present state is counted: so long ago that whatever was decided before
    is in `status`, or else that count would fall when another state is told of.
    """
    phases = phase_totals.as_of(status, as_of)
    info, speed = _info(job.spec, status.attempt), _samples_per_second(status)
    causes = energy_causes.with_waiting(status.causes, phases)
    waiting = _waiting(status)
    start = None if waiting is None else _expected_start(status)
    points = () if status.best_point is None else status.best_point.points
    saved, paused = _saved(status), _steps_paused(status)
    return ExportedJob(status, info, phases, causes, points, saved, waiting, start, speed, paused)


def _waiting(status: TrainingJobStatus) -> Waiting | None:
    admitted = next((each for each in status.conditions if each.type == reasons.ADMITTED), None)
    waits = admitted is not None and admitted.status == "False" and status.state in ("Pending", "Queued")
    return Waiting(admitted.reason, admitted.last_transition_time) if admitted is not None and waits else None


def _expected_start(status: TrainingJobStatus) -> datetime | None:
    """By the queue, or by the clean hours that it waits for."""
    hours = status.clean_hours
    return status.queue.expected_start or (None if hours is None else hours.start)


def _saved(status: TrainingJobStatus) -> SavedGrams | None:
    hours = status.clean_hours
    if hours is None or not hours.compared_joules:
        return None
    return SavedGrams(hours.at_once_grams - hours.grams, hours.basis)


def _samples_per_second(status: TrainingJobStatus) -> float | None:
    if status.progress is None:
        return None
    return 0.0 if status.state in _NOTHING_TRAINS else status.progress.samples_per_second


def _steps_paused(status: TrainingJobStatus) -> bool | None:
    return None if status.progress is None else status.state == "Running" and status.progress.phase in LONG_PHASES


def _info(spec: TrainingJobSpec, attempt: int) -> JobInfo:
    return JobInfo(
        recipe=SCRIPT if spec.recipe is None else spec.recipe.name,
        strategy=spec.parallelism.strategy,
        precision="" if spec.training is None else spec.training.precision,
        image=spec.image,
        powerdomain=spec.energy.power_domain,
        attempt=attempt,
    )


@dataclass(frozen=True)
class Price:
    """What a kilowatt-hour costs now."""

    currency: str
    per_kwh: float


@dataclass(frozen=True)
class ExportedDomain:
    """What is exported of a power domain; `wattrain_api.metrics` names these fields. What only a domain has that can be
    read is None for another."""

    accepted: bool
    granted_jobs: int
    queued_jobs: int
    power_watts: float | None
    max_running_jobs: int | None = None
    cap_watts: float | None = None
    usable_watts: float | None = None
    power: DomainPower | None = None
    shedding: SheddingStatus | None = None
    grams_per_kwh: float | None = None
    pue: float | None = None
    price: Price | None = None


def exported_domain(
    domain: Domain,
    jobs: Sequence[tuple[TrainingJob, TrainingJobStatus]],
    now: datetime,
    series: CarbonSeries | None = None,
) -> ExportedDomain:
    """What is exported of `domain` with its `jobs` at the moment `now` (aware), and with the `series` of its carbon."""
    reserved = {(r.uid, r.turn) for r in domain.reservations}
    seen = [fleet_job(job, status, living_children=False, fresh=False) for job, status in jobs]
    running = {(job.uid, job.turn) for job in seen if job.runs}
    waiting = {(job.uid, job.turn) for job in seen if job.wants}
    watts = [status.energy.watts for _, status in jobs if status.energy.watts is not None]
    exported = ExportedDomain(
        accepted=not domain.problem,
        granted_jobs=len(reserved | running),
        queued_jobs=len(waiting - reserved),
        power_watts=None if running and not watts else sum(watts),
    )
    if domain.spec is None:
        return exported
    known = None if series is None or series.basis != "Average" else series.at(now)
    return replace(
        exported,
        max_running_jobs=domain.spec.max_running_jobs,
        cap_watts=domain.spec.cap_watts,
        usable_watts=domain.spec.usable_watts,
        power=domain.power,
        shedding=domain.shedding,
        grams_per_kwh=domain.spec.carbon.grams_per_kwh if known is None else known,
        pue=domain.spec.pue,
        price=_price(domain.spec.tariff, now),
    )


def _price(tariff: Tariff | None, now: datetime) -> Price | None:
    return None if tariff is None else Price(tariff.currency, tariff.price_at(now))
