"""Which numbers of threads are tried, and which of them an objective calls the best."""

from __future__ import annotations

import pytest

from wattrain_api.energy import Energy
from wattrain_api.status import PointStatus
from wattrain_operator.core.point_choice import best_of, points_to_try, weight_of


def point(threads: int, samples_per_second: float, watts: float) -> PointStatus:
    return PointStatus(threads, samples_per_second, watts, watts / samples_per_second, "modelled")


FOUR, TWO, ONE = point(4, 1000.0, 20.0), point(2, 800.0, 10.0), point(1, 400.0, 6.0)
"""0.02, 0.0125 and 0.015 J a sample."""


@pytest.mark.parametrize(
    ("most", "present", "tried"),
    [(1, 1, (1,)), (2, 2, (2, 1)), (6, 6, (6, 4, 2, 1)), (6, 2, (2, 6, 4, 1)), (8, 8, (8, 4, 2, 1))],
)
def test_what_the_job_has_is_tried_first_and_then_powers_of_two_and_the_most(
    most: int, present: int, tried: tuple[int, ...]
) -> None:
    assert points_to_try(most, present) == tried


def test_time_takes_the_fastest_and_energy_the_least_joules_a_sample() -> None:
    assert best_of([FOUR, TWO, ONE], 0.0) == FOUR
    assert best_of([FOUR, TWO, ONE], 1.0) == TWO


def test_a_weight_adds_both_as_shares_of_the_least() -> None:
    """Costs: 4 threads 1 + 0.6 w, 2 threads 1.25 - 0.25 w; they are equal at w = 0.25 / 0.85 = 0.294."""
    assert best_of([FOUR, TWO, ONE], 0.28) == FOUR
    assert best_of([FOUR, TWO, ONE], 0.35) == TWO


def test_what_saves_less_than_two_percent_is_not_worth_a_change() -> None:
    slower, faster = point(4, 981.0, 20.0), point(2, 1000.0, 20.0)
    assert best_of([slower, faster], 0.0) == slower
    assert best_of([point(4, 979.0, 20.0), faster], 0.0) == faster


def test_a_job_without_an_objective_has_no_weight() -> None:
    assert weight_of(Energy()) is None
    assert [weight_of(Energy(objective=each)) for each in ("time", "energy")] == [0.0, 1.0]
    assert weight_of(Energy(objective="weighted", energy_weight=0.3)) == 0.3


@pytest.mark.parametrize(
    "fields", [{"objective": "weighted"}, {"energyWeight": 0.3}, {"objective": "time", "energyWeight": 0}]
)
def test_a_weight_and_a_weighted_objective_are_given_together(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="belong together; give both, or neither"):
        Energy.model_validate(fields)
