"""Jobs with a budget in a world that loses, delays and kills: it binds and does not flap; raised it lets them go."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wattrain_operator.core import budgets, holding
from wattrain_operator.simulated import invariants


@pytest.mark.parametrize("shard", range(2))
def test_nothing_that_can_happen_breaks_a_budget(
    shard: int, walk_budgets: Callable[..., int], record_property: Callable[[str, object], None]
) -> None:
    steps = walk_budgets(shard, 20, 60)
    record_property("steps of the state machine", steps)
    assert steps >= 1_500


def _forget_the_reserve(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(budgets, "larger", lambda now, stored: now)


def _never_hold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(budgets.holding, "put", lambda draft, hold: None)


def _never_lift(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(holding, "lift", lambda draft, reason: None)


@pytest.mark.parametrize(
    ("plant", "sentences"),
    [
        (_forget_the_reserve, {invariants.BUDGET_HOLDS_ON}),
        (_never_hold, {invariants.BUDGET_BINDS}),
        (_never_lift, {invariants.BUDGET_HELD}),
    ],
    ids=["forget the reserve", "never hold", "never lift"],
)
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    sentences: set[str],
    monkeypatch: pytest.MonkeyPatch,
    walk_budgets: Callable[..., int],
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        walk_budgets(0, 100, 40, shrink=False)
    assert found.value.sentence in sentences
