"""What identifies a row: a digest of its values, by which duplicates are found and rows are dealt to splits."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.labels import MISSING_LABEL, Labels
from wattrain_worker.data.prepared import Label

DIGEST_BYTES: Final = 16
"""128 bits: among 1e12 different rows, the odds that any two share a digest are below 1e-14."""


def row_digests(features: npt.NDArray[np.float64], labels: Labels) -> list[bytes]:
    """BLAKE2b of each row's features ([rows, columns], in order, as float64) and its label (as text).

    It depends on nothing but the row: neither on its place nor on the other rows nor on the file's format.
    """
    # 0.0 == -0.0, and any NaN is a missing value: equal values must have equal bytes
    canonical = np.ascontiguousarray(np.where(np.isnan(features), np.nan, features) + 0.0, dtype="<f8")
    names = {code: _text(label) for code, label in enumerate(labels.classes)} | {MISSING_LABEL: b""}
    return [
        hashlib.blake2b(row.tobytes() + names[code], digest_size=DIGEST_BYTES).digest()
        for row, code in zip(canonical, labels.codes.tolist(), strict=True)
    ]


def first_occurrences(digests: list[bytes]) -> npt.NDArray[np.int64]:
    """Indices, rising, of the rows whose digest no earlier row has."""
    first: dict[bytes, int] = {}
    for row, digest in enumerate(digests):
        first.setdefault(digest, row)
    return np.fromiter(first.values(), np.int64, len(first))


def dealt_numbers(items: list[bytes], seed: int) -> npt.NDArray[np.float64]:
    """[items], in [0, 1): evenly spread, and the same for the same item and seed wherever the item stands."""
    key = seed.to_bytes(8, "big")
    hashes = b"".join(hashlib.blake2b(item, digest_size=8, key=key).digest() for item in items)
    # 53 bits are what a float64 holds exactly
    return (np.frombuffer(hashes, ">u8") >> np.uint64(11)).astype(np.float64) / 2.0**53


def _text(label: Label) -> bytes:
    return (str(label).lower() if isinstance(label, bool) else str(label)).encode()
