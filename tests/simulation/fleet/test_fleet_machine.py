"""Several jobs under a limit, in a world that loses, delays and kills. The number of moves is printed at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SHARDS, EXAMPLES, RULES_EACH = 4, 100, 100


@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_that_can_happen_gives_a_place_twice_or_never(
    shard: int, walk_fleet: Callable[[int, int, int], int], record_property: Callable[[str, object], None]
) -> None:
    steps = walk_fleet(shard, EXAMPLES, RULES_EACH)
    record_property("steps of the state machine", steps)
    assert steps >= 40_000 / SHARDS
