"""What energy costs that was used over a time in which the price changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattrain_api.powerdomain import Tariff, TariffWindow
from wattrain_operator.core.pricing import price_shares

DAY = 0.5
BERLIN = ZoneInfo("Europe/Berlin")


def _tariff(*windows: tuple[str, str, float], zone: str = "Europe/Berlin", days: tuple[str, ...] = ()) -> Tariff:
    kept = {"days": days} if days else {}
    made = tuple(
        TariffWindow.model_validate({"start": start, "end": end, "pricePerKWh": price, **kept})
        for start, end, price in windows
    )
    return Tariff(price_per_kwh=DAY, time_zone=zone, windows=made)


def _berlin(text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).astimezone(UTC)


def _hours(tariff: Tariff, since: datetime, until: datetime) -> dict[float, float]:
    hours = (until - since).total_seconds() / 3600
    return {price: round(share * hours, 9) for price, share in price_shares(tariff, since, until)}


NIGHT = ("22:00", "06:00", 0.1)


def test_a_night_that_nobody_asked_in_is_priced_as_night_and_the_morning_after_it_as_day() -> None:
    assert _hours(_tariff(NIGHT), _berlin("2026-01-14T22:00"), _berlin("2026-01-15T08:00")) == {0.1: 8, DAY: 2}


def test_a_price_without_windows_holds_all_the_time() -> None:
    assert price_shares(_tariff(), _berlin("2026-01-14T22:00"), _berlin("2026-01-16T08:00")) == ((DAY, 1.0),)


def test_of_no_time_at_all_the_price_is_that_of_the_moment() -> None:
    for at, price in (("2026-01-14T21:59", DAY), ("2026-01-14T22:00", 0.1), ("2026-01-15T06:00", DAY)):
        assert price_shares(_tariff(NIGHT), _berlin(at), _berlin(at)) == ((price, 1.0),)
        later = _berlin(at) + timedelta(seconds=30)  # a clock that went back between two looks
        assert price_shares(_tariff(NIGHT), later, _berlin(at)) == ((price, 1.0),)


def test_the_night_of_the_clock_put_forward_is_an_hour_shorter_and_the_one_put_back_an_hour_longer() -> None:
    tariff = _tariff(NIGHT)
    assert _hours(tariff, _berlin("2026-03-28T20:00"), _berlin("2026-03-29T08:00")) == {DAY: 4, 0.1: 7}
    assert _hours(tariff, _berlin("2026-10-24T20:00"), _berlin("2026-10-25T08:00")) == {DAY: 4, 0.1: 9}


def test_an_hour_that_the_clock_shows_twice_has_its_price_twice_and_one_that_it_never_shows_not_at_all() -> None:
    tariff = _tariff(("02:00", "03:00", 0.1))
    assert _hours(tariff, _berlin("2026-10-25T00:00"), _berlin("2026-10-25T12:00")) == {DAY: 11, 0.1: 2}
    assert _hours(tariff, _berlin("2026-03-29T00:00"), _berlin("2026-03-29T12:00")) == {DAY: 11}
    half = _tariff(("02:30", "03:30", 0.1))  # of which only the second half is shown
    assert _hours(half, _berlin("2026-03-29T00:00"), _berlin("2026-03-29T12:00")) == {DAY: 10.5, 0.1: 0.5}


def test_a_window_of_some_days_counts_on_these_days_over_midnight_too() -> None:
    tariff = _tariff(NIGHT, days=("Fri",))  # 16 January 2026 is a Friday
    assert _hours(tariff, _berlin("2026-01-15T12:00"), _berlin("2026-01-19T12:00")) == {DAY: 88, 0.1: 8}


def test_the_first_window_that_covers_a_moment_counts() -> None:
    tariff = _tariff(("12:00", "13:00", 0.2), ("11:00", "14:00", 0.3))
    assert _hours(tariff, _berlin("2026-01-15T10:00"), _berlin("2026-01-15T15:00")) == {DAY: 2, 0.3: 2, 0.2: 1}


def test_a_window_from_midnight_to_midnight_is_a_whole_day() -> None:
    tariff = _tariff(("00:00", "00:00", 0.1), days=("Sat",))
    assert _hours(tariff, _berlin("2026-01-16T12:00"), _berlin("2026-01-19T00:00")) == {DAY: 36, 0.1: 24}


MOMENTS = st.integers(0, 400 * 24 * 3600).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
CLOCKS = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda c: f"{c[0]:02d}:{c[1]:02d}")
WINDOWS = st.lists(st.tuples(CLOCKS, CLOCKS, st.sampled_from([0.1, 0.2, 0.3])), min_size=1, max_size=4)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 4 * 24 * 3600), st.integers(0, 100), WINDOWS, ZONES)
def test_the_price_of_a_time_is_the_sum_of_the_prices_of_its_parts(since, seconds, percent, windows, zone) -> None:
    tariff = _tariff(*windows, zone=zone)
    until = since + timedelta(seconds=seconds)
    between = since + timedelta(seconds=seconds * percent // 100)

    def priced(start: datetime, end: datetime) -> float:
        return sum(price * share for price, share in price_shares(tariff, start, end)) * (end - start).total_seconds()

    assert priced(since, until) == pytest.approx(priced(since, between) + priced(between, until), abs=1e-6)


@settings(deadline=None)
@given(MOMENTS, st.integers(1, 3 * 24 * 60), WINDOWS, ZONES)
def test_the_shares_are_those_of_looking_at_every_minute(since, minutes, windows, zone) -> None:
    tariff, since = _tariff(*windows, zone=zone), since.replace(second=0)
    counted: dict[float, float] = {}
    for minute in range(minutes):
        price = tariff.price_at(since + timedelta(minutes=minute))
        counted[price] = counted.get(price, 0) + 1
    found = dict(price_shares(tariff, since, since + timedelta(minutes=minutes)))
    assert {price: share * minutes for price, share in found.items()} == pytest.approx(counted)
