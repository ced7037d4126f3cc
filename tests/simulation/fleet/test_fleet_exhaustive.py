"""Every state that two small jobs under a limit can reach, to the last one. The numbers are printed at the end.

Each walk allows other kinds of trouble, as often as its bounds say, at any moment and in any order with all else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wattrain_operator.simulated.explore_fleet import FleetBounds, explore_fleet, small_fleet


@pytest.mark.parametrize(
    "bounds",
    [
        FleetBounds(suspensions=1),
        FleetBounds(limits=1),
        FleetBounds(deaths=1, crashes=1),
        FleetBounds(deletions=1),
        FleetBounds(others=1),
    ],
    ids=["suspension", "another-limit", "operator-dies-and-a-job-fails", "deletion", "another-operator"],
)
def test_no_state_of_a_fleet_that_can_be_reached_breaks_a_promise(
    bounds: FleetBounds, record_property: Callable[[str, object], None]
) -> None:
    result = explore_fleet(small_fleet(), bounds)
    record_property("states of the exhaustive walk", result.states)
    record_property("transitions of the exhaustive walk", result.transitions)
    assert result.at_rest > 1
