"""What a model of the next token says of texts: how many bits a byte of them takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from wattrain_api.data import Source
from wattrain_worker.data.prepared_data import Shard, read_companion
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER, BytePairs
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.windows import windows_of
from wattrain_worker.predict.predictions import Predictions, shard_of
from wattrain_worker.train.evaluation import chunks_of
from wattrain_worker.train.exported import ExportedModel, rounded
from wattrain_worker.train.task import autocast


def predict_texts(model: ExportedModel, model_dir: Path, source: Source) -> Predictions:
    """The bits per byte of each document of `source`, read as for a training: each begins after the end of a text, and
    the model sees nothing of the others. The metrics are those of all of them together. BadData where there are none.
    """
    tokenizer = BytePairs(read_companion(model_dir, FILE_TOKENIZER, model.document))
    documents, length = read_documents(opened(source)), model.document["text"]["sequenceLength"]
    sums = [
        _sums(model, windows_of(tokenizer.stream([document.text]), length, tokenizer.bytes_of_tokens)).sum(dim=0)
        for document in documents.found
    ]
    blank = (f"{documents.blank:,} lines have an empty text, and no prediction",) if documents.blank else ()
    places = [document.place for document in documents.found]
    return _predictions(model, "document", places, torch.stack(sums), (*blank, *documents.warnings))


def predict_windows(model: ExportedModel, model_dir: Path, split: str) -> Predictions:
    """The bits per byte of each window of `split` of the prepared data that lies beside `model_dir`. The metrics are
    those of the run. BadData where it was prepared for another training, or the split is empty."""
    sums = _sums(model, shard_of(model, model_dir, split))
    return _predictions(model, "window", range(1, len(sums) + 1), sums, ())


@torch.inference_mode()
def _sums(model: ExportedModel, shard: Shard) -> Tensor:
    """[windows, sums]: what the recipe's metrics are computed from, of each window, which go through the model in the
    same chunks and precision as in an evaluation of the run."""
    recipe, found = model.recipe, []
    for chunk in chunks_of(len(shard), model.training.logical_shards, recipe.evaluated_at_once):
        raw = {name: torch.from_numpy(values[chunk].copy()) for name, values in shard.tensors.items()}
        features, labels = recipe.make_batch(raw, torch.arange(chunk.start, chunk.stop), None, model.parameters)
        if len(labels):
            with autocast(model.training, torch.device("cpu")):
                outputs = model.module(features)
            found += [recipe.metric_sums(outputs[row, None], labels[row, None]) for row in range(len(labels))]
    return torch.stack(found)


def _predictions(
    model: ExportedModel, place_word: str, places: Sequence[int | str], sums: Tensor, notes: tuple[str, ...]
) -> Predictions:
    bits = (rounded(model.metrics_of(each, 1)).get("bitsPerByte") for each in sums)
    return Predictions(
        place_word=place_word,
        places=tuple(places),
        predicted=tuple(bits),
        labels=None,
        metrics=rounded(model.metrics_of(sums.sum(dim=0), len(sums))),
        notes=notes,
    )
