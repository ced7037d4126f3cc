"""The texts of each split as tokens and samples: of the next token, or of hidden words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wattrain_api.contract.progress import WRITING
from wattrain_api.data import Data
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.prepared_data import SPLITS, Shard
from wattrain_worker.data.texts.byte_pairs import BytePairs, train_byte_pairs
from wattrain_worker.data.texts.paragraphs import paragraphs_of, sentences_of
from wattrain_worker.data.texts.sentence_pairs import pairs_of
from wattrain_worker.data.texts.windows import windows_of
from wattrain_worker.data.texts.word_pieces import WordPieces, train_word_pieces


@dataclass(frozen=True)
class EncodedText:
    """Texts as a model sees them."""

    tokenizer: bytes
    """tokenizer.json, fitted to the training split alone."""
    vocabulary: int
    shards: Mapping[str, Shard]
    tokens: Mapping[str, int]
    """Of each split."""
    sizes: Mapping[str, int]
    """Bytes of the text of each split."""


def encoded_windows(texts: Mapping[str, list[str]], data: Data) -> EncodedText:
    """Windows of byte pairs, for a model of the next token."""
    content = train_byte_pairs(texts["train"], data.text.vocabulary_size)
    tokenizer = BytePairs(content)
    written = _counter(texts)
    streams = {name: tokenizer.stream(written.through(texts[name])) for name in SPLITS}
    written.end()
    shards = {
        name: windows_of(stream, data.text.sequence_length, tokenizer.bytes_of_tokens)
        for name, stream in streams.items()
    }
    return EncodedText(
        tokenizer=content,
        vocabulary=tokenizer.vocabulary,
        shards=shards,
        tokens={name: len(stream) - 1 for name, stream in streams.items()},
        sizes={name: int(shard.tensors["bytes"].sum()) for name, shard in shards.items()},
    )


def encoded_pairs(texts: Mapping[str, list[str]], data: Data) -> EncodedText:
    """Pairs of sentences of word pieces, for a model of hidden words."""
    content = train_word_pieces(texts["train"], data.text.vocabulary_size)
    tokenizer = WordPieces(content)
    written = _counter(texts)
    documents = {
        name: [tokenizer.encode(sentences_of(paragraphs_of(text))) for text in written.through(texts[name])]
        for name in SPLITS
    }
    written.end()
    return EncodedText(
        tokenizer=content,
        vocabulary=tokenizer.vocabulary,
        shards={
            name: pairs_of(of_split, data.text.sequence_length, data.split.seed) for name, of_split in documents.items()
        },
        tokens={name: sum(len(s) for document in of_split for s in document) for name, of_split in documents.items()},
        sizes={name: sum(len(text.encode()) for text in texts[name]) for name in SPLITS},
    )


def _counter(texts: Mapping[str, list[str]]) -> SampleCounter:
    return SampleCounter(WRITING, sum(len(texts[name]) for name in SPLITS))
