"""What is reserved for a job follows what it is measured to draw: upwards at once, downwards slowly."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from wattrain_api.powerdomain import Reservation
from wattrain_operator.core.reservations import (
    COMPARE_SECONDS,
    LOW_TIMES,
    STALE_SECONDS,
    Draw,
    claimed,
    corrected,
    next_comparison,
    power_of,
)
from wattrain_operator.simulated.objects import moment


def reserved(name: str = "a", watts: float = 100.0, full: float = 100.0) -> Reservation:
    return Reservation("team", name, name, 1, moment(0), watts, full)


def draw(watts: float, at: float, *, measured: bool = True) -> Draw:
    return Draw(watts, moment(at), measured)


def after_comparisons(times: int, watts: float, *, usable: float = 200.0, measured: bool = True) -> Reservation:
    held = reserved()
    for time in range(1, times + 1):
        at = time * COMPARE_SECONDS
        [held] = corrected([held], {"a": draw(watts, at, measured=measured)}, usable, moment(at))
    return held


def test_it_is_lowered_by_half_of_the_gap_after_enough_comparisons() -> None:
    assert after_comparisons(LOW_TIMES - 1, 40.0).watts == 100.0
    assert after_comparisons(LOW_TIMES, 40.0).watts == 71.0  # half of the way to 1.05 x 40
    assert after_comparisons(2 * LOW_TIMES, 40.0).watts == 56.5
    assert 42.0 <= after_comparisons(40 * LOW_TIMES, 40.0).watts <= 42.0 + 0.02 * 100


def test_a_comparison_that_calls_for_more_starts_the_count_anew() -> None:
    held = after_comparisons(LOW_TIMES - 1, 40.0)
    [held] = corrected([held], {"a": draw(100.0, 90)}, 200.0, moment(90))
    assert (held.watts, held.low_times) == (100.0, 0)


def test_modelled_figures_lower_nothing() -> None:
    assert after_comparisons(10, 40.0, measured=False).watts == 100.0


def test_it_is_raised_at_once_as_far_as_the_cap_allows() -> None:
    held = [reserved(watts=50.0), reserved("b")]
    raised = corrected(held, {"a": draw(90.0, 1), "b": draw(10.0, 1)}, 170.0, moment(1))
    assert [r.watts for r in raised] == [70.0, 100.0]
    told = power_of(raised, {"a": draw(90.0, 1), "b": draw(100.0, 1)}, 170.0, moment(1))
    assert (told.reserved_watts, told.drawn_watts, told.free_watts, told.exceeded_watts) == (170.0, 190.0, 0.0, 20.0)


def test_of_a_job_that_is_silent_all_counts_again() -> None:
    held, old = [reserved(watts=50.0)], {"a": draw(45.0, 0)}
    assert claimed(held[0], old, moment(STALE_SECONDS)) == 50.0
    assert claimed(held[0], old, moment(STALE_SECONDS + 1)) == 100.0
    [raised] = corrected(held, old, 80.0, moment(STALE_SECONDS + 1))
    assert raised.watts == 80.0


def test_time_alone_makes_the_next_comparison_due() -> None:
    assert next_comparison([reserved()], moment(10)) == COMPARE_SECONDS - 10
    assert next_comparison([reserved()], moment(1000)) == COMPARE_SECONDS
    assert next_comparison([], moment(10)) is None
    assert next_comparison([reserved(full=0.0)], moment(10)) is None


SAMPLES = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 400), st.integers(0, 90), st.booleans(), st.integers(0, 40)),
    max_size=40,
)


@given(SAMPLES, st.floats(100, 400))
def test_however_wrong_late_or_lost_samples_are_the_sum_never_exceeds_the_cap(
    samples: list[tuple[str, float, int, bool, int]], usable: float
) -> None:
    held: tuple[Reservation, ...] = tuple(reserved(name, 30.0, 100.0) for name in "abc")
    draws: dict[str, Draw] = {}
    seconds = 0
    for name, watts, age, measured, passed in samples:
        seconds += passed
        draws[name] = draw(watts, seconds - age, measured=measured)
        now = moment(seconds) + timedelta(milliseconds=1)
        held = corrected(held, draws, usable, now)
        assert sum(r.watts for r in held) <= usable
        assert all(r.watts <= max(100.0, 400.0) for r in held)
        counted = sum(claimed(r, draws, now) for r in held)
        told = power_of(held, draws, usable, now)
        assert told.free_watts <= max(0.0, usable - counted) + 0.1
