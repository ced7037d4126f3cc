"""WordPiece: words and parts of words, in which a model of hidden words finds them (M. Schuster, K. Nakajima, "Japanese
and Korean voice search", ICASSP 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from wattrain_worker.data.texts.byte_pairs import read_tokenizer
from wattrain_worker.data.texts.special_tokens import FIRST_WORD, SPECIAL_TOKENS, UNKNOWN
from wattrain_worker.errors import BadSpec

_WITHIN: Final = "##"
"""Before a part that continues a word."""


def train_word_pieces(texts: Sequence[str], vocabulary_size: int) -> bytes:
    """tokenizer.json of at most that many tokens, fitted to `texts`: the same bytes for the same texts. BadSpec where
    their characters alone are more."""
    tokenizer, first, within = _untrained({}), set[str](), set[str]()
    for text in texts:
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)):
            first.add(word[0])
            within.update(word[1:])
    # The library numbers single characters in the order of a hash table, and decides ties by these numbers: so they are
    # given, in order, as if they were special.
    given = [*SPECIAL_TOKENS, *sorted(first), *(f"{_WITHIN}{character}" for character in sorted(within))]
    if len(given) >= vocabulary_size:
        raise BadSpec(
            f"spec.data.text.vocabularySize: {vocabulary_size}, but the training split has "
            f"{len(given) - len(SPECIAL_TOKENS)} different characters at the start of words and within; raise it"
        )
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size, special_tokens=given, limit_alphabet=len(given), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return str(_untrained(tokenizer.get_vocab()).to_str(pretty=False)).encode()


class WordPieces:
    """A tokenizer that `train_word_pieces` made."""

    def __init__(self, content: bytes) -> None:
        """`content`: tokenizer.json. ValueError where it is none."""
        self._tokenizer = read_tokenizer(content)
        if [self._tokenizer.token_to_id(token) for token in SPECIAL_TOKENS] != list(range(FIRST_WORD)):
            raise ValueError(f"no tokens {', '.join(SPECIAL_TOKENS)}")
        self.vocabulary: int = self._tokenizer.get_vocab_size()
        """Tokens, the special ones among them."""

    def encode(self, sentences: list[str]) -> list[npt.NDArray[np.uint16]]:
        """The tokens of each of `sentences`, without special ones but UNKNOWN."""
        found = self._tokenizer.encode_batch_fast(sentences, add_special_tokens=False)
        return [np.array(each.ids, np.uint16) for each in found]


def _untrained(vocabulary: dict[str, int]) -> Any:
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=SPECIAL_TOKENS[UNKNOWN]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
