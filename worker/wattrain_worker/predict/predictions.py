"""Predictions of any samples, and those of a split of the data that a model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from wattrain_api.names import FILE_PREPARE
from wattrain_api.recipe_parameters import SampleKind
from wattrain_worker.data.prepared_data import Shard, label_scaling_of, load_prepared, samples_of
from wattrain_worker.errors import BadData, BadSpec
from wattrain_worker.train.exported import ExportedModel

UNKNOWN: Final = -2
"""The code of a label that is none of the model's classes."""
_FEATURES: Final[dict[SampleKind, str]] = {"table": "features", "image": "images", "text": "tokens"}
"""Which tensor of a shard a model is given, by the kind of its samples."""


@dataclass(frozen=True)
class Predictions:
    """One prediction a row, in the order of the rows."""

    place_word: str
    places: tuple[int | str, ...]
    """[rows]: line, row or file of each."""
    predicted: tuple[str | float | None, ...]
    """[rows]: a class as the training's file writes it, or a number; None where a value is missing and the training
    filled none in, or a picture cannot be read."""
    labels: tuple[str | float | None, ...] | None
    """[rows]: what the file says; None alone: it has no label."""
    metrics: dict[str, float]
    """The recipe's metrics over the rows that have a label and a prediction, to five digits, as a status and a receipt
    have them; empty where there are none."""
    notes: tuple[str, ...]
    """What a person should know of them, a sentence each."""
    classes: tuple[str, ...] = ()
    """Of a model that chooses a class, as the training's file writes them."""
    probabilities: npt.NDArray[np.float64] | None = None
    """[rows, classes]: how probable each class is by the model, nan where nothing is predicted; None: it has none."""


def predict_split(model: ExportedModel, model_dir: Path, split: str) -> Predictions:
    """Predict the rows of `split` of the prepared data that lies beside `model_dir`. The metrics are those of the run.

    BadData where it was prepared for another training.
    """
    if samples_of(model.document) not in _FEATURES:
        raise BadSpec(
            f"--split: samples of the kind {samples_of(model.document)} are predicted from a file alone; give a file"
        )
    shard = shard_of(model, model_dir, split)
    every = np.ones(len(shard.labels), np.bool_)
    labels = Known(shard.labels, every, every)
    features = shard.tensors[_FEATURES[samples_of(model.document)]]
    whole = features.astype(np.int64) if features.dtype == np.uint16 else features  # tokens
    answers = asked(model, whole, every, labels)
    return Predictions(
        place_word="row",
        places=tuple(range(1, len(shard.labels) + 1)),
        predicted=answers.predicted,
        labels=_labels_of(model, shard.labels),
        metrics=answers.metrics,
        notes=(),
        classes=model.written,
        probabilities=answers.probabilities,
    )


def shard_of(model: ExportedModel, model_dir: Path, split: str) -> Shard:
    """`split` of the prepared data that lies beside `model_dir`. BadData where it was prepared for another training, or
    has no samples."""
    data_dir = model_dir.resolve().parent / "data"
    prepared = load_prepared(data_dir)
    if prepared.document != model.document:
        raise BadData(
            f"{data_dir / FILE_PREPARE}: not the preparation that the model was trained on, which is in {model_dir}; "
            "train again, or give a file"
        )
    shard = {"train": prepared.train, "validation": prepared.validation, "test": prepared.test}[split]
    if not len(shard):
        raise BadData(f"the {split} split of the model's data has no rows; give a file, or another split")
    return shard


class Known(NamedTuple):
    """Labels as the model's metrics take them."""

    values: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    """[rows]: indices of the model's classes, or normalized numbers."""
    there: npt.NDArray[np.bool_]
    """[rows]: which rows have a label."""
    met: npt.NDArray[np.bool_]
    """[rows]: whose label is one that the model knows; another one counts, and is never met."""


class Answers(NamedTuple):
    """What a model says of rows."""

    predicted: tuple[str | float | None, ...]
    """[rows]: None where a row is not whole."""
    metrics: dict[str, float]
    """Over the rows that are whole and have a label."""
    probabilities: npt.NDArray[np.float64] | None
    """[rows, classes], nan where a row is not whole; None where there are no classes."""


def asked(
    model: ExportedModel, features: npt.NDArray[Any], whole: npt.NDArray[np.bool_], labels: Known | None
) -> Answers:
    """The answer for each row that is `whole`, and the metrics over those of them that have one of `labels`."""
    predicted: list[str | float | None] = [None] * len(features)
    if not whole.any():
        return Answers(tuple(predicted), {}, None)
    outputs = model.outputs(features if whole.all() else features[whole])
    answers: Sequence[str | float] = model.answers(outputs)
    for row, answer in zip(np.flatnonzero(whole).tolist(), answers, strict=True):
        predicted[row] = answer
    found = model.probabilities(outputs)
    probabilities = None if found is None else np.full((len(features), found.shape[1]), np.nan)
    if found is not None and probabilities is not None:
        probabilities[whole] = found
    if labels is None or not labels.there[whole].any():
        return Answers(tuple(predicted), {}, probabilities)
    met = labels.met[whole]
    values = torch.from_numpy(labels.values[whole][met])
    metrics = model.metrics(outputs[met], values, int(labels.there[whole].sum()))
    return Answers(tuple(predicted), metrics, probabilities)


def _labels_of(model: ExportedModel, labels: npt.NDArray[Any]) -> tuple[str | float | None, ...]:
    """Labels of a shard as their file writes them, numbers in their own unit."""
    if model.task == "regression":
        mean, scale = label_scaling_of(model.document)
        return tuple(float(f"{number:.7g}") for number in (labels.astype(np.float64) * scale + mean).tolist())
    return tuple(model.written[code] for code in labels.tolist())
