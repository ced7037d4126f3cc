"""The duty of a group settles where it draws what it is to draw, whatever its power depends on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wattrain_operator.core.duty_control import LEAST_DUTY_RATIO, TOLERANCE_RATIO, first_duty, next_duty

Plant = Callable[[float], float]
"""Watts that a group draws with a duty."""
MOST_WATTS = 100.0


def line(idle_watts: float) -> Plant:
    return lambda duty: idle_watts + (MOST_WATTS - idle_watts) * duty


PLANTS: dict[str, Plant] = {
    "without idling": line(0.0),
    "as the model of a CPU has it": line(21.0),
    "which idles with half": line(50.0),
    "of a GPU, which draws more at once": lambda duty: 12.0 + 88.0 * duty**0.5,
    "which rises late": lambda duty: 10.0 + 90.0 * duty**1.3,
    "that cannot use what its limits allow": lambda duty: 0.6 * (21.0 + 79.0 * duty),
}


def corrections(plant: Plant, target_watts: float, idle_watts: float) -> list[float]:
    """The duties that follow from what `plant` draws, beginning with the estimate, until they stay."""
    duties = [first_duty(target_watts, idle_watts, MOST_WATTS)]
    while len(duties) < 30:
        duty = next_duty(duties[-1], plant(duties[-1]), target_watts, idle_watts)
        if duty == duties[-1]:
            return duties
        duties.append(duty)
    raise AssertionError(f"it does not settle: {duties}")


@pytest.mark.parametrize("plant", PLANTS)
@pytest.mark.parametrize("idle_watts", [0.0, 21.0, 50.0])
@pytest.mark.parametrize("target_watts", [55.0, 60.0, 85.0])
def test_a_few_corrections_reach_the_target_however_wrong_the_estimate_of_idling_is(
    plant: str, idle_watts: float, target_watts: float
) -> None:
    duties = corrections(PLANTS[plant], target_watts, idle_watts)
    watts = PLANTS[plant](duties[-1])
    most = PLANTS[plant](1.0)
    assert watts == pytest.approx(min(target_watts, most), rel=TOLERANCE_RATIO)
    assert len(duties) <= (14 if plant == "which idles with half" else 7)


def test_the_model_of_a_cpu_is_met_by_the_first_estimate() -> None:
    assert len(corrections(line(21.0), 60.0, 21.0)) == 1


def test_noise_of_the_measurement_does_not_make_the_duty_swing() -> None:
    duty = first_duty(60.0, 21.0, MOST_WATTS)
    found = []
    for sample in range(200):
        noise = 1.0 + 0.05 * (-1) ** sample
        duty = next_duty(duty, line(21.0)(duty) * noise, 60.0, 21.0)
        found.append(line(21.0)(duty))
    assert 0.92 * 60.0 < min(found) < max(found) < 1.08 * 60.0


def test_what_cannot_be_reached_ends_at_the_least_duty_and_what_needs_no_pause_at_all_of_it() -> None:
    assert corrections(line(70.0), 55.0, 21.0)[-1] == LEAST_DUTY_RATIO
    assert corrections(lambda duty: 40.0 * duty, 55.0, 21.0)[-1] == 1.0
    assert first_duty(100.0, 21.0, MOST_WATTS) == 1.0


@pytest.mark.parametrize("watts", [0.0, 1e-9, 1e9])
def test_a_figure_that_makes_no_sense_changes_the_duty_by_a_factor_of_two_at_most(watts: float) -> None:
    assert 0.25 <= next_duty(0.5, watts, 60.0, 21.0) <= 1.0
