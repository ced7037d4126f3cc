"""Paragraphs and sentences: what a text is cut into, for the splits of a single document, for a tokenizer that takes no
more, and for pairs of sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

_ENDS: Final = re.compile(r"(?<=[.!?])\s+")
"""Of a sentence: a mark, and white space."""
_LONGEST: Final = 16_384
"""Characters after which a paragraph ends with its line: a tokenizer needs about 100 bytes a character at once."""


def paragraphs_of(text: str) -> Iterator[str]:
    """`text` in parts, each with the blank lines after it: put together, they are `text`. Without blank lines it is one
    part, or parts of whole lines where it is long."""
    part: list[str] = []
    length, is_blank = 0, False
    for line in lines_of(text):
        was_blank, is_blank = is_blank, not line.strip()
        if part and ((was_blank and not is_blank) or length > _LONGEST):
            yield "".join(part)
            part, length = [], 0
        part.append(line)
        length += len(line)
    if part:
        yield "".join(part)


def lines_of(text: str) -> list[str]:
    """The lines of `text`, each with its end. Unlike `str.splitlines` it knows line feeds alone."""
    *whole, last = text.split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def sentences_of(paragraphs: Iterable[str]) -> list[str]:
    """The sentences in `paragraphs`, by their marks; a paragraph without any is one sentence."""
    return [part for each in paragraphs for part in _ENDS.split(" ".join(each.split())) if part]
