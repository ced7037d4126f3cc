"""The operator's pass over a whole PowerDomain: what it knows of it, `plan_fleet`, and one write with a version.

What it knows of the jobs is what their own passes know: the same caches, which lag behind the truth job by job.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from wattrain_api.powerdomain import Reservation
from wattrain_operator.core import fleet
from wattrain_operator.core.fleet import FleetObserved, FleetPlan
from wattrain_operator.core.fleet_job import FleetJob, fleet_job
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.observed import Child
from wattrain_operator.simulated.objects import DOMAIN_NAME, DomainObject, JobObject, moment
from wattrain_operator.simulated.simulation import Simulation
from wattrain_operator.simulated.world import World

View = tuple[FleetJob | None, bool]
"""A job as the operator knows it, None where it knows of none, and whether it knows a living child of it."""


class DomainWrite(NamedTuple):
    """Store the reservations of `plan`, which was made from `seen`."""

    plan: FleetPlan
    version: int
    seen: FleetObserved


class FleetOperator:
    """The part of the operator that decides for all jobs. `needs_pass`: what it knows has changed since."""

    __slots__ = ("domain", "known", "needs_pass", "pending", "unseen", "waiting")

    def __init__(self, domain: DomainObject, unseen: frozenset[str]) -> None:
        self.die(domain, unseen)

    def copy(self) -> FleetOperator:
        """Another one in the same state."""
        other = FleetOperator.__new__(FleetOperator)
        for name in FleetOperator.__slots__:
            setattr(other, name, getattr(self, name))
        return other

    def die(self, domain: DomainObject, unseen: frozenset[str]) -> None:
        """Lose all memory, and start anew with what the first LISTs give, which may be old: `unseen` jobs are not in
        them."""
        self.domain, self.unseen = domain, unseen
        self.pending: DomainWrite | None = None
        self.waiting: Mapping[str, Waiting] = {}
        """By the uid of a job that waits."""
        self.known: tuple[int, tuple[View, ...]] | None = None
        self.needs_pass = True

    def notice(self, jobs: Mapping[str, Simulation]) -> None:
        """Look whether it knows something else than before."""
        known = (self.domain.version, self._views(jobs))
        self.needs_pass, self.known = self.needs_pass or known != self.known, known

    def decide(self, jobs: Mapping[str, Simulation], now: float) -> None:
        """Plan by what is known, and again where a job has to be looked at at the source; line up the write."""
        known = {job.uid: job for job, _ in self._views(jobs) if job is not None}
        self.pending = _plan(self.domain, known, frozenset(), now)
        look_at = {r.name for r in self.pending.plan.look_at}
        if look_at:
            for name in look_at:
                jobs[name].operator.read_source(jobs[name].world)
            self.unseen -= look_at
            known = {job.uid: job for name, (job, _) in zip(jobs, self._views(jobs), strict=True) if job is not None}
            fresh, gone = _read(jobs[name].world for name in look_at)
            self.pending = _plan(self.domain, known | fresh, gone, now)
        self.needs_pass, self.known = False, (self.domain.version, self._views(jobs))
        if self.pending.plan.reservations == self.domain.reservations:
            self._remember_who_waits(self.pending.plan)

    def write(self, truth: DomainObject) -> DomainObject:
        """Store what was decided; a domain that has changed since takes the whole plan with it. The domain after it."""
        assert self.pending is not None
        plan, version, _ = self.pending
        self.pending, after = None, store(truth, plan.reservations, version)
        if after is not None:
            self._remember_who_waits(plan)
        return after or truth

    def _remember_who_waits(self, plan: FleetPlan) -> None:
        self.pending, self.waiting = None, {waiting.uid: waiting for waiting in plan.waiting}

    def _views(self, jobs: Mapping[str, Simulation]) -> tuple[View, ...]:
        return tuple(self._view(name, simulation) for name, simulation in jobs.items())

    def _view(self, name: str, simulation: Simulation) -> View:
        operator = simulation.operator
        living = _lives(child for child, _ in operator.cache.values())
        if operator.job.deleted or name in self.unseen:
            return None, living
        shared = simulation.world.shared_storage
        return _fleet_job(operator.job, living, fresh=False, shared_storage=shared), living


def store(truth: DomainObject, reservations: tuple[Reservation, ...], version: int) -> DomainObject | None:
    """The API server: the domain with other reservations, unless it has changed since `version`; None: it has."""
    if version != truth.version:
        return None
    return truth._replace(reservations=reservations, version=version + 1)


def decide_by_the_truth(domain: DomainObject, jobs: Mapping[str, Simulation], now: float) -> DomainWrite:
    """What an operator that knows all at this moment would write."""
    fresh, gone = _read(simulation.world for simulation in jobs.values())
    return _plan(domain, fresh, gone, now)


def true_job(world: World) -> FleetJob | None:
    """The job as it really is; None: it is deleted."""
    if world.job.deleted:
        return None
    return _fleet_job(world.job, has_living_child(world), fresh=True, shared_storage=world.shared_storage)


def has_living_child(world: World) -> bool:
    """Whether a process of the job may really run."""
    return _lives(process.child for process in world.children.values())


def _read(worlds: Iterable[World]) -> tuple[dict[str, FleetJob], frozenset[str]]:
    """Jobs by uid as they are, and the uids that no job and no living child has."""
    fresh: dict[str, FleetJob] = {}
    gone: set[str] = set()
    for world in worlds:
        job = true_job(world)
        if job is not None:
            fresh[job.uid] = job
        elif not has_living_child(world):
            gone.add(world.job.job.metadata.uid)
    return fresh, frozenset(gone)


def _plan(domain: DomainObject, jobs: Mapping[str, FleetJob], gone: frozenset[str], now: float) -> DomainWrite:
    seen = FleetObserved(moment(now), DOMAIN_NAME, domain.spec, domain.reservations, tuple(jobs.values()), gone=gone)
    return DomainWrite(fleet.plan_fleet(seen), domain.version, seen)


def _fleet_job(job: JobObject, living: bool, *, fresh: bool, shared_storage: bool) -> FleetJob:
    return fleet_job(job.job, job.status, living_children=living, fresh=fresh, shared_storage=shared_storage)


def _lives(children: Iterable[Child]) -> bool:
    return any(not child.ended for child in children)
