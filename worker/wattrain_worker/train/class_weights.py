"""What the loss of a sample counts by its class: `spec.training.classWeights`."""

from __future__ import annotations

from typing import Final

import numpy as np

from wattrain_api.training import Training
from wattrain_worker.data.prepared_data import Prepared
from wattrain_worker.errors import BadSpec

_FIELD: Final = "spec.training.classWeights: balanced"
_MOST_CLASSES: Final = 100
"""The loss of each class is computed on its own."""


def class_weights(training: Training, prepared: Prepared) -> tuple[float, ...] | None:
    """[classes]: the weight of each, by the training split alone, whose rows have the mean weight 1; None: all are 1.

    A class without training rows has the weight 1. BadSpec where there are no classes, or too many.
    """
    if training.class_weights == "none":
        return None
    if prepared.task == "regression":
        raise BadSpec(f"{_FIELD}, but the label is a number, and has no classes; set it to none")
    if prepared.task != "classification":
        raise BadSpec(f"{_FIELD}, but no class is predicted; set it to none")
    classes = len(prepared.classes)
    if classes > _MOST_CLASSES:
        raise BadSpec(
            f"{_FIELD}, but there are {classes:,} classes, and at most {_MOST_CLASSES} can have weights; set it to none"
        )
    rows = np.bincount(prepared.train.labels, minlength=classes)
    shares = len(prepared.train.labels) / np.count_nonzero(rows)
    return tuple(shares / count if count else 1.0 for count in rows.tolist())
