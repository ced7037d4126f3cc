"""What energy costs that was used from one moment to another: a tariff's prices with the shares of that time. Pure.

A price holds for whole minutes, so it can change only at the start and the end of a window, and where a clock is put
forward or back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from math import ceil
from zoneinfo import ZoneInfo

from wattrain_api.powerdomain import Tariff

MINUTE = timedelta(minutes=1)
LONGEST = timedelta(days=366)
"""Of a longer time only the last part is looked at."""
Shares = tuple[tuple[float, float], ...]


def price_shares(tariff: Tariff, since: datetime, until: datetime) -> Shares:
    """Each price that held from `since` to `until` (both aware), with its share of that time; the shares add up to 1.

    Where no time lies between the two it is the price at `until`.
    """
    since = max(since, until - LONGEST)
    if until <= since or not tariff.windows:
        return ((tariff.price_at(until), 1.0),)
    seconds: dict[float, float] = {}
    moments = [since, *_changes(tariff, since, until), until]
    for start, end in pairwise(moments):
        price = tariff.price_at(start)
        seconds[price] = seconds.get(price, 0.0) + (end - start).total_seconds()
    total = (until - since).total_seconds()
    return tuple((price, spent / total) for price, spent in seconds.items())


def _changes(tariff: Tariff, since: datetime, until: datetime) -> list[datetime]:
    """The moments between `since` and `until` at which the price may change, the earliest first."""
    zone = ZoneInfo(tariff.time_zone)
    clocks = {time.fromisoformat(clock) for window in tariff.windows for clock in (window.start, window.end)}
    found = {moment for moment in _at_clocks(clocks, zone, since, until) if since < moment < until}
    moments = [since, *sorted(found), until]
    shifts = (_shift(zone, start, end) for start, end in pairwise(moments))
    return sorted(found | {shift for shift in shifts if shift is not None and since < shift < until})


def _at_clocks(clocks: set[time], zone: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """When clocks in `zone` show one of `clocks`, twice where they are put back; and each midnight, so that no two
    moments are further apart than a day."""
    day, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last:
        for clock in {*clocks, time()}:
            local = datetime.combine(day, clock, zone)
            yield local.astimezone(UTC)
            yield local.replace(fold=1).astimezone(UTC)
        day += timedelta(days=1)


def _shift(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """When clocks in `zone` are put forward or back between the two, to the minute; None: they are not."""
    offset = start.astimezone(zone).utcoffset()
    if end.astimezone(zone).utcoffset() == offset:
        return None
    first = start.replace(second=0, microsecond=0)
    low, high = 0, ceil((end - first) / MINUTE)  # minutes from `first` on: not yet put, already put
    while high - low > 1:
        middle = (low + high) // 2
        if (first + middle * MINUTE).astimezone(zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return first + high * MINUTE
