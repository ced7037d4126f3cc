"""What jobs that wait in a power domain are told: their position, what they wait for, and when it may be there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf
from typing import Final

from wattrain_api import reasons
from wattrain_api.powerdomain import PowerDomainSpec, Reservation

_HOLDERS_NAMED: Final = 2
"""Of the jobs that hold what others wait for, so many are named."""
_LONGEST_FORECAST: Final = timedelta(days=365)


@dataclass(frozen=True)
class Waiting:
    """A job that is not granted yet."""

    uid: str
    position: int
    """1: it is the next; 0: it is in no queue."""
    waits_for: str
    """What it waits for, for a person."""
    held_by: str
    """Who has what it waits for, for a person."""
    reason: str = reasons.QUEUED
    """One of `wattrain_api.reasons`."""
    expected_start: datetime | None = None
    """When it may be granted, in whole minutes; None: nobody knows."""


def wish(domain: str, spec: PowerDomainSpec, watts: float) -> str:
    """What a job of so many watts waits for, for a person."""
    place = "" if spec.max_running_jobs is None else f"a place: maxRunningJobs {spec.max_running_jobs}"
    usable = spec.usable_watts
    power = "" if usable is None else f"{watts:g} W of the {usable:g} W for jobs"
    return f"{', and for '.join(part for part in (place, power) if part)} of power domain {domain}"


def in_queue(uid: str, position: int, waits_for: str, held_by: str, starts_in: float, now: datetime) -> Waiting:
    """A job that will be granted; `starts_in` seconds, inf: nobody knows when."""
    start = None
    if starts_in < inf and timedelta(seconds=starts_in) < _LONGEST_FORECAST:
        start = (now + timedelta(seconds=starts_in + 59)).replace(second=0, microsecond=0)
    return Waiting(uid, position, waits_for, held_by, expected_start=start)


def until_shed(waiting: Waiting, domain: str, until: datetime) -> Waiting:
    """`waiting`, where the domain sheds power meanwhile: until then it has no room for anybody."""
    if waiting.reason != reasons.QUEUED:
        return waiting
    message = f"waits while power domain {domain} sheds power, until {until:%Y-%m-%d %H:%M:%S} UTC"
    return replace(waiting, waits_for=message, held_by="", reason=reasons.SHEDDING, expected_start=until)


def too_large(uid: str, watts: float, domain: str, spec: PowerDomainSpec) -> Waiting:
    """A job that the cap of its domain never has room for."""
    parts = (
        f"capWatts {spec.cap_watts:g} less headroomPercent {spec.headroom_percent} and baseWatts {spec.base_watts:g}"
    )
    message = (
        f"its workers may draw {watts:g} W by their limits, and power domain {domain} has {spec.usable_watts:g} W for "
        f"jobs ({parts}): lower spec.workers.resources.limits or spec.workers.replicas, or raise capWatts"
    )
    return Waiting(uid, 0, message, "", reasons.POWER_CAP_TOO_SMALL)


def names_of(holders: Sequence[Reservation]) -> str:
    """Who holds what others wait for."""
    named = ", ".join(f"{r.namespace}/{r.name}" for r in holders[:_HOLDERS_NAMED])
    return named if len(holders) <= _HOLDERS_NAMED else f"{named} and {len(holders) - _HOLDERS_NAMED} others"
