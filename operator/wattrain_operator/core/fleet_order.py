"""The order in which jobs of a power domain are granted what is free."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime
from heapq import heapify, heappop, heapreplace
from itertools import groupby

from wattrain_api.powerdomain import PowerDomainSpec, Reservation
from wattrain_operator.core.fleet_job import FleetJob


def in_order(waiting: Sequence[FleetJob], held: Sequence[Reservation], spec: PowerDomainSpec) -> list[FleetJob]:
    """`waiting` by priority; among equals by the shares of their namespaces, where the domain has weights, then by age.
    A namespace's share is what its jobs hold, in watts under a cap and else in places, divided by its weight."""
    by_age = sorted(waiting, key=_order)
    if not spec.namespace_weights:
        return by_age
    taken: dict[str, float] = defaultdict(float)
    for reservation in held:
        taken[reservation.namespace] += _amount(reservation.watts, spec)
    ordered: list[FleetJob] = []
    for _, equals in groupby(by_age, key=lambda job: job.priority):
        ordered += _by_share(list(equals), taken, spec)
    return ordered


def _order(job: FleetJob) -> tuple[int, datetime, str, str]:
    return -job.priority, job.created, job.namespace, job.name


def _by_share(by_age: list[FleetJob], taken: dict[str, float], spec: PowerDomainSpec) -> list[FleetJob]:
    """Jobs of one priority. What each would hold is added to `taken` as it is chosen."""
    queues: dict[str, deque[FleetJob]] = defaultdict(deque)
    for job in by_age:
        queues[job.namespace].append(job)

    def entry(namespace: str) -> tuple[float, tuple[object, ...], str]:
        first = queues[namespace][0]
        share = taken[namespace] / spec.namespace_weights.get(namespace, 1.0)
        return share, (first.created, first.namespace, first.name), namespace

    heap = [entry(namespace) for namespace in queues]
    heapify(heap)
    ordered = []
    while heap:
        namespace = heap[0][2]
        job = queues[namespace].popleft()
        ordered.append(job)
        taken[namespace] += _amount(job.full_watts, spec)
        if queues[namespace]:
            heapreplace(heap, entry(namespace))
        else:
            heappop(heap)
    return ordered


def _amount(watts: float, spec: PowerDomainSpec) -> float:
    return 1.0 if spec.cap_watts is None else watts
