"""Carbon intensity of a grid over time: hours and what a kilowatt-hour emits in them. Pure; read by `carbon_format`.

Average and marginal intensities are different figures: the first counts what was emitted, the second what one
kilowatt-hour more makes. A series is one of them, and nothing here mixes them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Literal, NamedTuple

Basis = Literal["Average", "Marginal"]
Shares = tuple[tuple[float | None, float], ...]
"""Intensities with their shares of a time, which add up to 1; None: the series says nothing of that part."""
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PROFILE_DAYS = 7
"""A series is continued by the mean of the same hour of so many days before its end, as far as it has them."""


class Interval(NamedTuple):
    """A time in which one intensity holds."""

    start: datetime
    end: datetime
    grams_per_kwh: float


@dataclass(frozen=True)
class CarbonSeries:
    """Intensities of one zone, the earliest first. Between two of them there may be a hole, which nothing fills."""

    intervals: tuple[Interval, ...]
    """At least one; in UTC, none overlaps another."""
    zone: str = ""
    """Name of the grid zone; empty: the source does not name it."""
    basis: Basis = "Average"
    source: str = ""
    """Where it is from, for people."""

    @property
    def start(self) -> datetime:
        """The first moment that it knows."""
        return self.intervals[0].start

    @property
    def end(self) -> datetime:
        """The first moment after the last one that it knows."""
        return self.intervals[-1].end

    def at(self, moment: datetime) -> float | None:
        """Grams a kilowatt-hour at `moment` (aware); None: it is not known."""
        index = bisect_right(self._starts, moment) - 1
        return self.intervals[index].grams_per_kwh if index >= 0 and moment < self.intervals[index].end else None

    def mean(self, since: datetime, until: datetime) -> float | None:
        """Mean in g/kWh over a time that is not empty; None where a part of it is not known."""
        grams, known = (late - early for early, late in zip(self._until(since), self._until(until), strict=True))
        seconds = (until - since).total_seconds()
        return grams / seconds if known > seconds - 1e-3 else None

    def shares(self, since: datetime, until: datetime) -> Shares:
        """Each intensity that held from `since` to `until`, with its share of that time.

        Where no time lies between the two it is that at `until`.
        """
        total = (until - since).total_seconds()
        if total <= 0:
            return ((self.at(until), 1.0),)
        found, known = [], 0.0
        for part in self._within(since, until):
            seconds = (part.end - part.start).total_seconds()
            known += seconds
            found.append((part.grams_per_kwh, seconds / total))
        return (*found, *(((None, 1 - known / total),) if known < total - 1e-6 else ()))

    def edges(self, since: datetime, until: datetime) -> tuple[datetime, ...]:
        """The moments from `since` to `until` at which the intensity may change."""
        return tuple(edge for part in self._within(since, until) for edge in (part.start, part.end))

    def continued(self, until: datetime) -> CarbonSeries:
        """The series with hours behind its end, up to `until`, as the same hours of the days before it were.

        Each is the mean of up to seven days; one that no day has ends it.
        """
        added: list[Interval] = []
        end = self.end
        while end < until:
            known = [self.mean(end - n * DAY, end - n * DAY + HOUR) for n in range(1, PROFILE_DAYS + 1)]
            # The first new hours stand behind what is known; later ones look back over them, a whole number of days.
            days = [value for value in known if value is not None]
            if not days and len(added) >= 24:
                days = [added[-24].grams_per_kwh]
            if not days:
                break
            added.append(Interval(end, end + HOUR, sum(days) / len(days)))
            end += HOUR
        return replace(self, intervals=(*self.intervals, *added)) if added else self

    def after(self, older: CarbonSeries | None, keep: timedelta) -> CarbonSeries:
        """This series behind what `older` knows of the time before it, back to `keep` before its start.

        An exporter replaces a forecast by the next one, which has no past.
        """
        if older is None or (older.zone, older.basis) != (self.zone, self.basis):
            return self
        kept = (part._replace(end=min(part.end, self.start)) for part in older.intervals if part.start < self.start)
        past = tuple(part for part in kept if part.end > self.start - keep)
        return replace(self, intervals=(*past, *self.intervals)) if past else self

    @cached_property
    def _starts(self) -> list[datetime]:
        return [part.start for part in self.intervals]

    @cached_property
    def _sums(self) -> tuple[list[float], list[float]]:
        """Before each interval: g/kWh x seconds, and seconds that are known."""
        lengths = [(part.end - part.start).total_seconds() for part in self.intervals]
        weighted = [length * part.grams_per_kwh for length, part in zip(lengths, self.intervals, strict=True)]
        return [*accumulate(weighted, initial=0.0)], [*accumulate(lengths, initial=0.0)]

    def _until(self, moment: datetime) -> tuple[float, float]:
        index = bisect_right(self._starts, moment) - 1
        if index < 0:
            return 0.0, 0.0
        part, (grams, known) = self.intervals[index], self._sums
        inside = (min(moment, part.end) - part.start).total_seconds()
        return grams[index] + inside * part.grams_per_kwh, known[index] + inside

    def _within(self, since: datetime, until: datetime) -> Iterator[Interval]:
        """The intervals that lie between the two, cut to it."""
        for index in range(max(0, bisect_right(self._starts, since) - 1), len(self.intervals)):
            part = self.intervals[index]
            if part.start >= until:
                return
            if part.end > since:
                yield part._replace(start=max(part.start, since), end=min(part.end, until))
