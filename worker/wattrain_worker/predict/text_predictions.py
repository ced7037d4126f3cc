"""What a model of language says of texts: how many bits a byte of them takes, or how many hidden tokens it finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from wattrain_api.data import Source
from wattrain_worker.data.prepared_data import Shard, read_companion
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.texts.byte_pairs import FILE_TOKENIZER, BytePairs
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.paragraphs import paragraphs_of, sentences_of
from wattrain_worker.data.texts.sentence_pairs import pairs_of
from wattrain_worker.data.texts.windows import windows_of
from wattrain_worker.data.texts.word_pieces import WordPieces
from wattrain_worker.predict.predictions import Predictions, shard_of
from wattrain_worker.train.evaluation import chunks_of
from wattrain_worker.train.exported import ExportedModel, rounded
from wattrain_worker.train.task import autocast


def predict_texts(model: ExportedModel, model_dir: Path, source: Source) -> Predictions:
    """What the model says of each document of `source`, read as for a training: bits per byte, or the share of hidden
    tokens that it finds. It sees nothing of the others; so whether a part follows another one is not asked. The metrics
    are those of all documents together. BadData where there are none; one without a sample has no prediction.
    """
    documents, content = read_documents(opened(source)), read_companion(model_dir, FILE_TOKENIZER, model.document)
    sums = [_sums(model, shard) for shard in _shards(model, content, [each.text for each in documents.found])]
    blank = (f"{documents.blank:,} lines have an empty text, and no prediction",) if documents.blank else ()
    found = _predictions(model, "document", [document.place for document in documents.found], sums)
    known = {name: value for name, value in found.metrics.items() if name != "nextSentenceAccuracy"}
    return replace(found, metrics=known, notes=(*blank, *documents.warnings))


def _shards(model: ExportedModel, content: bytes, texts: list[str]) -> Iterator[Shard]:
    """The samples of each of `texts`."""
    length = model.document["text"]["sequenceLength"]
    if model.task == "masked-language-modeling":
        pieces = WordPieces(content)
        for text in texts:
            yield pairs_of([pieces.encode(sentences_of(paragraphs_of(text)))], length, seed=0)
        return
    tokenizer = BytePairs(content)
    for text in texts:
        yield windows_of(tokenizer.stream([text]), length, tokenizer.bytes_of_tokens)


def predict_windows(model: ExportedModel, model_dir: Path, split: str) -> Predictions:
    """The same of each sample of `split` of the prepared data beside `model_dir`. The metrics are those of the
    run. BadData where it was prepared for another training, or the split is empty."""
    sums = _sums(model, shard_of(model, model_dir, split))
    word = "pair" if model.task == "masked-language-modeling" else "window"
    return _predictions(model, word, range(1, len(sums) + 1), list(sums[:, None]))


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
    return torch.stack(found) if found else torch.zeros(0, recipe.sums(0), dtype=torch.float64)


def _predictions(
    model: ExportedModel, place_word: str, places: Sequence[int | str], sums: Sequence[Tensor]
) -> Predictions:
    """`sums` [samples, sums] of each place: its prediction is the first of the recipe's metrics."""
    first = model.recipe.metrics[0]
    each = (rounded(model.metrics_of(of_place.sum(dim=0), len(of_place))) if len(of_place) else {} for of_place in sums)
    every = torch.cat(list(sums))
    return Predictions(
        place_word=place_word,
        places=tuple(places),
        predicted=tuple(found.get(first) for found in each),
        labels=None,
        metrics=rounded(model.metrics_of(every.sum(dim=0), len(every))) if len(every) else {},
        notes=(),
    )
