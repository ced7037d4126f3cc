"""Labels that a model finds improbable. It only reports: no label and no row is changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.fit import facts_of, fit_scaler
from wattrain_worker.data.row_blocks import RowBlocks
from wattrain_worker.data.scratch import Scratch

Features = npt.NDArray[np.float64]
"""[rows, columns]"""
FOLDS: Final = 5
_STEPS: Final = 200
_L2: Final = 1e-3


def suspicious_rows(
    features: npt.NDArray[np.float32], codes: npt.NDArray[np.int64], scratch: Scratch
) -> npt.NDArray[np.int64]:
    """Indices of rows whose label is improbable, the most improbable first.

    Confident learning (Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR
    70, 2021): a linear softmax model, cross-validated over FOLDS folds, predicts each row's class without having seen
    the row. A row is suspicious if another class is predicted at least as surely as that class is for its own rows on
    average, and more surely than the given one. `features` [rows, columns], `codes` [rows].
    """
    present, labels = np.unique(codes, return_inverse=True)
    folds = _folds(labels, len(present))
    order = np.argsort(folds, kind="stable")  # of each fold together, so that a model learns from two slices at most
    probabilities = _cross_validated(
        _scaled(features, order, scratch), labels[order], np.bincount(folds, minlength=FOLDS), len(present), scratch
    )
    labels = labels[order]
    own = np.concatenate([each[np.arange(len(each)), labels[at]] for at, each in _parts(probabilities)])
    # mean self-confidence of each class, from predictions that did not see the row
    threshold = np.bincount(labels, weights=own) / np.bincount(labels)
    suspicious = np.empty(len(labels), np.bool_)
    for at, each in _parts(probabilities):
        confident = np.where(each >= threshold, each, 0.0)
        best = confident.argmax(axis=1)
        suspicious[at] = (best != labels[at]) & (confident[np.arange(len(best)), best] > own[at])
    rows = np.flatnonzero(suspicious)
    return order[rows[np.lexsort((order[rows], own[rows]))]]


def _folds(labels: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int8]:
    """[rows]: each class evenly over the folds, also where a file is sorted by class."""
    folds = np.empty(len(labels), np.int8)
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        folds[members] = np.arange(len(members)) % FOLDS
    return folds


def _scaled(features: npt.NDArray[np.float32], order: npt.NDArray[np.int64], scratch: Scratch) -> Features:
    """`features` in `order`, of one scale, and a column of ones: a gradient's way is short only among columns of one
    scale, whatever the job normalizes by."""
    wide = RowBlocks(features).changed(lambda block: block.astype(np.float64))
    scaler = fit_scaler(wide, facts_of(wide), "standard")
    scaled: Features = scratch.empty((len(features), features.shape[1] + 1), np.float64)
    for at, part in _parts(scaled):
        part[:, :-1] = scaler.apply(wide.at(order[at]))
        part[:, -1] = 1.0
    return scaled


def _parts(matrix: Features) -> Iterator[tuple[slice, Features]]:
    """Rows of `matrix` that memory holds, and where they are."""
    for start, end in RowBlocks(matrix).spans():
        yield slice(start, end), matrix[start:end]


def _cross_validated(
    features: Features, labels: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], classes: int, scratch: Scratch
) -> npt.NDArray[np.float64]:
    """[rows, classes]: probabilities of each row from the model of the fold that left it out; fold after fold lie in
    `features`, `sizes` long."""
    probabilities: npt.NDArray[np.float64] = scratch.empty((len(labels), classes), np.float64)
    ends = np.cumsum(sizes).tolist()
    for start, end in zip([0, *ends], ends, strict=False):
        others = [(features[at], labels[at]) for at in (slice(0, start), slice(end, len(labels)))]
        weights = _fit_softmax(others, classes)
        for at, part in _parts(features[start:end]):
            probabilities[start:end][at] = _softmax(part @ weights)
    return probabilities


def _fit_softmax(samples: list[tuple[Features, npt.NDArray[np.int64]]], classes: int) -> npt.NDArray[np.float64]:
    """[columns, classes]: weights by Nesterov's accelerated gradient descent on the cross-entropy."""
    rows, columns = sum(len(labels) for _, labels in samples), samples[0][0].shape[1]
    parts = [(part, labels[at]) for features, labels in samples for at, part in _parts(features)]
    moments = np.zeros((columns, columns))
    for part, _ in parts:
        moments += part.T @ part
    # The cross-entropy's curvature is at most half the largest eigenvalue of the features' second moments.
    curvature = 0.5 * float(np.linalg.eigvalsh(moments / rows)[-1]) + _L2
    weights = ahead = np.zeros((columns, classes))
    for step in range(_STEPS):
        gradient = _L2 * ahead
        for part, labels in parts:
            wrong = _softmax(part @ ahead)
            wrong[np.arange(len(labels)), labels] -= 1.0
            gradient += part.T @ wrong / rows
        following = ahead - gradient / curvature
        ahead = following + step / (step + 3) * (following - weights)
        weights = following
    return weights


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
