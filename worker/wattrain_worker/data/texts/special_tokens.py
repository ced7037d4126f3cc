"""Tokens that are no part of a text, by their numbers in pairs of sentences: a training has no tokenizer."""

from __future__ import annotations

from typing import Final

PAD, UNKNOWN, START, END, MASK = range(5)
FIRST_WORD: Final = 5
"""Number of the first token of a text."""
SPECIAL_TOKENS: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
"""As a tokenizer writes them, in the order of their numbers."""
