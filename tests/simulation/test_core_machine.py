"""At least 100,000 moves through a world that loses, delays and kills. The number is printed at the end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SHARDS, EXAMPLES, RULES_EACH = 12, 150, 100


@pytest.mark.parametrize("shard", range(SHARDS))
def test_nothing_that_can_happen_breaks_the_core(
    shard: int, walk: Callable[[int, int, int], int], record_property: Callable[[str, object], None]
) -> None:
    steps = walk(shard, EXAMPLES, RULES_EACH)
    record_property("steps of the state machine", steps)
    assert steps >= 100_000 / SHARDS
