"""Texts with classes, in an order that lets nothing leak from validation and test into training: documents, split, a
tokenizer, shards. The tokenizer is that of the initial model, or is trained on the training split alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wattrain_api.contract.progress import WRITING
from wattrain_api.data import Data
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.named_classes import demand_few_classes, demand_two_classes, never_trained, shares_of
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.prepared_data import FILE_INITIAL, SPLITS, Shard, shard_name, write_companion, write_shard
from wattrain_worker.data.preparer import (
    COUNT_NAMES,
    Document,
    SampleSource,
    demand_rows_for_ranks,
    demand_rows_in_splits,
    versions_of,
)
from wattrain_worker.data.row_digests import are_among, digests_of, first_occurrences
from wattrain_worker.data.source_files import SourceFiles
from wattrain_worker.data.split import TEST, TRAIN, deal
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.initial_model import InitialModel, read_initial_model
from wattrain_worker.data.texts.paragraphs import paragraphs_of, sentences_of
from wattrain_worker.data.texts.special_tokens import END, PAD, START
from wattrain_worker.data.texts.text_labels import labels_of_documents
from wattrain_worker.data.texts.word_pieces import WordPieces, train_word_pieces


class EncodedTexts(NamedTuple):
    """Texts as a classifier sees them."""

    tokens: npt.NDArray[np.uint16]
    """[texts, length]: START, as much of the text as there is room for, END, and PAD."""
    cut: int
    """Texts that are longer."""


def encoded_texts(
    tokenizer: WordPieces, texts: Sequence[str], length: int, written: SampleCounter | None = None
) -> EncodedTexts:
    """`texts` in samples of `length` tokens, which `written` counts."""
    tokens, cut, room = np.full((len(texts), length), PAD, np.uint16), 0, length - 2
    for number, text in enumerate(texts if written is None else written.through(texts)):
        sentences = tokenizer.encode(sentences_of(paragraphs_of(text)))
        words = np.concatenate([np.zeros(0, np.uint16), *sentences])
        cut += len(words) > room
        words = words[:room]
        tokens[number, : len(words) + 2] = np.concatenate([[START], words, [END]])
    return EncodedTexts(tokens, cut)


def prepare_text_classes(spec: TrainingJobSpec, data: Data, files: SourceFiles, claims_dir: Path) -> SampleSource:
    """The documents of `files` by their classes. A WorkerError where there is an initial model that cannot be used."""
    initial = read_initial_model(spec, data.text.sequence_length, claims_dir)

    def identity() -> dict[str, str | int]:
        return files.identity() | ({} if initial is None else {"initialModelSha256": initial.sha256})

    return SampleSource(identity, functools.partial(_write, spec, data, files, initial))


def _write(
    spec: TrainingJobSpec, data: Data, files: SourceFiles, initial: InitialModel | None, data_dir: Path
) -> Document:
    documents = read_documents(files, data.label)
    labels = labels_of_documents(documents.found, data.label)
    demand_few_classes(labels, spec, "texts")
    texts = [document.text for document in documents.found]
    digests = digests_of(text.encode() for text in texts)
    no_copies = np.zeros(len(texts), np.int64)  # equal texts stay together
    dealt = deal(data.split, digests, no_copies, labels.codes, None)
    histogram = labels.histogram(dealt)
    counts = {
        "read": len(texts) + documents.blank,
        "repeats": len(texts) - len(first_occurrences(digests, labels.codes)),
        "missingDropped": documents.blank,
        **{COUNT_NAMES[name]: sum(histogram[name]) for name in SPLITS},
        "testAlsoInTraining": int(are_among(digests[dealt == TEST], digests[dealt == TRAIN]).sum()),
    }
    demand_rows_for_ranks(counts["training"], spec)
    demand_rows_in_splits(counts, data.split)
    demand_two_classes(labels, histogram["train"], "texts")
    of_split = [np.flatnonzero(dealt == number).tolist() for number in range(len(SPLITS))]
    content = (
        train_word_pieces([texts[row] for row in of_split[TRAIN]], data.text.vocabulary_size)
        if initial is None
        else initial.tokenizer
    )
    tokenizer = WordPieces(content)
    written, cut = {FILE_TOKENIZER: write_companion(data_dir, FILE_TOKENIZER, content)}, 0
    if initial is not None:
        written[FILE_INITIAL] = write_companion(data_dir, FILE_INITIAL, initial.weights)
    counter = SampleCounter(WRITING, len(texts))
    for name, rows in zip(SPLITS, of_split, strict=True):
        encoded = encoded_texts(tokenizer, [texts[row] for row in rows], data.text.sequence_length, counter)
        shard = Shard({"tokens": encoded.tokens, "labels": labels.codes[rows]})
        written[shard_name(name)] = write_shard(data_dir, name, shard)
        cut += encoded.cut
    counter.end()
    contradicting = len(texts) - counts["repeats"] - len(first_occurrences(digests, no_copies))
    return {
        "samples": "text",
        "task": "classification",
        "label": data.label,
        "text": data.text.to_json_object(),
        "vocabulary": tokenizer.vocabulary,
        "counts": counts,
        "classes": list(labels.classes),
        "classesAsWritten": list(labels.written),
        "labelHistogram": histogram,
        "classShares": shares_of(histogram),
        "warnings": [
            *documents.warnings,
            *_doubts(cut, len(texts), contradicting, data),
            *never_trained(labels, histogram["train"], "text"),
        ],
        "versions": versions_of("numpy", "tokenizers"),
        "files": written,
    }


def _doubts(cut: int, texts: int, contradicting: int, data: Data) -> Iterator[str]:
    """What can be trained on, and may not be what the user means."""
    if cut:
        yield (
            f"{cut:,} of {texts:,} texts are longer than spec.data.text.sequenceLength, {data.text.sequence_length} "
            "tokens with the two around them: of these the model sees the beginning; raise it"
        )
    if contradicting:
        yield (
            f"{contradicting:,} texts are those of an earlier one of another class, so that no model can tell them "
            "apart; correct their classes"
        )
