"""The fleet of one power domain in a run: who of its jobs may run, decided as on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from wattrain_api.powerdomain import PowerDomain, PowerDomainStatus, Reservation
from wattrain_operator.core.domains import Domain, grant_of
from wattrain_operator.core.fleet import FleetObserved, plan_fleet
from wattrain_operator.core.fleet_job import FleetJob
from wattrain_operator.core.observed import Grant


class LocalFleet:
    """Holds the reservations of a domain, in memory: the command alone decides, and what jobs had been granted when a
    command was killed follows from their statuses."""

    def __init__(self, domain: PowerDomain) -> None:
        self._name, self._spec = domain.metadata.name, domain.spec
        self._reservations: tuple[Reservation, ...] = ()
        self.domain = domain
        """The domain with its status of now."""

    def grants(self, jobs: Sequence[FleetJob], now: datetime) -> dict[str, Grant]:
        """What each of `jobs` is granted now, by uid. A job that is left out is over, and no process of it lives."""
        gone = frozenset(r.uid for r in self._reservations) - {job.uid for job in jobs}
        shedding = self.domain.status.shedding
        plan = plan_fleet(FleetObserved(now, self._name, self._spec, self._reservations, tuple(jobs), shedding, gone))
        self._reservations = plan.reservations
        status = PowerDomainStatus(plan.running, len(plan.waiting), plan.power, plan.reservations, plan.shedding)
        self.domain = self.domain.model_copy(update={"status": status})
        domain = Domain(self._name, self._spec, reservations=plan.reservations, shedding=plan.shedding)
        waiting = {each.uid: each for each in plan.waiting}
        return {job.uid: grant_of(domain, job.uid, job.turn, waiting.get(job.uid)) for job in jobs}

    def most_at_once(self, jobs: int) -> int:
        """How many of so many jobs may run at the same time."""
        limit = self._spec.max_running_jobs
        return jobs if limit is None else min(jobs, limit)

    def is_exceeded_by(self, jobs: Sequence[FleetJob]) -> bool:
        """Whether more of `jobs` have been admitted than may run at once, or than there is power for."""
        running, usable = [job for job in jobs if job.runs], self._spec.usable_watts
        too_much = usable is not None and sum(job.full_watts for job in running) > usable
        return too_much or len(running) > self.most_at_once(len(jobs))
