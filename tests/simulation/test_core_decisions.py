"""The walks ask the core once for each view. What they remember is what it would decide anew, by all that it sees."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import pytest

from wattrain_operator.core.observed import Observed
from wattrain_operator.core.plan import plan
from wattrain_operator.simulated.decisions import Decision, Decisions
from wattrain_operator.simulated.explore import Bounds, explore, small_simulation


@pytest.mark.parametrize(
    "bounds",
    [Bounds(crashes=0, silences=1), Bounds(crashes=0, quotas=1, deaths=1, time_last=1)],
    ids=["silence", "quota-and-operator-dies"],
)
def test_what_is_remembered_of_a_view_is_what_is_decided_in_it(bounds: Bounds, monkeypatch: pytest.MonkeyPatch) -> None:
    of, again = Decisions.of, []

    def compared(
        decisions: Decisions, view: Hashable, named: tuple[object, ...], observe: Callable[[], Observed]
    ) -> Decision:
        decision, seen = of(decisions, view, named, observe), observe()
        assert (decision.seen, decision.plan) == (seen, plan(seen))
        again.append(id(decision))
        return decision

    monkeypatch.setattr(Decisions, "of", compared)
    explore(small_simulation(workers=1), bounds)
    assert len(again) > 2 * len(set(again))
