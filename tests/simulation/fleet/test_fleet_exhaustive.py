"""Every state that two small jobs under a limit can reach, to the last one. The numbers are printed at the end.

Each walk allows other kinds of trouble, as often as its bounds say, at any moment and in any order with all else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wattrain_operator.simulated.explore_fleet import FleetBounds, explore_fleet, small_fleet


@pytest.mark.parametrize(
    ("bounds", "by_power"),
    [
        (FleetBounds(suspensions=1), False),
        (FleetBounds(limits=1), True),
        (FleetBounds(deaths=1, crashes=1), True),
        (FleetBounds(deletions=1), False),
        (FleetBounds(others=1), True),
    ],
    ids=["suspension", "another-cap", "operator-dies-and-a-job-fails", "deletion", "another-operator"],
)
def test_no_state_of_a_fleet_that_can_be_reached_breaks_a_promise(
    bounds: FleetBounds, by_power: bool, record_property: Callable[[str, object], None]
) -> None:
    result = explore_fleet(small_fleet(by_power=by_power), bounds)
    record_property("states of the exhaustive walk", result.states)
    record_property("transitions of the exhaustive walk", result.transitions)
    assert result.at_rest > 1


def test_no_state_of_a_fleet_with_preemption_that_can_be_reached_breaks_a_promise(
    record_property: Callable[[str, object], None],
) -> None:
    result = explore_fleet(small_fleet(preempts=True), FleetBounds())
    record_property("states of the exhaustive walk", result.states)
    record_property("transitions of the exhaustive walk", result.transitions)
    assert result.at_rest > 1
