"""Rows are told apart by all of their digest, and sorted by half of it."""

from __future__ import annotations

import numpy as np

from wattrain_worker.data.row_digests import are_among, first_occurrences, occurrences_of

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
