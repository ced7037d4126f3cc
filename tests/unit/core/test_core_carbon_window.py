"""When a job runs by a series of carbon intensity: never later than its deadline allows, never worse than at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattrain_api.carbon_series import HOUR, CarbonSeries, Interval
from wattrain_operator.core.carbon_window import SHORTEST_RUN, best_start, cleanest_hours

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PARTS = st.lists(st.tuples(st.integers(5, 240), st.integers(0, 900)), min_size=1, max_size=24)


def series_of(parts: list[tuple[int, int]]) -> CarbonSeries:
    """Intensities with the minutes that each holds."""
    intervals, at = [], NOON
    for minutes, grams in parts:
        intervals.append(Interval(at, at + minutes * MINUTE, float(grams)))
        at = intervals[-1].end
    return CarbonSeries(tuple(intervals))


def hourly(*grams: int) -> CarbonSeries:
    return series_of([(60, each) for each in grams])


def test_the_window_with_the_lowest_mean_is_chosen_and_of_equals_the_earliest() -> None:
    start = best_start(hourly(500, 300, 100, 100, 400, 100, 100), NOON, 2 * HOUR, NOON + 7 * HOUR)
    assert start is not None
    assert (start.time, start.grams_per_kwh, start.now_grams_per_kwh) == (NOON + 2 * HOUR, 100, 400)
    assert start.saving_ratio == 0.75


def test_the_deadline_wins_over_a_cleaner_window_behind_it() -> None:
    start = best_start(hourly(500, 400, 300, 0), NOON, HOUR, NOON + 3 * HOUR)
    assert start is not None
    assert start.time == NOON + 2 * HOUR
    assert best_start(hourly(500, 0), NOON, 2 * HOUR, NOON + 2 * HOUR) is None  # no time to wait


def test_what_the_series_does_not_know_is_never_chosen() -> None:
    holed = CarbonSeries((Interval(NOON, NOON + HOUR, 500.0), Interval(NOON + 2 * HOUR, NOON + 4 * HOUR, 300.0)))
    start = best_start(holed, NOON, HOUR, NOON + 9 * HOUR)
    assert start is not None
    assert start.time == NOON + 2 * HOUR
    assert best_start(holed, NOON, 2 * HOUR, NOON + 9 * HOUR) is None  # a start now cannot be compared
    assert cleanest_hours(holed, NOON, HOUR, NOON + 4 * HOUR) is None


@settings(max_examples=60, deadline=None)
@given(PARTS, st.integers(0, 600), st.integers(1, 900), st.integers(1, 2000))
def test_a_window_meets_its_deadline_and_no_minute_has_a_better_one(
    parts: list[tuple[int, int]], wait: int, duration: int, until: int
) -> None:
    series, now = series_of(parts), NOON + wait * MINUTE
    length, deadline = duration * MINUTE, now + until * MINUTE
    start = best_start(series, now, length, deadline)
    at_once = series.mean(now, now + length)
    if start is None:
        assert until <= duration or at_once is None
        return
    assert now <= start.time <= deadline - length
    means = (series.mean(now + n * MINUTE, now + n * MINUTE + length) for n in range(until - duration + 1))
    assert start.grams_per_kwh <= min(mean for mean in means if mean is not None) + 1e-6
    assert start.now_grams_per_kwh == at_once


@settings(max_examples=40, deadline=None)
@given(PARTS, st.integers(30, 900), st.integers(1, 2000))
def test_hours_add_up_meet_the_deadline_and_are_never_worse_than_at_once(
    parts: list[tuple[int, int]], duration: int, until: int
) -> None:
    series, length, deadline = series_of(parts), duration * MINUTE, NOON + until * MINUTE
    hours = cleanest_hours(series, NOON, length, deadline)
    if hours is None:
        return
    assert sum((end - start for start, end in hours.runs), timedelta()) == length
    assert hours.runs[0][0] >= NOON
    assert hours.runs[-1][1] <= deadline
    assert all(end - start >= SHORTEST_RUN for start, end in hours.runs[:-1])
    assert all(late[0] - early[1] >= SHORTEST_RUN for early, late in pairwise(hours.runs))
    assert hours.grams_per_kwh <= hours.now_grams_per_kwh


@pytest.mark.parametrize("grams", [(9, 1, 8, 2, 7, 3), (1, 9, 9, 1, 5, 1), (5, 5, 5, 5, 5, 5)])
def test_the_hours_are_the_best_of_all_sets_of_whole_hours(grams: tuple[int, ...]) -> None:
    hours = cleanest_hours(hourly(*grams), NOON, 3 * HOUR, NOON + 6 * HOUR)
    assert hours is not None
    assert hours.grams_per_kwh <= min(sum(chosen) for chosen in combinations(grams, 3)) / 3 + 1e-9
