"""Labels that a model finds improbable. It only reports: no label and no row is changed."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.fit import fit_scaler

FOLDS: Final = 5
_STEPS: Final = 200
_L2: Final = 1e-3


def suspicious_rows(features: npt.NDArray[np.float32], codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Indices of rows whose label is improbable, the most improbable first.

    Confident learning (Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR
    70, 2021): a linear softmax model, cross-validated over FOLDS folds, predicts each row's class without having seen
    the row. A row is suspicious if another class is predicted at least as surely as that class is for its own rows on
    average, and more surely than the given one. `features` [rows, columns], `codes` [rows].
    """
    present, labels = np.unique(codes, return_inverse=True)
    wide = features.astype(np.float64)
    # A gradient's way is short only among columns of one scale, whatever the job normalizes by.
    probabilities = _cross_validated(fit_scaler(wide, "standard").apply(wide).astype(np.float64), labels, len(present))
    own = probabilities[np.arange(len(labels)), labels]
    # mean self-confidence of each class, from predictions that did not see the row
    threshold = np.bincount(labels, weights=own) / np.bincount(labels)
    confident = np.where(probabilities >= threshold, probabilities, 0.0)
    best = confident.argmax(axis=1)
    suspicious = (best != labels) & (confident[np.arange(len(labels)), best] > own)
    rows = np.flatnonzero(suspicious)
    return rows[np.argsort(own[rows], kind="stable")]


def _cross_validated(
    features: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.float64]:
    """[rows, classes]: probabilities of each row from the model of the fold that left it out."""
    folds = np.empty(len(labels), np.int64)
    for label in range(classes):  # each class evenly over the folds, also where a file is sorted by class
        members = np.flatnonzero(labels == label)
        folds[members] = np.arange(len(members)) % FOLDS
    probabilities = np.empty((len(labels), classes))
    biased = np.hstack([features, np.ones((len(features), 1))])
    for fold in range(FOLDS):
        held_out = folds == fold
        weights = _fit_softmax(biased[~held_out], labels[~held_out], classes)
        probabilities[held_out] = _softmax(biased[held_out] @ weights)
    return probabilities


def _fit_softmax(
    features: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.float64]:
    """[columns, classes]: weights by Nesterov's accelerated gradient descent on the cross-entropy."""
    targets = np.eye(classes)[labels]
    # The cross-entropy's curvature is at most half the largest eigenvalue of the features' second moments.
    curvature = 0.5 * float(np.linalg.eigvalsh(features.T @ features / len(features))[-1]) + _L2
    weights = ahead = np.zeros((features.shape[1], classes))
    for step in range(_STEPS):
        gradient = features.T @ (_softmax(features @ ahead) - targets) / len(features) + _L2 * ahead
        following = ahead - gradient / curvature
        ahead = following + step / (step + 3) * (following - weights)
        weights = following
    return weights


def _softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
