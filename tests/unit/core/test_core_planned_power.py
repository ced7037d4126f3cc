"""Watts that are spoken for over time, and the choice of a start that has room."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wattrain_api.carbon_format import read_series
from wattrain_operator.core.carbon_window import best_start
from wattrain_operator.core.planned_power import PlannedPower

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRAMS = enumerate((500, 100, 200, 500))
LINES = [f"2026-01-01T0{hour}:00Z,{grams}" for hour, grams in GRAMS]
SERIES = read_series("\n".join(["time,gramsPerKWh", *LINES]).encode(), "", "Average", "made")


@pytest.mark.parametrize(
    ("begin", "end", "watts", "has_room"),
    [
        (0, 900, 40, True),
        (0, 900, 41, False),
        (0, 900.1, 41, False),
        (1800, 3600, 100, True),
        (1799, 3600, 100, True),  # of that slot the others leave a second, and more
        (1000, 1600, 60, True),  # one after the other within a slot
        (0, 900, 0, True),
    ],
)
def test_there_is_room_where_no_slot_is_over_the_limit(begin: float, end: float, watts: float, has_room: bool) -> None:
    planned = PlannedPower(100.0)
    planned.add(0, 1350, 60.0)
    assert planned.has_room(begin, end, watts) is has_room


def test_what_is_taken_back_is_free_again() -> None:
    planned = PlannedPower(100.0)
    planned.add(100, 5000, 0.1 + 0.2)
    planned.add(100, 5000, 99.7)
    assert not planned.has_room(1000, 1100, 1)
    planned.add(100, 5000, -99.7)
    planned.add(100, 5000, -(0.1 + 0.2))
    assert planned.has_room(0, 6000, 100.0)


def test_of_the_starts_that_have_room_the_cleanest_is_chosen_and_now_needs_none() -> None:
    def chosen(*taken: int) -> datetime | None:
        start = best_start(SERIES, NOW, HOUR, NOW + 4 * HOUR, lambda at: at not in {NOW + n * HOUR for n in taken})
        return None if start is None else start.time

    assert chosen() == NOW + HOUR
    assert chosen(1) == NOW + HOUR + timedelta(minutes=15)
    everything = best_start(SERIES, NOW, HOUR, NOW + 4 * HOUR, lambda _: False)
    assert everything is not None
    assert (everything.time, everything.saving_ratio) == (NOW, 0.0)
