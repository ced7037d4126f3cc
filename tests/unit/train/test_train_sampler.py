from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.train.elastic_sampler import BatchSampler, Position, epoch_order, part

rows_and_batch = st.tuples(st.integers(1, 200), st.integers(1, 70))


@given(rows_and_batch, st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(0, 2**31 - 1))
def test_each_pass_covers_each_row_once_however_often_the_group_is_resized(
    shape: tuple[int, int], worlds: list[int], seed: int
) -> None:
    rows, batch_size = shape
    position, seen, step = Position(), Counter[int](), 0
    while position.epoch < 2:
        world = worlds[step % len(worlds)]
        # A new sampler each time: a resumed rank knows the position alone.
        batch, behind = BatchSampler(rows, batch_size, seed).batch(position)
        for rank in range(world):
            seen.update((position.epoch, int(row)) for row in batch[part(len(batch), world, rank)])
        position, step = behind, step + 1
    assert seen == Counter((epoch, row) for epoch in range(2) for row in range(rows))
    assert step == 2 * BatchSampler(rows, batch_size, seed).steps_per_epoch


@given(rows_and_batch)
def test_all_batches_but_the_last_of_a_pass_are_full(shape: tuple[int, int]) -> None:
    rows, batch_size = shape
    sampler, position, sizes = BatchSampler(rows, batch_size, 0), Position(), []
    while position.epoch == 0:
        batch, position = sampler.batch(position)
        sizes.append(len(batch))
    assert sizes[:-1] == [min(batch_size, rows)] * (len(sizes) - 1)
    assert sum(sizes) == rows


@given(st.integers(0, 500), st.integers(1, 40))
def test_parts_follow_one_another_and_differ_by_one_at_most(length: int, parts: int) -> None:
    expected = np.array_split(np.arange(length), parts)
    found = [np.arange(length)[part(length, parts, index)] for index in range(parts)]
    assert all(np.array_equal(f, e) for f, e in zip(found, expected, strict=True))


def test_the_order_depends_on_seed_and_pass() -> None:
    orders = {tuple(epoch_order(seed, epoch, 50)) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
    assert np.array_equal(epoch_order(1, 2, 50), epoch_order(1, 2, 50))
