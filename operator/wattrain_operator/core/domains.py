"""A PowerDomain as its jobs depend on it: whether the operator acts by it, and what it grants a job."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from wattrain_api import names, reasons
from wattrain_api.powerdomain import DomainPower, PowerDomainSpec, Reservation, SheddingStatus
from wattrain_api.status import Condition
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.observed import GRANTED, Grant, ShedGrant


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
    shedding: SheddingStatus | None = None
    """While it sheds power."""
    power: DomainPower | None = None
    """Under its cap; None: it has none."""
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
    place = _place_of(domain, uid, turn, waiting)
    return replace(place, shed=_shed_of(domain, uid), preempted=_preempted(domain, uid, turn))


def _preempted(domain: Domain, uid: str, turn: int) -> str:
    """Why the job is to give its place up; empty: it is not."""
    reservations = () if domain.spec is None else domain.reservations
    taker = next((r.preempted_by for r in reservations if (r.uid, r.turn) == (uid, turn)), "")
    return f"preempted by {taker}, in power domain {domain.name}" if taker else ""


def _shed_of(domain: Domain, uid: str) -> ShedGrant | None:
    """What the job has to give up; None: nothing."""
    shedding = domain.shedding if domain.spec is not None else None
    order = next((o for o in shedding.orders if o.uid == uid), None) if shedding is not None else None
    if shedding is None or order is None:
        return None
    why = f"power domain {domain.name} sheds power until {shedding.until:%Y-%m-%d %H:%M:%S} UTC"
    return ShedGrant(order.most_watts, why)


def _place_of(domain: Domain, uid: str, turn: int, waiting: Waiting | None) -> Grant:
    if domain.spec is None:
        return _without_domain(domain)
    if not is_limited(domain.spec) or any((r.uid, r.turn) == (uid, turn) for r in domain.reservations):
        return GRANTED
    if waiting is None:
        return Grant(granted=False, reason=reasons.PENDING)  # the fleet has not seen it yet
    if waiting.reason == reasons.SHEDDING:
        return Grant(False, waiting.reason, waiting.waits_for, waiting.position, expected_start=waiting.expected_start)
    message = f"waits for {waiting.waits_for}" if waiting.reason == reasons.QUEUED else waiting.waits_for
    return Grant(False, waiting.reason, message, waiting.position, waiting.held_by, waiting.expected_start)


def _without_domain(domain: Domain) -> Grant:
    if domain.problem:
        message = f"PowerDomain {domain.name} cannot be read: {domain.problem}; correct it, and the job goes on"
        return Grant(False, reasons.POWER_DOMAIN_UNREADABLE, message)
    if domain.name == names.DEFAULT_POWER_DOMAIN:
        note = f"there is no PowerDomain {domain.name}: nothing is limited, and carbon is counted by the world's mean"
        return Grant(True, message=note)
    remedy = "create it, or create the job anew with another spec.energy.powerDomain"
    return Grant(False, reasons.POWER_DOMAIN_NOT_FOUND, f"there is no PowerDomain {domain.name}: {remedy}")


def is_limited(spec: PowerDomainSpec) -> bool:
    """Whether jobs of a domain need a reservation."""
    return spec.max_running_jobs is not None or spec.cap_watts is not None or spec.shed is not None
