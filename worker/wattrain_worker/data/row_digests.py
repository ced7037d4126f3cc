"""What rows are told apart by: a digest of a row's features, and which copy of these features it is.

The label is no part of either: what deals rows to splits must not know the answer. See
docs/decisions/copies-are-dealt-apart.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.row_blocks import RowBlocks

Digests = npt.NDArray[np.uint64]
"""[rows, 2]: 128 bits a row. Among 1e12 different rows, the odds that any two share them are below 1e-14."""
Occurrences = npt.NDArray[np.int64]
"""[rows]: how many earlier rows of the file have the same features."""
Codes = npt.NDArray[np.int64]
"""[rows]: a label's index into the classes."""

_DIGEST_BYTES: Final = 16
GAMMA: Final = np.uint64(0x9E3779B97F4A7C15)
"""What a sequence of SplitMix64 goes on by."""


def row_digests(rows: RowBlocks, in_order: InOrder = one_by_one) -> Digests:
    """BLAKE2b of each row's features ([rows, columns], in order, as float64).

    It depends on nothing but the row's features: neither on its label nor its place nor the file's format.
    """
    found = np.empty((len(rows), 2), np.uint64)
    for (start, end), digests in zip(rows.spans(), in_order(_digests_of_block, rows), strict=True):
        found[start:end] = digests
    return found


def _digests_of_block(block: npt.NDArray[np.float64]) -> Digests:
    return digests_of(_bytes_of_rows(block))


def _bytes_of_rows(features: npt.NDArray[np.float64]) -> list[bytes]:
    # 0.0 == -0.0, and any NaN is a missing value: equal values must have equal bytes
    canonical = np.ascontiguousarray(features + 0.0, dtype="<f8")
    canonical[np.isnan(canonical)] = np.nan
    rows: list[bytes] = canonical.view(f"V{features.shape[1] * 8}").ravel().tolist()
    return rows


def digests_of(items: Iterable[bytes]) -> Digests:
    """BLAKE2b of each of `items`."""
    blake2b = hashlib.blake2b
    hashes = b"".join([blake2b(item, digest_size=_DIGEST_BYTES).digest() for item in items])
    return np.frombuffer(hashes, "<u8").astype(np.uint64).reshape(-1, 2)


def occurrences_of(digests: Digests) -> Occurrences:
    """How many earlier rows have the same digest. Rows that are appended change none of those before them."""
    order, starts = _grouped(digests)
    found = np.empty(len(digests), np.int64)
    found[order] = np.arange(len(digests)) - starts
    return found


def first_occurrences(digests: Digests, codes: Codes) -> npt.NDArray[np.int64]:
    """Indices, rising, of the rows whose digest and code ([rows]: the label's) no earlier row has."""
    order, starts = _grouped(digests, codes)
    return np.sort(order[starts == np.arange(len(starts))])


def are_among(digests: Digests, others: Digests) -> npt.NDArray[np.bool_]:
    """[rows]: which of `digests` is one of `others`, by 64 of their bits: among a million rows, the odds that any two
    different ones share these are below 1e-7."""
    if not len(others):
        return np.zeros(len(digests), np.bool_)
    ordered = np.sort(others[:, 0])
    found = np.searchsorted(ordered, digests[:, 0])
    return np.asarray(ordered[np.minimum(found, len(ordered) - 1)] == digests[:, 0])


def dealt_numbers(digests: Digests, occurrences: Occurrences, seed: int) -> npt.NDArray[np.float64]:
    """[rows], in [0, 1): evenly spread, and the same for the same digest, occurrence and seed in whatever file.

    Each digest, together with the seed, starts a sequence of SplitMix64 (Steele, Lea, Flood, "Fast splittable
    pseudorandom number generators", OOPSLA 2014), of which its first row gets the first number, its second the second.
    """
    states = mixed(digests[:, 0] ^ mixed(np.array([seed], np.uint64)))
    numbers = mixed(states + (occurrences.astype(np.uint64) + np.uint64(1)) * GAMMA)
    # 53 bits are what a float64 holds exactly
    return (numbers >> np.uint64(11)).astype(np.float64) / 2.0**53


def _grouped(digests: Digests, codes: Codes | None = None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows in an order in which those of equal digest and code are neighbours, as in the file; and where the group of
    each begins in it."""
    keys = [digests[:, 0], digests[:, 1], *([] if codes is None else [codes])]
    mixture = digests[:, 0] if codes is None else digests[:, 0] + codes.astype(np.uint64) * GAMMA
    in_order = np.sort(mixture)
    if (in_order[1:] != in_order[:-1]).all():  # no row is like another, which sorting alone shows ten times sooner
        alone = np.arange(len(mixture))
        return alone, alone
    # One sort by 64 bits is three times faster than one by all of them, which is needed where two rows share these.
    order = np.argsort(mixture, kind="stable")
    differs = _differs(keys, order)
    if (differs[1:] & (mixture[order[1:]] == mixture[order[:-1]])).any():
        order = np.lexsort(keys)
        differs = _differs(keys, order)
    return order, np.maximum.accumulate(np.where(differs, np.arange(len(order)), 0))


def _differs(keys: Sequence[npt.NDArray[Any]], order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """[rows]: whether the row at each place of `order` differs in a key from the one before it."""
    differs = np.zeros(len(order), np.bool_)
    for key in keys:
        ordered = key[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    return differs


def mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's output function: each bit of a value changes half of the result's. Products wrap at 64 bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
