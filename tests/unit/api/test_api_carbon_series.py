"""Series of carbon intensity: what is read, what is refused and how, and sums over time. All figures are made by us."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattrain_api.carbon_format import read_series, write_csv
from wattrain_api.carbon_series import HOUR, CarbonSeries, Interval
from wattrain_api.carbon_sources import Publisher, convert

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
CSV = "# zone: MADE-UP\n# source: made by us\ntime,gramsPerKWh\n"


def read(text: str, **named: Any) -> CarbonSeries:
    return read_series(text.encode(), **{"zone": "", "basis": "Average", "source": "a file", **named})


def hourly(*grams: float, start: datetime = NOON) -> CarbonSeries:
    return CarbonSeries(tuple(Interval(start + n * HOUR, start + (n + 1) * HOUR, g) for n, g in enumerate(grams)))


def test_a_csv_is_read_with_its_zone_and_source_and_each_intensity_holds_until_the_next() -> None:
    series = read(CSV + "2026-12-01T12:00:00Z,400\n2026-12-01T15:00:00+02:00,200\n2026-12-01T14:00:00Z,100\n")
    assert (series.zone, series.basis, series.source) == ("MADE-UP", "Average", "made by us")
    assert [series.at(NOON + minutes * HOUR / 60) for minutes in (-1, 0, 59, 60, 179, 180)] == [
        None, 400, 400, 200, 100, None
    ]  # fmt: skip
    assert read(write_csv(series)) == series


def test_what_is_missing_from_a_csv_is_a_hole_and_not_the_last_intensity_for_days() -> None:
    series = read(CSV + "2026-12-01T12:00:00Z,400\n2026-12-02T12:00:00Z,200\n")
    assert (series.at(NOON + 2.9 * HOUR), series.at(NOON + 3 * HOUR)) == (400, None)
    assert series.mean(NOON, NOON + 24 * HOUR) is None
    assert series.shares(NOON, NOON + 4 * HOUR) == ((400, 0.75), (None, 0.25))


def test_the_configmap_of_the_exporter_is_read_in_both_spellings_with_zeros_that_it_left_out() -> None:
    entries = [
        {"location": "MADE-UP", "timestamp": "2026-12-01T12:00:00Z", "duration": 5, "value": 550.5},
        {"location": "MADE-UP", "timestamp": "2026-12-01T12:05:00Z", "duration": 5},
        {"location": "MADE-UP", "time": "2026-12-01T12:10:00Z", "duration": "00:05:00", "rating": 100},
    ]
    series = read(json.dumps(entries), zone="MADE-UP", basis="Average")
    assert [part.grams_per_kwh for part in series.intervals] == [550.5, 0, 100]
    assert series.end == NOON + HOUR / 4


BASE = {"location": "A", "timestamp": "2026-12-01T12:00:00Z", "duration": 5, "value": 1}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("time,gramsPerKwh\n", "line 1: the header must be time,gramsPerKWh"),
        (CSV, "there is no intensity"),
        (CSV + "2026-12-01T12:00:00,4\n", "line 4: '2026-12-01T12:00:00' is no time with its zone"),
        (CSV + "2026-12-01T12:00:00Z,much\n", "line 4: 'much' is no number"),
        (CSV + "2026-12-01T12:00:00Z,nan\n", "line 4: nan g/kWh is not between 0 and 5000"),
        (CSV + "2026-12-01T12:00:00Z,-1\n", "line 4: -1 g/kWh is not between"),
        (CSV + "2026-12-01T12:00:00Z,1,2\n", "line 4: has 3 fields"),
        (CSV + "2026-12-01T12:00:00Z,1\n\n2026-12-01T12:00:00Z,1\n", "line 6: 2026-12-01T12:00:00Z is not after"),
        ("# basis: marginal\n" + CSV + "2026-12-01T12:00:00Z,1\n", "write carbon.basis: Marginal"),
        ("# basis: both\n" + CSV, "must be average or marginal"),
        ("[]", "the list is empty"),
        ("[1]", "entry 1 is no object"),
        (json.dumps([BASE, {**BASE, "location": "B"}]), "several locations (A, B)"),
        (json.dumps([{**BASE, "duration": 0}]), "entry 1: duration 0 is no number of minutes"),
        (json.dumps([{**BASE, "worth": 3}]), "entry 1: worth is unknown"),
        (json.dumps([BASE, {**BASE, "timestamp": "2026-12-01T11:00:00Z"}]), "entry 2: its time is before"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_a_remedy(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as refused:
        read(text)
    assert sentence in str(refused.value)


def test_a_series_of_another_zone_and_one_that_is_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="of zone MADE-UP, not DE; write"):
        read(CSV + "2026-12-01T12:00:00Z,1\n", zone="DE")
    with pytest.raises(ValueError, match="line 2: not UTF-8"):
        read_series(b"time,gramsPerKWh\n\xff", "", "Average", "")


ELECTRICITY_MAPS = (  # an excerpt in their format, made by us
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),Data source\n"
    "2025-01-01 00:00:00,Made up,Made up,MADE-UP,90.1,120.5,70,us\n"
    "2025-01-01 01:00:00,Made up,Made up,MADE-UP,,,70,us\n"
    "2025-01-01 02:00:00,Made up,Made up,MADE-UP,80.1,100,70,us\n"
)
WATTTIME = "timestamp,MOER,MOER version,frequency\n2025-01-01T00:00:00+00:00,1000,3.2,300\n"  # made by us too


def test_files_of_electricity_maps_and_watttime_become_ours_with_their_basis_and_unit() -> None:
    series = convert(ELECTRICITY_MAPS, "electricity-maps")
    assert [(p.start.hour, p.grams_per_kwh) for p in series.intervals] == [(0, 120.5), (2, 100)]
    assert (series.zone, series.basis) == ("MADE-UP", "Average")
    assert "# basis: average\n" in write_csv(series)
    for text in (WATTTIME, "point_time,value\n2025-01-01T00:00:00Z,1000\n"):
        marginal = convert(text, "watttime", "CAISO_NORTH")
        assert marginal.intervals[0].grams_per_kwh == pytest.approx(453.59237)
        assert "# basis: marginal\n" in write_csv(marginal)


@pytest.mark.parametrize(("text", "publisher"), [(WATTTIME, "electricity-maps"), (ELECTRICITY_MAPS, "watttime")])
def test_a_file_of_the_other_publisher_is_refused_with_the_columns_that_are_missing(
    text: str, publisher: Publisher
) -> None:
    with pytest.raises(ValueError, match="line 1: a file of"):
        convert(text, publisher)


def test_a_series_goes_on_as_the_same_hours_of_the_days_before_and_not_where_there_are_none() -> None:
    days = [[float(hour + 100 * day) for hour in range(24)] for day in range(3)]
    series = hourly(*(grams for day in days for grams in day))
    longer = series.continued(series.end + 30 * HOUR)
    assert longer.end == series.end + 30 * HOUR
    assert longer.at(series.end + 5 * HOUR) == 105  # the mean of 5, 105 and 205
    assert hourly(1, 2).continued(NOON + 9 * HOUR) == hourly(1, 2)


def test_a_new_forecast_keeps_what_the_old_one_knew_of_the_past() -> None:
    old, new = hourly(1, 2, 3, 4), hourly(30, 40, start=NOON + 2 * HOUR)
    assert [p.grams_per_kwh for p in new.after(old, 24 * HOUR).intervals] == [1, 2, 30, 40]
    assert [p.grams_per_kwh for p in new.after(old, HOUR / 2).intervals] == [2, 30, 40]
    other = CarbonSeries(old.intervals, "another zone")
    assert new.after(other, 24 * HOUR) == new


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(0, 60), st.integers(0, 900)), min_size=1, max_size=20),
    st.lists(st.integers(-50, 600), min_size=2, max_size=4, unique=True),
)
def test_shares_are_those_of_a_walk_minute_by_minute(parts: list[tuple[int, int, int]], cuts: list[int]) -> None:
    intervals, at = [], NOON
    for length, hole, grams in parts:
        intervals.append(Interval(at, at + timedelta(minutes=length), float(grams)))
        at += timedelta(minutes=length + hole)
    series = CarbonSeries(tuple(intervals))
    for early, late in pairwise(sorted(cuts)):
        since, until = NOON + timedelta(minutes=early), NOON + timedelta(minutes=late)
        minutes = [series.at(NOON + timedelta(minutes=minute)) for minute in range(early, late)]
        known = [grams for grams in minutes if grams is not None]
        mean = series.mean(since, until)
        assert mean == (pytest.approx(sum(known) / len(known)) if len(known) == len(minutes) else None)
        shares = series.shares(since, until)
        assert sum(share for _, share in shares) == pytest.approx(1)
        assert sum(share for grams, share in shares if grams is None) == pytest.approx(1 - len(known) / len(minutes))
        assert sum((grams or 0) * share for grams, share in shares) == pytest.approx(sum(known) / len(minutes))
