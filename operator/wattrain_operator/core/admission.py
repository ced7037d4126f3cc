"""Who is admitted next, where jobs share places and watts: the heart of `plan_fleet`, and of `wattrain simulate`.

The queue is in order; its head goes first. Where the head has to wait, the moment at which it will fit follows from
when those that run are expected to end. A job behind it may go before it (backfill) only if that cannot move this
moment: it ends before, or what it takes is spare even then. Where that moment is not known, nobody overtakes the head.
Source of the rule: EASY backfilling; D. Lifka, The ANL/IBM SP Scheduling System, 1995.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from math import inf
from typing import Final, NamedTuple

BACKFILL_DEPTH: Final = 64
"""Jobs behind the head that are looked at. Our choice: a queue of thousands must not make a pass slow."""
_TOLERANCE_WATTS: Final = 1e-6
"""Sums of floating-point numbers differ by the order in which they are made."""


class Room(NamedTuple):
    """What is free; inf where there is no limit."""

    places: float
    watts: float

    def fits(self, watts: float) -> bool:
        """Whether one more job of so many watts has room."""
        return self.places >= 1 and watts <= self.watts + _TOLERANCE_WATTS

    def without(self, watts: float) -> Room:
        """The room beside one more job of so many watts."""
        return Room(self.places - 1, self.watts - watts)

    def plus(self, watts: float) -> Room:
        """The room once a job of so many watts has ended."""
        return Room(self.places + 1, self.watts + watts)


class Request(NamedTuple):
    """A job that waits."""

    watts: float
    """What it will be reserved."""
    longest_seconds: float = inf
    """It will have ended so long after it was admitted; inf: nobody knows."""


class Holding(NamedTuple):
    """A job that runs."""

    watts: float
    """What is reserved for it."""
    ends_in_seconds: float = inf
    """When what is reserved will be free, at the latest that is to be expected; inf: nobody knows."""


def admit(queue: Iterable[Request], holdings: Iterable[Holding], room: Room) -> list[int]:
    """Who of `queue`, which is in order, goes now: their indices. Each of them must fit into an empty domain.

    `holdings` are looked at only where the head has to wait. Times may count from any moment, if all count from it.
    """
    waiting = iter(enumerate(queue))
    admitted: list[int] = []
    begun: list[Holding] = []
    for index, head in waiting:
        if room.fits(head.watts):
            admitted.append(index)
            room = room.without(head.watts)
            begun.append(Holding(head.watts, head.longest_seconds))
            continue
        fits_in_seconds, spare = _when_it_fits(head, [*holdings, *begun], room)
        if fits_in_seconds < inf:
            admitted += _backfilled(waiting, room, fits_in_seconds, spare)
        break
    return admitted


def expected_starts(queue: Iterable[Request], holdings: Sequence[Holding], room: Room) -> list[float]:
    """In how many seconds each of `queue` fits, one after the other; inf: nobody knows. A job may go sooner, by
    overtaking the head."""
    ends = [(holding.ends_in_seconds, holding.watts) for holding in holdings]
    heapify(ends)
    now, starts = 0.0, []
    for request in queue:
        while now < inf and not room.fits(request.watts):
            now, watts = heappop(ends) if ends else (inf, 0.0)
            room = room.plus(watts)
        starts.append(now)
        room = room.without(request.watts)
        heappush(ends, (now + request.longest_seconds, request.watts))
    return starts


def _when_it_fits(head: Request, running: list[Holding], room: Room) -> tuple[float, Room]:
    """In how many seconds `head` fits, and what is spare beside it then."""
    for holding in sorted(running, key=lambda h: h.ends_in_seconds):
        room = room.plus(holding.watts)
        if room.fits(head.watts):
            return holding.ends_in_seconds, room.without(head.watts)
    return inf, room


def _backfilled(
    behind: Iterable[tuple[int, Request]], room: Room, fits_in_seconds: float, spare: Room
) -> Iterable[int]:
    """Indices of those behind the head who may go before it."""
    for index, request in islice(behind, BACKFILL_DEPTH):
        if room.places < 1:
            return
        if not room.fits(request.watts):
            continue
        if request.longest_seconds <= fits_in_seconds:
            room = room.without(request.watts)
        elif spare.fits(request.watts):
            room, spare = room.without(request.watts), spare.without(request.watts)
        else:
            continue
        yield index
