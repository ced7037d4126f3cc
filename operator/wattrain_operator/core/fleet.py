"""The decision about all jobs of one PowerDomain: who may run, in which order, and what the others wait for.

Pure, as `plan()` is for one job. What is granted is a reservation in the status of the PowerDomain, stored with its
resourceVersion before any child of the job exists: of two operators that decide at the same time, one must decide anew.

A job's reservation is for one turn (`status.internal.turn`, one more after every suspension). A reservation that a
job may still use is never taken back: only one of an earlier turn, of a finished job without living children, or of a
job that is gone, and each only by a view read from the source itself. So a view that lags can neither let two jobs
have one place nor take the place of one that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from wattrain_api import names, reasons
from wattrain_api.powerdomain import PowerDomainSpec, Reservation
from wattrain_api.status import Condition, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.observed import GRANTED, Grant

HOLDERS_NAMED = 2
"""Of the jobs that hold what others wait for, so many are named."""


@dataclass(frozen=True)
class FleetJob:
    """One job as the fleet sees it."""

    namespace: str
    name: str
    uid: str
    priority: int
    created: datetime
    turn: int
    """Number of the reservation that it waits for or holds."""
    wants: bool
    """It is to run and has not been admitted."""
    runs: bool
    """It has been admitted and is not over."""
    finished: bool = False
    living_children: bool = False
    """A process of it may run."""
    fresh: bool = False
    """Whether the job and then its children were read from the source itself; a cache may lag behind."""


@dataclass(frozen=True)
class FleetObserved:
    """What is to be known of a PowerDomain and its jobs."""

    now: datetime
    """Aware, UTC."""
    domain: str
    spec: PowerDomainSpec
    reservations: tuple[Reservation, ...]
    """As they are stored, in the version that the decision will be stored upon."""
    jobs: tuple[FleetJob, ...]
    gone: frozenset[str] = frozenset()
    """Uids that no job and no living child has, as the source itself says."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces whose jobs are seen; empty: all. Another operator cares for the reservations of other namespaces."""


@dataclass(frozen=True)
class Waiting:
    """A job that is not granted yet."""

    uid: str
    position: int
    """1: it is the next."""
    waits_for: str
    """The limit that it waits for, for a person."""
    held_by: str
    """Who has what it waits for, for a person."""


@dataclass(frozen=True)
class FleetPlan:
    """What to store, and what to tell the jobs."""

    reservations: tuple[Reservation, ...]
    waiting: tuple[Waiting, ...]
    running: int
    """Jobs that hold a place."""
    look_at: tuple[Reservation, ...] = ()
    """Reservations that seem to be over: look at their jobs at the source, then plan again."""


def fleet_job(job: TrainingJob, status: TrainingJobStatus, *, living_children: bool, fresh: bool) -> FleetJob:
    """`job` as the fleet sees it. `living_children`: whether a process of it may run."""
    finished, admitted = is_finished(status), is_true(status, reasons.ADMITTED)
    ends = finished or job.spec.suspend or job.metadata.deletion_timestamp is not None
    # A resumed job waits once its status says so: only then does another suspension raise its turn, and free its place.
    suspended = is_true(status, reasons.SUSPENDED)
    return FleetJob(
        job.metadata.namespace,
        job.metadata.name,
        job.metadata.uid,
        job.spec.queue.priority,
        job.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC),
        status.internal.turn,
        wants=not admitted and not ends and not suspended,
        runs=admitted and not finished,
        finished=finished,
        living_children=living_children,
        fresh=fresh,
    )


def plan_fleet(seen: FleetObserved) -> FleetPlan:
    """Decide who may run: who has a place keeps it; free ones go by priority, then by age."""
    jobs = {job.uid: job for job in seen.jobs}
    limit = seen.spec.max_running_jobs
    if limit is None:
        return FleetPlan((), (), sum(job.runs for job in seen.jobs))
    kept = [r for r in seen.reservations if _is_foreign(r, seen) or not _is_over(r, jobs.get(r.uid), seen.gone)]
    look_at = tuple(r for r in kept if not _is_foreign(r, seen) and _seems_over(r, jobs.get(r.uid)))
    held = {(r.uid, r.turn) for r in kept}
    # A limit may be new, or lower than what runs already.
    kept += [_reserve(job, seen.now) for job in seen.jobs if job.runs and (job.uid, job.turn) not in held]
    waiting = sorted((job for job in seen.jobs if job.wants and (job.uid, job.turn) not in held), key=_order)
    free = max(0, limit - len(kept))
    kept += [_reserve(job, seen.now) for job in waiting[:free]]
    waits_for, held_by = f"maxRunningJobs {limit} of power domain {seen.domain}", _names(kept)
    rest = tuple(Waiting(job.uid, position, waits_for, held_by) for position, job in enumerate(waiting[free:], 1))
    return FleetPlan(tuple(kept), rest, len(kept), look_at)


