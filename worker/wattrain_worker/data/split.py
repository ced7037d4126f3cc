"""Dealing rows to training, validation and test. Rows that may not be parted never are."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Split
from wattrain_worker.data.labels import SplitKeys
from wattrain_worker.data.row_digests import Digests, Occurrences, dealt_numbers, digests_of

TRAIN: Final = 0
VALIDATION: Final = 1
TEST: Final = 2
Deal = npt.NDArray[np.int8]
"""[rows]: TRAIN, VALIDATION or TEST."""


def deal(
    split: Split,
    digests: Digests,
    occurrences: Occurrences,
    codes: npt.NDArray[np.int64],
    keys: SplitKeys | None,
) -> Deal:
    """The split of every row. `stratified` alone looks at the label, `codes` [rows], and that for the shares only:
    within a class rows are dealt as by `hash`.

    `hash` goes by a row's features and which copy of them it is, `group` by its key: appended rows move none. `time`
    and `stratified` meet the shares exactly, up to rows of equal time, which stay together.
    """
    bounds = _bounds(split)
    if split.method == "hash":
        return _by_share(dealt_numbers(digests, occurrences, split.seed), bounds)
    if split.method == "stratified":
        return _stratified(dealt_numbers(digests, occurrences, split.seed), codes, bounds)
    assert keys is not None  # the API demands a column for the other two
    if split.method == "group":
        groups, members = np.unique(keys.keys, return_inverse=True)
        names = digests_of(str(group).encode() for group in groups.tolist())
        return _by_share(dealt_numbers(names, np.zeros(len(names), np.int64), split.seed), bounds)[members]
    return _by_rank(keys.keys, bounds)


def _bounds(split: Split) -> npt.NDArray[np.float64]:
    """Where training and validation end, as shares of 1. Shares may add up to 1 only nearly."""
    ends = np.cumsum([split.train, split.validation, split.test])
    return np.asarray(ends[:2] / ends[2])


def _by_share(numbers: npt.NDArray[np.float64], bounds: npt.NDArray[np.float64]) -> Deal:
    return np.searchsorted(bounds, numbers, side="right").astype(np.int8)


def _by_rank(values: npt.NDArray[Any], bounds: npt.NDArray[np.float64]) -> Deal:
    # Equal values have the rank of the first of them, so that a cut never runs between them.
    ranks = np.searchsorted(np.sort(values), values, side="left")
    return np.searchsorted(np.round(bounds * len(values)), ranks, side="right").astype(np.int8)


def _stratified(
    numbers: npt.NDArray[np.float64], codes: npt.NDArray[np.int64], bounds: npt.NDArray[np.float64]
) -> Deal:
    dealt = np.empty(len(codes), np.int8)
    for code in np.unique(codes):
        members = codes == code
        dealt[members] = _by_rank(numbers[members], bounds)
    return dealt
