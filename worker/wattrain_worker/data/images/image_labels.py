"""Classes of pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.images.find_pictures import Picture
from wattrain_worker.data.prepared_data import Label
from wattrain_worker.errors import BadData


@dataclass(frozen=True)
class ImageLabels:
    """A class for every picture."""

    codes: npt.NDArray[np.int64]
    """[pictures]: index into `classes`."""
    classes: tuple[Label, ...]
    """Integers in numeric order where all are written as integers are; else texts in order of their code points."""
    written: tuple[str, ...]
    """Each class as the source writes it."""


def labels_of(pictures: tuple[Picture, ...]) -> ImageLabels:
    """The classes of `pictures`. BadData where one has none, or all have the same."""
    texts = [picture.label for picture in pictures]
    if None in texts:
        first, without = pictures[texts.index(None)], texts.count(None)
        raise BadData(
            f"data: {first.name!r} has no class ({without} of {len(texts)} pictures have none); lay each picture into "
            "a folder named as its class, or, in a tar, give each picture a .cls file with its class"
        )
    named = {text for text in texts if text is not None}
    if len(named) < 2:
        raise BadData(
            f"data: all {len(texts)} pictures have the class {next(iter(named))!r}; a training needs pictures of two "
            "classes at least"
        )
    wholes = all(_is_whole(text) for text in named)
    written = tuple(sorted(named, key=int)) if wholes else tuple(sorted(named))
    code_of = {text: code for code, text in enumerate(written)}
    codes = np.array([code_of[text] for text in texts if text is not None], np.int64)
    return ImageLabels(codes, tuple(map(int, written)) if wholes else written, written)


def _is_whole(text: str) -> bool:
    """Whether it is written as Python writes an integer: 7 and 07 are different texts."""
    return text.isascii() and text.removeprefix("-").isdigit() and str(int(text)) == text
