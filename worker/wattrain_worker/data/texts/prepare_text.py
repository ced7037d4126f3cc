"""Texts, in an order that lets nothing leak from validation and test into training: documents, split, a tokenizer that
is trained on the training split alone, shards. The same input gives the same bytes."""

from __future__ import annotations

import functools
from pathlib import Path

from wattrain_api.data import Data
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepared_data import SPLITS, shard_name, write_companion, write_shard
from wattrain_worker.data.preparer import COUNT_NAMES, Document, SampleSource, demand_rows_for_ranks, versions_of
from wattrain_worker.data.source_files import SourceFiles, opened
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER, BytePairs, train_byte_pairs
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.text_splits import split_texts
from wattrain_worker.data.texts.windows import windows_of


def prepare_text(spec: TrainingJobSpec, data: Data, claims_dir: Path) -> SampleSource:
    """The documents of a file, a folder or a tar, for a model of the next token."""
    files = opened(data.source, claims_dir)
    return SampleSource(files.identity, functools.partial(_write, spec, data, files))


def _write(spec: TrainingJobSpec, data: Data, files: SourceFiles, data_dir: Path) -> Document:
    documents = read_documents(files)
    split = split_texts(documents.found, data.split)
    content = train_byte_pairs(split.texts["train"], data.text.vocabulary_size)
    tokenizer = BytePairs(content)
    streams = {name: tokenizer.stream(split.texts[name]) for name in SPLITS}
    shards = {
        name: windows_of(stream, data.text.sequence_length, tokenizer.bytes_of_tokens)
        for name, stream in streams.items()
    }
    demand_rows_for_ranks(len(shards["train"]), spec)
    files_written = {FILE_TOKENIZER: write_companion(data_dir, FILE_TOKENIZER, content)}
    files_written |= {shard_name(name): write_shard(data_dir, name, shard) for name, shard in shards.items()}
    return {
        "samples": "text",
        "task": "language-modeling",
        "text": data.text.to_json_object(),
        "vocabulary": tokenizer.vocabulary,
        "documents": {name: len(split.texts[name]) for name in SPLITS},
        "tokens": {name: len(stream) - 1 for name, stream in streams.items()},
        "bytes": {name: int(shard.tensors["bytes"].sum()) for name, shard in shards.items()},
        "counts": {
            "read": len(documents.found) + documents.blank,
            "repeats": split.repeats,
            "missingDropped": documents.blank,
            **{COUNT_NAMES[name]: len(shard) for name, shard in shards.items()},
            "testAlsoInTraining": split.test_also_in_training,
        },
        "warnings": [*documents.warnings, *split.warnings],
        "versions": versions_of("numpy", "tokenizers"),
        "files": files_written,
    }
