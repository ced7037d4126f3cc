"""The area under the ROC curve, which no sums over samples give: each score is compared with those of all samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wattrain_api.training import MetricName
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.recipes.recipe_protocol import HasClassScores, Recipe

MOST_SCORES: Final = 20_000_000
"""Samples x classes: with more, sorting them would take longer than the model does."""


class RocAuc:
    """Collects the scores of a split, of which each rank has some rows, and compares them all. Each rank needs 8 bytes
    a score of its own rows, and about 40 bytes a row of the split."""

    def __init__(self, group: ProcessGroup, recipe: Recipe[Any, Any], rows: int, outputs: int) -> None:
        self._group, self._rows, self._outputs = group, rows, outputs
        self._recipe: HasClassScores | None = None
        if "rocAuc" in recipe.metrics and rows * outputs <= MOST_SCORES:
            assert isinstance(recipe, HasClassScores)
            self._recipe = recipe
        self._parts: list[tuple[slice, Tensor, Tensor]] = []

    def add(self, rows: slice, outputs: Tensor, labels: Tensor) -> None:
        """Take in the `outputs` of `rows`, which no other rank takes in."""
        if self._recipe is not None:
            self._parts.append((rows, self._recipe.class_scores(outputs), labels))

    def value(self) -> float | None:
        """Of all ranks' rows together, the same to the last bit whatever rank had which; None where it is not wanted or
        not determined. All ranks call it."""
        if self._recipe is None:
            return None
        labels = self._gathered([(rows, labels) for rows, _, labels in self._parts])
        scores = (
            self._gathered([(rows, scores[:, code]) for rows, scores, _ in self._parts])
            for code in range(self._outputs)
        )
        return _mean_area(scores, labels)

    def _gathered(self, parts: list[tuple[slice, Tensor]]) -> npt.NDArray[np.float64]:
        """[rows]: what the ranks have of it. Each row is one rank's, and 0 elsewhere, so that the sum is exact."""
        every = torch.zeros(self._rows, dtype=torch.float64, device=self._group.device)
        for rows, values in parts:
            every[rows] = values.double()
        return self._group.sum(every).cpu().numpy()


def roc_auc_of(scores: Tensor, labels: Tensor) -> float | None:
    """The same of `scores` [samples, classes] and `labels` [samples] that are all here."""
    if scores.numel() > MOST_SCORES:
        return None
    return _mean_area((scores[:, code].double().cpu().numpy() for code in range(scores.shape[1])), labels.cpu().numpy())


def with_roc_auc(metrics: Mapping[MetricName, float], value: float | None) -> dict[MetricName, float]:
    """`metrics`, and the ROC AUC where it is known."""
    return {**metrics} if value is None else {**metrics, "rocAuc": value}


def _mean_area(scores: Iterable[npt.NDArray[np.float64]], labels: npt.NDArray[Any]) -> float | None:
    """Mean of the areas of the classes that samples have; None where that is one class alone. A class takes its turn in
    `scores`, [samples] each. Of two classes the areas are the same, so that the mean is that of either."""
    areas = [_area(of_class[labels == code], of_class[labels != code]) for code, of_class in enumerate(scores)]
    known = [area for area in areas if area is not None]
    return sum(known) / len(known) if known else None


def _area(of_class: npt.NDArray[np.float64], of_others: npt.NDArray[np.float64]) -> float | None:
    """How often one of `of_class` is above one of `of_others`, equal ones half: (2 less + equal) / (2 pairs), in whole
    numbers up to the division (H. B. Mann and D. R. Whitney, Annals of Mathematical Statistics 18, 1947, page 51)."""
    pairs = len(of_class) * len(of_others)
    if not pairs or np.isnan(of_class).any() or np.isnan(of_others).any():
        return None
    others = np.sort(of_others)
    ordered = np.sort(of_class)
    twice = int(np.searchsorted(others, ordered, "left").sum()) + int(np.searchsorted(others, ordered, "right").sum())
    return twice / (2 * pairs)
