"""Rows are told apart by all of their digest, and sorted by half of it."""

from __future__ import annotations

import hashlib

import numpy as np

from wattrain_worker.data.row_blocks import RowBlocks
from wattrain_worker.data.row_digests import are_among, first_occurrences, occurrences_of, row_digests

DIGESTS = np.array([[5, 1], [5, 2], [5, 1], [7, 1], [5, 2], [5, 1]], np.uint64)
CODES = np.array([0, 0, 1, 0, 0, 0], np.int64)


def test_rows_that_share_half_of_a_digest_are_not_copies() -> None:
    assert occurrences_of(DIGESTS).tolist() == [0, 0, 1, 0, 1, 2]
    assert first_occurrences(DIGESTS, CODES).tolist() == [0, 1, 2, 3]


def test_rows_of_one_digest_and_another_label_are_no_repeats() -> None:
    same = np.array([[5, 1]] * 4, np.uint64)
    assert first_occurrences(same, np.array([0, 1, 0, 1], np.int64)).tolist() == [0, 1]


def test_what_is_among_others_is_found_at_their_ends_too() -> None:
    asked = np.array([[3, 0], [5, 0], [6, 0], [9, 0], [10, 0]], np.uint64)
    others = np.array([[9, 0], [5, 0], [7, 0]], np.uint64)
    assert are_among(asked, others).tolist() == [False, True, False, True, False]
    assert are_among(asked, others[:0]).tolist() == [False] * 5


def test_a_row_has_the_same_digest_wherever_in_a_long_table_it_is() -> None:
    features = np.random.default_rng(1).normal(size=(9_000, 3))
    features[5000], features[8999] = features[0], [np.nan, -0.0, 1]
    digests = row_digests(RowBlocks(features))
    hashed = hashlib.blake2b(np.array([np.nan, 0, 1]).astype("<f8").tobytes(), digest_size=16).digest()
    assert digests[8999].astype("<u8").tobytes() == hashed
    assert (digests[:10] == row_digests(RowBlocks(features[:10]))).all()
    assert occurrences_of(digests).nonzero()[0].tolist() == [5000]
    assert first_occurrences(digests, np.zeros(9_000, np.int64)).tolist() == [*range(5000), *range(5001, 9000)]


def test_where_no_row_is_like_another_each_is_the_first() -> None:
    unlike = DIGESTS[[1, 3]]
    assert occurrences_of(unlike).tolist() == [0, 0]
    assert first_occurrences(unlike, CODES[:2]).tolist() == [0, 1]
