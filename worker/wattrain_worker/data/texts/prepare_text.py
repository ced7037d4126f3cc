"""Texts, in an order that lets nothing leak from validation and test into training: documents, split, a tokenizer that
is trained on the training split alone, shards. The same input gives the same bytes."""

from __future__ import annotations

import functools
from pathlib import Path

from wattrain_api.data import Data
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepared_data import SPLITS, shard_name, write_companion, write_shard
from wattrain_worker.data.preparer import (
    COUNT_NAMES,
    Document,
    Folders,
    SampleSource,
    demand_rows_for_ranks,
    versions_of,
)
from wattrain_worker.data.source_files import SourceFiles, opened
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.encoded_text import EncodedText, encoded_pairs, encoded_windows
from wattrain_worker.data.texts.prepare_text_classes import prepare_text_classes
from wattrain_worker.data.texts.text_splits import split_texts
from wattrain_worker.errors import BadData


def prepare_text(spec: TrainingJobSpec, data: Data, folders: Folders) -> SampleSource:
    """The documents of a file, a folder or a tar: for a model of language, or, by their classes, for a classifier."""
    files = opened(data.source, folders.claims)
    if spec.recipe is not None and "classification" in spec.recipe.params.TASKS:
        return prepare_text_classes(spec, data, files, folders.claims)
    return SampleSource(files.identity, functools.partial(_write, spec, data, files))


def _write(spec: TrainingJobSpec, data: Data, files: SourceFiles, data_dir: Path) -> Document:
    documents = read_documents(files)
    split = split_texts(documents.found, data.split)
    recipe = spec.recipe
    hides = recipe is not None and "masked-language-modeling" in recipe.params.TASKS
    encoded = (encoded_pairs if hides else encoded_windows)(split.texts, data)
    _demand_samples(encoded, spec, data)
    files_written = {FILE_TOKENIZER: write_companion(data_dir, FILE_TOKENIZER, encoded.tokenizer)}
    files_written |= {shard_name(name): write_shard(data_dir, name, shard) for name, shard in encoded.shards.items()}
    return {
        "samples": "text",
        "task": "masked-language-modeling" if hides else "language-modeling",
        "text": data.text.to_json_object(),
        "vocabulary": encoded.vocabulary,
        "documents": {name: len(split.texts[name]) for name in SPLITS},
        "tokens": dict(encoded.tokens),
        "bytes": dict(encoded.sizes),
        "counts": {
            "read": len(documents.found) + documents.blank,
            "repeats": split.repeats,
            "missingDropped": documents.blank,
            **{COUNT_NAMES[name]: len(shard) for name, shard in encoded.shards.items()},
            "testAlsoInTraining": split.test_also_in_training,
        },
        "warnings": [*documents.warnings, *split.warnings],
        "versions": versions_of("numpy", "tokenizers"),
        "files": files_written,
    }


def _demand_samples(encoded: EncodedText, spec: TrainingJobSpec, data: Data) -> None:
    """BadData where a split that is to have samples has none: of a document with one sentence there is no pair."""
    demand_rows_for_ranks(len(encoded.shards["train"]), spec)
    for name in ("validation", "test"):
        if getattr(data.split, name) > 0 and not len(encoded.shards[name]):
            raise BadData(
                f"data: the {name} split has text, and no sample comes of it; give documents of two sentences or "
                f"more, or set spec.data.split.{name} to 0"
            )