def _order(job: FleetJob) -> tuple[int, datetime, str, str]:
    return -job.priority, job.created, job.namespace, job.name


def _reserve(job: FleetJob, now: datetime) -> Reservation:
    return Reservation(job.namespace, job.name, job.uid, job.turn, now.replace(microsecond=0))


def _is_foreign(reservation: Reservation, seen: FleetObserved) -> bool:
    return bool(seen.namespaces) and reservation.namespace not in seen.namespaces


def _is_over(reservation: Reservation, job: FleetJob | None, gone: frozenset[str]) -> bool:
    """Whether nobody can use the reservation any more, for certain."""
    if job is None:
        return reservation.uid in gone
    return job.fresh and _seems_over(reservation, job)


def _seems_over(reservation: Reservation, job: FleetJob | None) -> bool:
    if job is None or job.turn > reservation.turn:
        return True
    return job.finished and not job.living_children


def _names(holders: list[Reservation]) -> str:
    named = ", ".join(f"{r.namespace}/{r.name}" for r in holders[:HOLDERS_NAMED])
    return named if len(holders) <= HOLDERS_NAMED else f"{named} and {len(holders) - HOLDERS_NAMED} others"


@dataclass(frozen=True)
class Domain:
    """A PowerDomain as a job's grant depends on it."""

    name: str
    spec: PowerDomainSpec | None
    """None: there is no such domain, or it cannot be read."""
    problem: str = ""
    """Why it is not acted by, with the remedy; empty: it is, or there is none."""
    reason: str = reasons.INVALID_SPEC
    """The same in a word, where there is a problem."""
    reservations: tuple[Reservation, ...] = ()
    conditions: tuple[Condition, ...] = ()
    """As they are stored."""
    generation: int = 0
    """Of the spec."""


def conditions_of(domain: Domain, now: datetime) -> tuple[Condition, ...]:
    """What is to be stored about `domain`, which is there: whether the operator acts by it, or what to correct."""
    answer: Literal["True", "False"] = "False" if domain.problem else "True"
    old = next((c for c in domain.conditions if c.type == reasons.ACCEPTED), None)
    new = Condition(
        reasons.ACCEPTED,
        answer,
        domain.reason if domain.problem else reasons.ACCEPTED,
        old.last_transition_time if old is not None and old.status == answer else now.replace(microsecond=0),
        f"{domain.problem}; until then its jobs wait" if domain.problem else "jobs that name it are counted by it",
        domain.generation,
    )
    return (*(c for c in domain.conditions if c.type != reasons.ACCEPTED), new)


def grant_of(domain: Domain, uid: str, turn: int, waiting: Waiting | None) -> Grant:
    """What `domain` allows the job with that uid in that turn. `waiting`: what the last fleet plan says of it."""
    if domain.spec is None:
        return _without_domain(domain)
    if domain.spec.max_running_jobs is None or any((r.uid, r.turn) == (uid, turn) for r in domain.reservations):
        return GRANTED
    if waiting is None:
        return Grant(granted=False, reason=reasons.PENDING)  # the fleet has not seen it yet
    return Grant(False, reasons.QUEUED, f"waits for a place: {waiting.waits_for}", waiting.position, waiting.held_by)


def _without_domain(domain: Domain) -> Grant:
    if domain.problem:
        message = f"PowerDomain {domain.name} cannot be read: {domain.problem}; correct it, and the job goes on"
        return Grant(False, reasons.POWER_DOMAIN_UNREADABLE, message)
    if domain.name == names.DEFAULT_POWER_DOMAIN:
        note = f"there is no PowerDomain {domain.name}: nothing is limited, and carbon is counted by the world's mean"
        return Grant(True, message=note)
    remedy = "create it, or create the job anew with another spec.energy.powerDomain"
    return Grant(False, reasons.POWER_DOMAIN_NOT_FOUND, f"there is no PowerDomain {domain.name}: {remedy}")
