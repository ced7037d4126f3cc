"""`PowerDomain.spec.shed`: which of its jobs give up how much power, so that all of them draw less for a while.

What loses least is given up first. Jobs that may be throttled lose only time: those of the lowest priority are slowed
down first, in equal shares of what they may give, down to their floor. Where that is not enough, jobs that may pause
do, again those of the lowest priority first, and of these the largest, so that few are paused. A job that has paused
stays so until the end, and an order is changed only where the target would be missed: nothing swings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import floor
from typing import Final

from wattrain_api.powerdomain import PowerDomainSpec, SheddingStatus, ShedOrder
from wattrain_operator.core.fleet_job import FleetJob

MARGIN_RATIO: Final = 0.03
"""Share of the target that is kept free: a throttled job may be so far off what it is held to (duty_control.py)."""
LOOK_SECONDS: Final = 5.0
"""Between two looks at what is drawn, while power is shed."""
WATT_DIGITS: Final = 2
"""Of what is told. Jobs of a few watts are held to a share of them, and orders are rounded down: together they stay
below the target."""
_LEAST_WATTS: Final = 0.01
"""A job that is to draw nothing is paused."""


@dataclass(frozen=True)
class Giver:
    """A job that runs, or was paused, while its domain sheds power."""

    job: FleetJob
    from_watts: float
    """What it drew when that began."""
    watts: float
    """What it draws now, as far as it is known."""
    order: ShedOrder | None = None
    """What it has been told so far."""

    @property
    def floor_watts(self) -> float:
        """What it draws at least without a pause."""
        return self.from_watts if self.job.flexibility == "none" else self.from_watts * self.job.floor_ratio

    @property
    def is_paused(self) -> bool:
        """Whether it has been told to pause."""
        return self.order is not None and self.order.most_watts == 0

    @property
    def bound_watts(self) -> float:
        """What it will draw at most, as it has been told so far."""
        return max(self.from_watts, self.watts) if self.order is None else self.order.most_watts


def sheds(spec: PowerDomainSpec, shedding: SheddingStatus | None, jobs: Sequence[Giver]) -> SheddingStatus | None:
    """`shedding`, which has begun, with the orders that keep `jobs` at its target."""
    if shedding is None or spec.shed is None:
        return None
    aim = shedding.target_watts * (1 - MARGIN_RATIO)
    drawn = round(sum(giver.watts for giver in jobs), WATT_DIGITS)
    shedding = replace(shedding, drawn_watts=drawn)
    if sum(giver.bound_watts for giver in jobs) <= shedding.target_watts:
        kept = tuple(giver.order for giver in jobs if giver.order is not None)
        return replace(shedding, orders=kept, message="")
    orders, missing = _orders(jobs, aim)
    message = ""
    if missing > 0:
        message = (
            f"{missing:.1f} W too much: jobs give up no more; write energy.flexibility: throttle or pause into more of "
            "them, suspend one, or shed less"
        )
    return replace(shedding, orders=orders, message=message)


def _orders(jobs: Sequence[Giver], aim_watts: float) -> tuple[tuple[ShedOrder, ...], float]:
    """What each gives up, and how many watts more than `aim_watts` are left nevertheless."""
    paused = {giver.job.uid for giver in jobs if giver.is_paused}
    candidates = sorted(
        (g for g in jobs if g.job.flexibility == "pause" and g.job.uid not in paused),
        key=lambda g: (g.job.priority, -g.from_watts, g.job.uid),
    )
    missing = _missing(jobs, paused, aim_watts)
    for giver in candidates:
        if missing <= 0:
            break
        paused.add(giver.job.uid)
        missing = _missing(jobs, paused, aim_watts)
    limits = _throttled([g for g in jobs if g.job.uid not in paused], aim_watts)
    limits = {**limits, **dict.fromkeys(paused, 0.0)}
    orders = [
        ShedOrder(g.job.namespace, g.job.name, g.job.uid, g.from_watts, limits[g.job.uid])
        for g in jobs
        if g.job.uid in limits
    ]
    return tuple(orders), max(0.0, missing)


def _missing(jobs: Sequence[Giver], paused: set[str], aim_watts: float) -> float:
    """How much more than `aim_watts` is drawn where all that are not paused are at their floors."""
    return sum(_least(giver) for giver in jobs if giver.job.uid not in paused) - aim_watts


def _least(giver: Giver) -> float:
    return max(giver.watts, giver.from_watts) if giver.job.flexibility == "none" else giver.floor_watts


def _throttled(jobs: Sequence[Giver], aim_watts: float) -> Mapping[str, float]:
    """What those that are slowed down are held to, by uid."""
    flexible = sorted((g for g in jobs if g.job.flexibility != "none"), key=lambda g: g.job.priority)
    rigid = sum(_least(giver) for giver in jobs if giver.job.flexibility == "none")
    too_much = rigid + sum(giver.from_watts for giver in flexible) - aim_watts
    limits: dict[str, float] = {}
    for _, group in groupby(flexible, key=lambda g: g.job.priority):
        equals = list(group)
        can_give = sum(giver.from_watts - giver.floor_watts for giver in equals)
        if too_much <= 0 or can_give <= 0:
            continue
        share = min(1.0, too_much / can_give)
        too_much -= share * can_give
        for giver in equals:
            limit = giver.from_watts - share * (giver.from_watts - giver.floor_watts)
            limits[giver.job.uid] = _rounded_down(limit)
    return limits


def _rounded_down(watts: float) -> float:
    """What is a hundredth already stays one, though it may have been computed a little too small."""
    return max(_LEAST_WATTS, floor(watts * 10**WATT_DIGITS + 1e-6) / 10**WATT_DIGITS)
