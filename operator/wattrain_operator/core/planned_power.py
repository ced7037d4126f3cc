"""Watts of a power domain that are spoken for, over time: of jobs that run, and of those that wait for clean hours.

Pure. What is counted are means of slots: within a slot jobs may follow one another.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

SLOT_SECONDS: Final = 900.0
"""Our choice: the shortest step of the series that are published."""
_TOLERANCE_RATIO: Final = 1e-9


class PlannedPower:
    """Watt-seconds of each slot. Times are seconds from any moment, the same for all."""

    def __init__(self, usable_watts: float) -> None:
        self._most = usable_watts * SLOT_SECONDS * (1 + _TOLERANCE_RATIO)
        self._slots: defaultdict[int, float] = defaultdict(float)

    def add(self, begin: float, end: float, watts: float) -> None:
        """So many watts more are spoken for from `begin` to `end`, or less."""
        for slot, seconds in _parts(begin, end):
            self._slots[slot] += watts * seconds

    def has_room(self, begin: float, end: float, watts: float) -> bool:
        """Whether so many watts more can be had all the time from `begin` to `end`."""
        return all(self._slots.get(slot, 0.0) + watts * seconds <= self._most for slot, seconds in _parts(begin, end))


def _parts(begin: float, end: float) -> Iterator[tuple[int, float]]:
    """Each slot that the time from `begin` to `end` touches, and the seconds of it in that slot."""
    slot = int(begin // SLOT_SECONDS)
    while slot * SLOT_SECONDS < end:
        yield slot, min(end, (slot + 1) * SLOT_SECONDS) - max(begin, slot * SLOT_SECONDS)
        slot += 1
