"""Dealing documents to training, validation and test. No document is in two splits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from wattrain_api.data import Split
from wattrain_worker.data.prepared_data import SPLITS
from wattrain_worker.data.row_digests import are_among, digests_of
from wattrain_worker.data.split import TEST, TRAIN, Deal, deal
from wattrain_worker.data.texts.documents import Document
from wattrain_worker.data.texts.paragraphs import lines_of, paragraphs_of
from wattrain_worker.errors import BadData


@dataclass(frozen=True)
class SplitTexts:
    """Documents by their split."""

    texts: dict[str, list[str]]
    """Of each of SPLITS, in the order of the source."""
    repeats: int
    """Documents, or paragraphs of a single one, that an earlier one is the same as."""
    test_also_in_training: int
    """Of those in the test split, how many are in the training split as well: only paragraphs can be."""
    warnings: list[str]


def split_texts(documents: list[Document], split: Split) -> SplitTexts:
    """Deal `documents` by a hash of each one's text, so that equal ones stay together and a further one moves none.

    A single document is cut in three at the ends of its paragraphs, in the order train, validation, test; one without
    blank lines at the ends of its lines. BadData where a split has a share and nothing comes into it.
    """
    is_single = len(documents) == 1
    parts = _parts_of(documents[0].text) if is_single else [document.text for document in documents]
    digests = digests_of(part.encode() for part in parts)
    nothing = np.zeros(len(parts), np.int64)
    dealt = _by_length(parts, split) if is_single else deal(split, digests, nothing, nothing, None)
    texts = {
        name: [part for part, chosen in zip(parts, dealt.tolist(), strict=True) if chosen == number]
        for number, name in enumerate(SPLITS)
    }
    _demand_all(texts, split, len(parts), "paragraphs of one document" if is_single else "documents")
    repeats = len(digests) - len(np.unique(digests, axis=0))
    in_both = int(are_among(digests[dealt == TEST], digests[dealt == TRAIN]).sum())
    if is_single:
        texts = {name: ["".join(of_split)] if of_split else [] for name, of_split in texts.items()}
    return SplitTexts(texts, repeats, in_both, _doubts(texts, split, is_single))


def _parts_of(text: str) -> list[str]:
    paragraphs = list(paragraphs_of(text))
    return paragraphs if len(paragraphs) > 1 else lines_of(text)


def _by_length(parts: list[str], split: Split) -> Deal:
    """[parts]: the split by where the middle of each part is in the whole."""
    ends = np.array(list(accumulate(map(len, parts))))
    middles = (ends - np.array([len(part) for part in parts]) / 2) / ends[-1]
    shares = np.cumsum([split.train, split.validation, split.test])
    return np.asarray(np.searchsorted(shares[:2] / shares[2], middles, side="right"), np.int8)


def _demand_all(texts: dict[str, list[str]], split: Split, parts: int, what: str) -> None:
    for name, share in zip(SPLITS, (split.train, split.validation, split.test), strict=True):
        if share > 0 and not texts[name]:
            raise BadData(
                f"data: the {name} split is empty: there are {parts} {what}, and spec.data.split.{name} is {share:g}; "
                "give more, write another spec.data.split.seed, or set the share to 0"
            )


def _doubts(texts: dict[str, list[str]], split: Split, is_single: bool) -> list[str]:
    """Documents are dealt whole, so that a long one may take a split far from its share."""
    if is_single:
        return []
    sizes = {name: sum(map(len, of_split)) for name, of_split in texts.items()}
    wanted = dict(zip(SPLITS, (split.train, split.validation, split.test), strict=True))
    total = sum(sizes.values())
    far = [
        f"{name} has {sizes[name] / total:.0%} of the text, spec.data.split.{name} is {wanted[name]:g}"
        for name in SPLITS
        if not 0.5 * wanted[name] <= sizes[name] / total <= 2 * wanted[name]
    ]
    return [f"documents are dealt whole, and {'; '.join(far)}; give more and shorter documents"] if far else []
