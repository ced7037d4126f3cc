"""Pairs of sentences: what a model of hidden words and following sentences is trained and evaluated on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.prepared_data import Shard
from wattrain_worker.data.row_digests import mixed
from wattrain_worker.data.texts.special_tokens import END, PAD, START

Tokens = npt.NDArray[np.uint16]
_SPECIAL: Final = 3
"""Tokens of each pair beside those of its two parts: one before the first, and one after each."""


class _Pair(NamedTuple):
    first: Tokens
    second: Tokens
    document: int


def pairs_of(documents: Sequence[Sequence[Tokens]], length: int, seed: int) -> Shard:
    """Pairs of what the sentences of `documents` say: `tokens` [pairs, length] uint16, START first END second END and
    PAD; `second` [pairs, length] uint8, 1 where a token is of the second part; `follows` [pairs] uint8, 1 where the
    second part follows the first in the document.

    In every other pair, by `seed` and the pair's number, the second part is that of another one, if it can be of
    another document (Devlin et al., "BERT", 2019, section 3.1). Sentences are put together until they fill a sample.
    """
    pairs = [pair for number, document in enumerate(documents) for pair in _of_document(document, number, length)]
    start: npt.NDArray[np.uint64] = mixed(np.array([seed], np.uint64))
    drawn = mixed((start + np.arange(len(pairs), dtype=np.uint64)).astype(np.uint64))
    tokens = np.full((len(pairs), length), PAD, np.uint16)
    second = np.zeros((len(pairs), length), np.uint8)
    follows = np.ones(len(pairs), np.uint8)
    for number, pair in enumerate(pairs):
        other = _other(pairs, number, int(drawn[number])) if drawn[number] & np.uint64(1) else None
        follows[number] = other is None
        room = length - _SPECIAL - len(pair.first)
        last = (pair if other is None else other).second[:room]
        whole = np.concatenate([[START], pair.first, [END], last, [END]])
        tokens[number, : len(whole)] = whole
        second[number, len(pair.first) + 2 : len(whole)] = 1
    return Shard({"tokens": tokens, "second": second, "follows": follows})


def _other(pairs: list[_Pair], number: int, drawn: int) -> _Pair | None:
    """A pair of another document than that of pair `number`; None: there is no such document."""
    others = len(pairs) - 1
    for step in range(others):
        found = pairs[(number + 1 + ((drawn >> 1) + step) % others) % len(pairs)]
        if found.document != pairs[number].document:
            return found
    return None


def _of_document(sentences: Sequence[Tokens], document: int, length: int) -> list[_Pair]:
    """The pairs of one document: its sentences, put together until they fill a sample, and parted in the middle."""
    room, found, block = length - _SPECIAL, list[_Pair](), list[Tokens]()
    for sentence in (each[: room // 2] for each in sentences if len(each)):
        if block and sum(map(len, block)) + len(sentence) > room:
            found += _parted(block, document)
            block = []
        block.append(sentence)
    return [*found, *_parted(block, document)]


def _parted(block: list[Tokens], document: int) -> list[_Pair]:
    """The sentences of `block` in two parts of about the same length; none where there is one sentence alone."""
    if len(block) < 2:
        return []
    ends = np.cumsum([len(sentence) for sentence in block])
    middle = 1 + int(np.abs(ends[:-1] - ends[-1] / 2).argmin())
    return [_Pair(np.concatenate(block[:middle]), np.concatenate(block[middle:]), document)]
