"""Every state that a small job can reach, to the last one. The numbers are printed at the end.

Each walk allows another kind of fault, as often as its bounds say, at any moment and in any order with all else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wattrain_operator.simulated.explore import Bounds, explore, small_simulation
from wattrain_operator.simulated.faults import KILLED, PERMANENT, PROGRAM

NOTHING = Bounds(disruptions=0, suspensions=0, deaths=0, stalls=0, silences=0, crashes=0)
SUSPENDED = NOTHING._replace(suspensions=1, resumptions=0, time_last=1)


@pytest.mark.parametrize(
    ("bounds", "prepare"),
    [
        (NOTHING._replace(disruptions=1), False),
        (NOTHING._replace(crashes=2, exit_code=PROGRAM), False),
        (NOTHING._replace(deaths=1), False),
        (NOTHING._replace(crashes=1, exit_code=PERMANENT), False),
        (NOTHING._replace(crashes=1, exit_code=KILLED), True),
        (NOTHING._replace(stalls=1), False),
        (NOTHING._replace(silences=1), False),
        (NOTHING._replace(quotas=1), False),
    ],
    ids=[
        "disruption",
        "two-crashes",
        "operator-dies",
        "permanent",
        "killed-with-preparation",
        "stall",
        "silence",
        "quota",
    ],
)
def test_no_state_that_can_be_reached_breaks_a_promise(
    bounds: Bounds, prepare: bool, record_property: Callable[[str, object], None]
) -> None:
    result = explore(small_simulation(prepare=prepare), bounds)
    record_property("states of the exhaustive walk", result.states)
    record_property("transitions of the exhaustive walk", result.transitions)
    assert result.at_rest > 1


@pytest.mark.parametrize(
    ("bounds", "workers"),
    [
        (SUSPENDED, 2),
        (SUSPENDED._replace(resumptions=1, deaths=1), 1),
        (SUSPENDED._replace(stalls=1, deaths=1), 1),
    ],
    ids=["asked-to-stop", "operator-dies-before-or-after-it-asks", "stall-when-asked"],
)
def test_no_state_of_a_group_that_is_asked_to_save_and_stop_breaks_a_promise(
    bounds: Bounds, workers: int, record_property: Callable[[str, object], None]
) -> None:
    result = explore(small_simulation(workers=workers), bounds)
    record_property("states of the exhaustive walk", result.states)
    record_property("transitions of the exhaustive walk", result.transitions)
    assert result.at_rest > 1
