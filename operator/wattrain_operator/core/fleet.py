"""The decision about all jobs of one PowerDomain: who may run, in which order, and what the others wait for.

Pure, as `plan()` is for one job. What is granted is a reservation in the status of the PowerDomain, stored with its
resourceVersion before any child of the job exists: of two operators that decide at the same time, one must decide anew.

A job's reservation is for one turn (`status.internal.turn`, one more after every suspension). A reservation that a
job may still use is never taken back: only one of an earlier turn, of a finished job without living children, or of a
job that is gone, and each only by a view read from the source itself. So a view that lags can neither let two jobs
have one place nor take the place of one that runs. Preemption only asks a job to stop, by a mark in its reservation
that is never taken back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import inf

from wattrain_api.powerdomain import DomainPower, PowerDomainSpec, Reservation, SheddingStatus
from wattrain_operator.core.admission import Holding, Request, Room, admit, expected_starts
from wattrain_operator.core.domains import is_limited
from wattrain_operator.core.fleet_forecasts import ENDING_SECONDS
from wattrain_operator.core.fleet_job import FleetJob
from wattrain_operator.core.fleet_order import in_order
from wattrain_operator.core.fleet_queue import Waiting, in_queue, names_of, too_large, until_shed, wish
from wattrain_operator.core.preemption import Runner, orders
from wattrain_operator.core.reservations import Draw, claimed, corrected, next_comparison, power_of
from wattrain_operator.core.shed_target import next_look, room_of, shedding_of


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
    shedding: SheddingStatus | None = None
    """How the domain sheds power, as it is stored."""
    gone: frozenset[str] = frozenset()
    """Uids that no job and no living child has, as the source itself says."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces whose jobs are seen; empty: all. Another operator cares for the reservations of other namespaces."""


@dataclass(frozen=True)
class FleetPlan:
    """What to store, and what to tell the jobs."""

    reservations: tuple[Reservation, ...]
    waiting: tuple[Waiting, ...]
    running: int
    """Jobs that hold a place."""
    look_at: tuple[Reservation, ...] = ()
    """Reservations that seem to be over: look at their jobs at the source, then plan again."""
    power: DomainPower | None = None
    """What to tell of the domain's power; None: it has no cap."""
    shedding: SheddingStatus | None = None
    """How the domain sheds power now; None: it does not."""
    wake_after_seconds: float | None = None
    """When time alone will change the decision; None: never."""


def plan_fleet(seen: FleetObserved) -> FleetPlan:
    """Decide who may run. Who has a place keeps it. Free places and watts go by priority, then by age, to whole jobs;
    one behind the head goes before it only where that does not delay the head."""
    jobs, usable = {job.uid: job for job in seen.jobs}, seen.spec.usable_watts
    if not is_limited(seen.spec):
        return FleetPlan((), (), sum(job.runs for job in seen.jobs))
    kept = [r for r in seen.reservations if _is_foreign(r, seen) or not _is_over(r, jobs.get(r.uid), seen.gone)]
    look_at = tuple(r for r in kept if not _is_foreign(r, seen) and _seems_over(r, jobs.get(r.uid)))
    held = {(r.uid, r.turn) for r in kept}
    # A limit may be new, or lower than what runs already.
    kept += [_reserve(job, seen) for job in seen.jobs if job.runs and (job.uid, job.turn) not in held]
    draws = {job.uid: job.draw for job in seen.jobs if job.draw is not None}
    if usable is not None:
        kept = list(corrected([_with_watts(r, jobs.get(r.uid)) for r in kept], draws, usable, seen.now))
    waiting = in_order([job for job in seen.jobs if job.wants and (job.uid, job.turn) not in held], kept, seen.spec)
    queue = [job for job in waiting if usable is None or job.full_watts <= usable]
    shedding = shedding_of(seen.spec, seen.shedding, kept, jobs, draws, seen.now)
    room = _room(seen.spec, kept, draws, seen.now)
    room = room._replace(watts=min(room.watts, room_of(shedding, kept, jobs)))
    if seen.spec.preemption == "LowerPriority" and shedding is None:
        kept = _asked_to_give_way(kept, queue, room, jobs, draws, seen)
    holdings = [_holding(r, jobs.get(r.uid), draws, seen.now) for r in kept]
    admitted = set(admit([_request(job, seen.spec) for job in queue], holdings, room))
    kept += [_reserve(job, seen) for index, job in enumerate(queue) if index in admitted]
    left = [job for index, job in enumerate(queue) if index not in admitted]
    comparison = None if usable is None else next_comparison(kept, seen.now)
    looks = [seconds for seconds in (comparison, next_look(seen.spec, seen.now)) if seconds is not None]
    told = (*_told(left, kept, jobs, draws, seen), *_never(waiting, queue, seen))
    return FleetPlan(
        tuple(kept),
        told if shedding is None else tuple(until_shed(each, seen.domain, shedding.until) for each in told),
        len(kept),
        look_at,
        None if usable is None else power_of(kept, draws, usable, seen.now),
        shedding,
        min(looks, default=None),
    )


