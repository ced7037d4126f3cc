"""When to run by a series of carbon intensity: the best start of one stretch, or the cleanest hours. Pure.

The deadline always wins: of what is not known, or leaves no time to wait, nothing is chosen but now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from wattrain_api.carbon_series import CarbonSeries

SHORTEST_RUN = timedelta(hours=1)
"""Between two pauses a job runs at least so long, and pauses at least as long: starting again costs time and energy."""
_SLOTS = 192
_SHORTEST_SLOT = timedelta(minutes=15)
_MEAN_DIGITS = 6
_SAME = 1e-9
"""Means that differ by less, as a share, are the same: the earlier start counts."""


class Start(NamedTuple):
    """A start for one stretch, beside a start now."""

    time: datetime
    grams_per_kwh: float
    """Mean by the series from it on."""
    now_grams_per_kwh: float
    """The same of a start now."""

    @property
    def saving_ratio(self) -> float:
        """Share of the grams of a start now that it saves, 0 or more."""
        return 1 - self.grams_per_kwh / self.now_grams_per_kwh if self.now_grams_per_kwh else 0.0


class Hours(NamedTuple):
    """Times to run, the earliest first, beside a run that starts now and is not paused."""

    runs: tuple[tuple[datetime, datetime], ...]
    grams_per_kwh: float
    now_grams_per_kwh: float


def best_start(
    series: CarbonSeries,
    now: datetime,
    duration: timedelta,
    deadline: datetime,
    has_room: Callable[[datetime], bool] | None = None,
) -> Start | None:
    """The start of the stretch of `duration` with the lowest mean that ends by `deadline`; of equals the earliest.

    None: there is no time to wait, or the series does not know a run that starts now. The mean over a stretch is
    linear in its start as long as neither end passes an edge of the series, so only these starts can be the best.
    With `has_room` only starts other than now for which it is true; then each quarter of an hour is looked at as well.
    """
    latest = deadline - duration
    at_once = series.mean(now, now + duration)
    if latest <= now or at_once is None:
        return None
    edges = series.edges(now, deadline)
    starts = {latest, *edges, *(edge - duration for edge in edges)}
    if has_room is not None:
        starts |= {now + n * _SHORTEST_SLOT for n in range(1, (latest - now) // _SHORTEST_SLOT + 1)}
    known = ((series.mean(start, start + duration), start) for start in starts if now < start <= latest)
    better = ((mean, start) for mean, start in known if mean is not None and mean < at_once * (1 - _SAME))
    for mean, start in sorted(better, key=lambda each: (round(each[0], _MEAN_DIGITS), each[1])):
        if has_room is None or has_room(start):
            return Start(start, mean, at_once)
    return Start(now, at_once, at_once)


def cleanest_hours(
    series: CarbonSeries, now: datetime, duration: timedelta, deadline: datetime, *, runs: bool = False
) -> Hours | None:
    """The times with the lowest mean that add up to `duration` and end by `deadline`.

    Runs and the pauses between them last at least SHORTEST_RUN, the last run less where less is left; where the job
    `runs` already, and has for so long, the first one too. Never worse by the series than one stretch from now on. None
    as for best_start(), or where the series has a hole before it.
    """
    at_once = series.mean(now, now + duration)
    if deadline - duration <= now or at_once is None:
        return None
    slot = max(_SHORTEST_SLOT, (deadline - now) / _SLOTS)
    count, wanted = int((deadline - now) / slot), -int(-duration // slot)
    means = [series.mean(now + n * slot, now + (n + 1) * slot) for n in range(count)]
    costs = [mean for mean in means if mean is not None]
    if len(costs) < count or wanted > count:
        return None
    shortest = max(1, -int(-SHORTEST_RUN // slot))
    times = _cut(_chosen(costs, wanted, shortest, runs=runs), now, slot, duration)
    spent = sum((series.mean(start, end) or 0.0) * (end - start).total_seconds() for start, end in times)
    mean = spent / duration.total_seconds()
    if mean >= at_once:
        return Hours(((now, now + duration),), at_once, at_once)
    return Hours(times, mean, at_once)


def first_run(
    series: CarbonSeries, now: datetime, duration: timedelta, deadline: datetime, *, runs: bool = False
) -> Start | None:
    """When the cleanest hours begin, in whole seconds, beside a start now without a pause; None as cleanest_hours()."""
    hours = cleanest_hours(series, now, duration, deadline, runs=runs)
    if hours is None:
        return None
    return Start(hours.runs[0][0].replace(microsecond=0), hours.grams_per_kwh, hours.now_grams_per_kwh)


def _chosen(costs: Sequence[float], wanted: int, shortest: int, *, runs: bool) -> list[bool]:
    """Which slots to run in: `wanted` of them with the least sum, in runs and pauses of at least `shortest` slots.

    Walks the slots backwards; best[k][s] is the least cost of k more slots from here on, where s > 0 says for how many
    slots it has run (up to `shortest`), and s < 0 for how many it has paused.
    """
    never = float("inf")
    states = [*range(-shortest, 0), *range(1, shortest + 1)]
    best = {(0, state): 0.0 for state in states}
    chosen: list[dict[tuple[int, int], bool]] = []
    for index in range(len(costs) - 1, -1, -1):
        here: dict[tuple[int, int], float] = {(0, state): 0.0 for state in states}
        runs_here: dict[tuple[int, int], bool] = {}
        for left in range(1, min(wanted, len(costs) - index) + 1):
            for state in states:
                run = pause = never
                if state > 0 or state == -shortest:
                    run = costs[index] + best.get((left - 1, min(shortest, max(0, state) + 1)), never)
                if state < 0 or state == shortest:
                    pause = best.get((left, max(-shortest, min(0, state) - 1)), never)
                here[left, state], runs_here[left, state] = min(run, pause), run <= pause
        best = here
        chosen.append(runs_here)
    slots, left, state = [False] * len(costs), wanted, shortest if runs else -shortest
    for index in range(len(costs)):
        if left and chosen[len(costs) - 1 - index][left, state]:
            slots[index], left, state = True, left - 1, min(shortest, max(0, state) + 1)
        else:
            state = max(-shortest, min(0, state) - 1)
    return slots


def _cut(
    slots: Sequence[bool], now: datetime, slot: timedelta, duration: timedelta
) -> tuple[tuple[datetime, datetime], ...]:
    """Runs of `slots`, the last one cut so that they add up to `duration`."""
    runs: list[tuple[datetime, datetime]] = []
    edges = [n for n, (before, after) in enumerate(pairwise([False, *slots, False])) if before != after]
    left = duration
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        length = min(left, (last - first) * slot)
        if length > timedelta():
            runs.append((now + first * slot, now + first * slot + length))
        left -= length
    return tuple(runs)
