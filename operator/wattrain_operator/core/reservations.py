"""What is reserved of a domain's power for each job that may run, and how measurement corrects it.

A reservation begins with all that the workers may draw by their limits. Where they are measured to draw less, it is
lowered, slowly: only after LOW_TIMES comparisons in a row, by half of the gap, and never on modelled figures. Where
they draw more it is raised at once, as far as the cap allows. Of a job that has not been heard of for STALE_SECONDS the
full reservation counts again. So the sum of reservations never exceeds the cap, and what is drawn beyond it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import floor
from typing import Final

from wattrain_api.powerdomain import DomainPower, Reservation

COMPARE_SECONDS: Final = 30.0
"""Between two comparisons of what is reserved with what is measured."""
STALE_SECONDS: Final = 60.0
"""A measurement that is older says nothing of now."""
LOW_TIMES: Final = 3
"""So many comparisons in a row must call for less before a reservation is lowered."""
TARGET_RATIO: Final = 1.05
"""What is reserved / what is measured, once it has been corrected: power varies."""
_LEAST_CHANGE_RATIO: Final = 0.02
"""A gap that is a smaller share of the full reservation is left: each change is a write."""
_LOWERED_SHARE: Final = 0.5
_STEP_WATTS: Final = 0.1
_WATT_DIGITS: Final = 1


@dataclass(frozen=True)
class Draw:
    """What a job has been seen to draw."""

    watts: float
    time: datetime
    """When, aware."""
    measured: bool
    """Whether it trains, and more than half of its energy is measured, not modelled."""


def corrected(
    reservations: Sequence[Reservation], draws: Mapping[str, Draw], usable_watts: float, now: datetime
) -> tuple[Reservation, ...]:
    """`reservations` brought up to what jobs draw, by uid. Their sum is never raised above `usable_watts`."""
    lowered = [_lowered(reservation, present(draws.get(reservation.uid), now), now) for reservation in reservations]
    free = max(0.0, usable_watts - sum(reservation.watts for reservation in lowered))
    found = []
    for reservation in lowered:
        more = min(free, max(0.0, claimed(reservation, draws, now) - reservation.watts))
        free -= more
        raised = floor((reservation.watts + more) / _STEP_WATTS) * _STEP_WATTS  # never up: the sum is not to exceed
        is_more = raised > reservation.watts
        found.append(replace(reservation, watts=_rounded(raised)) if is_more else reservation)
    return tuple(found)


def claimed(reservation: Reservation, draws: Mapping[str, Draw], now: datetime) -> float:
    """Watts that have to be counted on: what is reserved, or drawn where that is more, or all of it where nobody
    knows."""
    draw = present(draws.get(reservation.uid), now)
    return max(reservation.watts, reservation.full_watts if draw is None else draw.watts)


def drawn(reservation: Reservation, draws: Mapping[str, Draw], now: datetime) -> float:
    """Watts that the job has been seen to draw; what is reserved where it has not been heard of."""
    draw = present(draws.get(reservation.uid), now)
    return reservation.watts if draw is None else draw.watts


def power_of(
    reservations: Sequence[Reservation], draws: Mapping[str, Draw], usable_watts: float, now: datetime
) -> DomainPower:
    """What a person is told of the power of a domain."""
    reserved = sum(reservation.watts for reservation in reservations)
    seen = sum(drawn(reservation, draws, now) for reservation in reservations)
    counted = sum(claimed(reservation, draws, now) for reservation in reservations)
    return DomainPower(
        _rounded(reserved), _rounded(seen), _rounded(max(0.0, usable_watts - counted)),
        _rounded(max(0.0, seen - usable_watts)),
    )  # fmt: skip


def next_comparison(reservations: Sequence[Reservation], now: datetime) -> float | None:
    """In how many seconds the next comparison is due; None: nothing is reserved."""
    ages = [(now - (r.corrected or r.since)).total_seconds() for r in reservations if r.full_watts]
    left = [COMPARE_SECONDS - age for age in ages if age < COMPARE_SECONDS]
    return min(left, default=COMPARE_SECONDS) if ages else None


def present(draw: Draw | None, now: datetime) -> Draw | None:
    """`draw` where it still says something of now."""
    is_stale = draw is None or (now - draw.time).total_seconds() > STALE_SECONDS
    return None if is_stale else draw


def _lowered(reservation: Reservation, draw: Draw | None, now: datetime) -> Reservation:
    """`reservation` after the comparison that is due, if one is."""
    since = reservation.corrected or reservation.since
    if not reservation.full_watts or (now - since).total_seconds() < COMPARE_SECONDS:
        return reservation
    target = reservation.full_watts if draw is None else draw.watts * TARGET_RATIO
    gap = reservation.watts - target
    if draw is None or not draw.measured or gap < _LEAST_CHANGE_RATIO * reservation.full_watts:
        if not reservation.low_times:
            return reservation
        return replace(reservation, corrected=now, low_times=0, low_watts=0.0)
    low_watts, low_times = max(reservation.low_watts, target), reservation.low_times + 1
    if low_times < LOW_TIMES:
        return replace(reservation, corrected=now, low_times=low_times, low_watts=_rounded(low_watts))
    watts = reservation.watts - _LOWERED_SHARE * (reservation.watts - low_watts)
    return replace(reservation, watts=_rounded(watts), corrected=now, low_times=0, low_watts=0.0)


def _rounded(watts: float) -> float:
    return round(watts, _WATT_DIGITS)
