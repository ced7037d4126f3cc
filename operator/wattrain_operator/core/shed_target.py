"""When a power domain sheds power, how much its jobs may draw meanwhile, and what that leaves for those that wait."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from math import inf

from wattrain_api.powerdomain import PowerDomainSpec, Reservation, Shed, SheddingStatus, ShedOrder
from wattrain_operator.core.fleet_job import FleetJob
from wattrain_operator.core.reservations import Draw, present
from wattrain_operator.core.shedding import LOOK_SECONDS, WATT_DIGITS, Giver, sheds


def shedding_of(
    spec: PowerDomainSpec,
    old: SheddingStatus | None,
    held: Sequence[Reservation],
    jobs: Mapping[str, FleetJob],
    draws: Mapping[str, Draw],
    now: datetime,
) -> SheddingStatus | None:
    """How the domain sheds power at the moment `now`; None: it does not. `old` is what was decided last, `held` the
    reservations, `jobs` and `draws` are by uid."""
    shed = spec.shed
    if shed is None or not is_on(shed, now):
        return None
    orders = {} if old is None else {order.uid: order for order in old.orders}
    runs = {r.uid for r in held if r.uid in jobs and not jobs[r.uid].finished}
    givers = [
        _giver(jobs[uid], orders.get(uid), draws, now, runs=uid in runs)
        for uid in sorted(runs | (orders.keys() & jobs.keys()))
        if not jobs[uid].finished
    ]
    begun = _begun(shed, old, givers, now)
    return sheds(spec, begun, givers)


def is_on(shed: Shed, now: datetime) -> bool:
    """Whether it is the time to shed power."""
    return (shed.start is None or shed.start <= now) and now < shed.until


def next_look(spec: PowerDomainSpec, now: datetime) -> float | None:
    """In how many seconds time alone changes what is to be shed; None: never."""
    shed = spec.shed
    if shed is None or now >= shed.until:
        return None
    if is_on(shed, now):
        return min(LOOK_SECONDS, (shed.until - now).total_seconds())
    return None if shed.start is None else (shed.start - now).total_seconds()


def room_of(shedding: SheddingStatus | None, held: Sequence[Reservation], jobs: Mapping[str, FleetJob]) -> float:
    """Watts that jobs which wait may still be granted; inf: no power is shed."""
    if shedding is None:
        return inf
    orders = {order.uid: order.most_watts for order in shedding.orders}
    bound = sum(orders.get(r.uid, _most(jobs.get(r.uid), r)) for r in held)
    return shedding.target_watts - max(bound, shedding.drawn_watts)


def _most(job: FleetJob | None, reservation: Reservation) -> float:
    """What a job that gives up nothing may draw."""
    if job is None:
        return reservation.full_watts
    return job.full_watts if job.draw is None else max(job.draw.watts, reservation.watts)


def _giver(job: FleetJob, order: ShedOrder | None, draws: Mapping[str, Draw], now: datetime, *, runs: bool) -> Giver:
    draw = present(draws.get(job.uid), now)
    watts = 0.0 if not runs else job.full_watts if draw is None else draw.watts
    return Giver(job, watts if order is None else order.from_watts, watts, order)


def _begun(shed: Shed, old: SheddingStatus | None, givers: Sequence[Giver], now: datetime) -> SheddingStatus:
    """What was begun goes on from the same watts, though how much of them is shed may change."""
    from_watts = sum(giver.from_watts for giver in givers) if old is None else old.from_watts
    less = from_watts * (shed.percent or 0) / 100 if shed.watts is None else shed.watts
    target = round(max(0.0, from_watts - less), WATT_DIGITS)
    begun = SheddingStatus(now.replace(microsecond=0), shed.until) if old is None else old
    return replace(begun, until=shed.until, from_watts=round(from_watts, WATT_DIGITS), target_watts=target)
