"""Byte-level byte pair encoding: any text is tokens, and tokens are the text's bytes again (Radford et al., "Language
Models are Unsupervised Multitask Learners", 2019, section 2.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from wattrain_worker.data.texts.paragraphs import paragraphs_of

FILE_TOKENIZER: Final = "tokenizer.json"
END_OF_TEXT: Final = "<|endoftext|>"
"""The token before each document and after the last one. Where a document writes it, it is text, and no such token."""
_AT_ONCE: Final = 512
"""Paragraphs that are encoded at once."""


def train_byte_pairs(texts: Iterable[str], vocabulary_size: int) -> bytes:
    """tokenizer.json of at most that many tokens, fitted to `texts`: the same bytes for the same texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[END_OF_TEXT],
        show_progress=False,
    )
    tokenizer.train_from_iterator((part for text in texts for part in paragraphs_of(text)), trainer)
    return str(tokenizer.to_str(pretty=False)).encode()


class BytePairs:
    """A tokenizer that `train_byte_pairs` made."""

    def __init__(self, content: bytes) -> None:
        """`content`: tokenizer.json. ValueError where it is none."""
        self._tokenizer = read_tokenizer(content)
        self._tokenizer.encode_special_tokens = True  # what a document writes is text, whatever it looks like
        found = self._tokenizer.token_to_id(END_OF_TEXT)
        if found is None:
            raise ValueError(f"no token {END_OF_TEXT}")
        self.end_of_text: int = found
        vocabulary: dict[str, int] = self._tokenizer.get_vocab()
        self.vocabulary = len(vocabulary)
        """Tokens, the end of a text among them."""
        self.bytes_of_tokens: npt.NDArray[np.int32] = np.zeros(self.vocabulary, np.int32)
        """[vocabulary]: of the text that each token stands for; 0 for the end of a text."""
        for token, number in vocabulary.items():
            self.bytes_of_tokens[number] = 0 if number == found else len(token)  # a character stands for a byte

    def stream(self, texts: Iterable[str]) -> npt.NDArray[np.uint16]:
        """The tokens of `texts` one after another: the end of a text, then each text and the end of it."""
        mark = np.array([self.end_of_text], np.uint16)
        parts = [mark]
        for text in texts:
            paragraphs = paragraphs_of(text)
            while block := list(islice(paragraphs, _AT_ONCE)):
                encoded = self._tokenizer.encode_batch_fast(block, add_special_tokens=False)
                parts += [np.array(each.ids, np.uint16) for each in encoded]
            parts.append(mark)
        return np.concatenate(parts)


def read_tokenizer(content: bytes) -> Any:
    """What `content`, a tokenizer.json, says. ValueError where it is none."""
    try:
        json.loads(content)
        return Tokenizer.from_str(content.decode())
    except Exception as error:  # the library raises Exception itself
        raise ValueError(f"no tokenizer: {error}") from error
