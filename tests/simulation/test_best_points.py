"""A job with an objective in a world that loses, delays and kills: what is measured is of its threads alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from wattrain_operator.core import best_point
from wattrain_operator.simulated import invariants


@pytest.mark.parametrize("shard", range(1))
def test_nothing_that_can_happen_breaks_the_search(
    shard: int, walk_points: Callable[..., int], record_property: Callable[[str, object], None]
) -> None:
    steps = walk_points(shard, 6, 40)
    record_property("steps of the state machine", steps)
    assert steps >= 400


def _count_what_is_not_settled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(best_point, "is_settled", lambda draft, since, report: True)


def _overlook_a_new_start(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(best_point, "_starts_anew", lambda draft: False)


@pytest.mark.parametrize("plant", [_count_what_is_not_settled, _overlook_a_new_start])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, walk_points: Callable[..., int]
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        walk_points(0, 100, 60, shrink=False)
    assert found.value.sentence == invariants.POINTS
