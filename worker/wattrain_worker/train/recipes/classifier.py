"""What recipes share that choose one of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from wattrain_api.recipe_parameters import TaskKind
from wattrain_api.training import MetricName
from wattrain_worker.train.recipes.table_samples import TableSamples

_MOST_CLASSES: Final = 1000
"""With more, sums for each class would be most of what an evaluation computes."""


class ClassMetrics:
    """What such recipes measure, whatever a sample is: scores [samples, classes], and how often the highest is at the
    label."""

    task: TaskKind = "classification"
    metrics: tuple[MetricName, ...] = ("accuracy", "balancedAccuracy", "f1", "rocAuc")

    def sums(self, outputs: int) -> int:
        """Three a class; with very many classes one alone."""
        return 3 * outputs if outputs <= _MOST_CLASSES else 1

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Of each class, how many of its samples have their highest score there, how many it has, and how many samples
        have their highest score there. With very many classes the first, of all of them together."""
        classes, chosen = outputs.shape[1], outputs.argmax(dim=1)
        right = labels[chosen == labels]
        if classes > _MOST_CLASSES:
            return torch.tensor([len(right)], dtype=torch.float64, device=labels.device)
        counts = [torch.bincount(each, minlength=classes) for each in (right, labels, chosen)]
        return torch.cat(counts).double()

    def class_scores(self, outputs: Tensor) -> Tensor:
        """log softmax(outputs); of two classes the difference of the outputs, in the same order, and not rounded to 0
        where the model is very sure."""
        exact = outputs.double()
        return exact - exact.flip(1) if exact.shape[1] == 2 else exact.log_softmax(dim=1)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """[samples, classes], float64: softmax(outputs)."""
        return outputs.double().softmax(dim=1)

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """The accuracy; and, where each of the samples has a class that the model knows, balanced accuracy and F1, as
        scikit-learn's `balanced_accuracy_score` and `f1_score(average="macro")` have them. Classes have no scale."""
        if len(sums) == 1:
            return {"accuracy": sums[0] / samples}
        third = len(sums) // 3
        right, there, chosen = sums[:third], sums[third : 2 * third], sums[2 * third :]
        found: dict[MetricName, float] = {"accuracy": sum(right) / samples}
        if sum(there) == samples:
            recalls = [hits / rows for hits, rows in zip(right, there, strict=True) if rows]
            scores = [2 * hits / (n + p) for hits, n, p in zip(right, there, chosen, strict=True) if n + p]
            found |= {"balancedAccuracy": sum(recalls) / len(recalls), "f1": sum(scores) / len(scores)}
        return found


class Classifier(ClassMetrics, TableSamples):
    """Base of such recipes for rows of a table."""