def _told(
    left: list[FleetJob],
    kept: list[Reservation],
    jobs: Mapping[str, FleetJob],
    draws: Mapping[str, Draw],
    seen: FleetObserved,
) -> list[Waiting]:
    """What those are told that have to wait, in their order."""
    holdings = [_holding(r, jobs.get(r.uid), draws, seen.now) for r in kept]
    room = _room(seen.spec, kept, draws, seen.now)
    starts = expected_starts([_request(job, seen.spec) for job in left], holdings, room)
    held_by = names_of(kept)
    return [
        in_queue(job.uid, position, wish(seen.domain, seen.spec, job.full_watts), held_by, starts_in, seen.now)
        for position, (job, starts_in) in enumerate(zip(left, starts, strict=True), 1)
    ]


def _never(waiting: list[FleetJob], queue: list[FleetJob], seen: FleetObserved) -> list[Waiting]:
    """What those are told that the cap has no room for, however long they wait. They hold nobody up."""
    fitting = {job.uid for job in queue}
    return [too_large(job.uid, job.full_watts, seen.domain, seen.spec) for job in waiting if job.uid not in fitting]


def _request(job: FleetJob, spec: PowerDomainSpec) -> Request:
    return Request(_needs(job, spec), job.longest_seconds)


def _room(spec: PowerDomainSpec, kept: Sequence[Reservation], draws: Mapping[str, Draw], now: datetime) -> Room:
    places = inf if spec.max_running_jobs is None else spec.max_running_jobs - len(kept)
    usable = spec.usable_watts
    return Room(places, inf if usable is None else usable - sum(claimed(r, draws, now) for r in kept))


def _needs(job: FleetJob, spec: PowerDomainSpec) -> float:
    return 0.0 if spec.cap_watts is None and spec.shed is None else job.full_watts


def _asked_to_give_way(
    kept: list[Reservation],
    queue: Sequence[FleetJob],
    room: Room,
    jobs: Mapping[str, FleetJob],
    draws: Mapping[str, Draw],
    seen: FleetObserved,
) -> list[Reservation]:
    """`kept`, where those are marked that a job of `queue` needs. `room`: what is free now."""
    runners = []
    for reservation in kept:
        job, watts = jobs.get(reservation.uid), claimed(reservation, draws, seen.now)
        if not _is_foreign(reservation, seen) and _goes(reservation, job):
            room = room.plus(watts)
        elif job is not None and job.keeps_checkpoints:
            runners.append(Runner(reservation, job, watts))
    asked = orders(runners, [(job, _needs(job, seen.spec)) for job in queue], room)
    return [replace(r, preempted_by=asked.get((r.uid, r.turn), r.preempted_by)) for r in kept]


def _goes(reservation: Reservation, job: FleetJob | None) -> bool:
    """Whether it will be free without a further order."""
    return bool(reservation.preempted_by) or job is None or job.is_leaving or _seems_over(reservation, job)


def _holding(reservation: Reservation, job: FleetJob | None, draws: Mapping[str, Draw], now: datetime) -> Holding:
    ends_in = inf if job is None or job.ends is None else max(0.0, (job.ends - now).total_seconds())
    ends_in = min(ends_in, ENDING_SECONDS) if reservation.preempted_by else ends_in
    return Holding(claimed(reservation, draws, now), ends_in)


def _with_watts(reservation: Reservation, job: FleetJob | None) -> Reservation:
    """A reservation from before there was a cap takes watts as well, as one of a job that runs already does."""
    if reservation.full_watts or job is None:
        return reservation
    return replace(reservation, watts=job.full_watts, full_watts=job.full_watts)


def _reserve(job: FleetJob, seen: FleetObserved) -> Reservation:
    watts = _needs(job, seen.spec)
    now = seen.now.replace(microsecond=0)
    return Reservation(job.namespace, job.name, job.uid, job.turn, now, watts, watts)


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
