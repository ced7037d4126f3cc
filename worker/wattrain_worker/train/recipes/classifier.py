"""What recipes share that choose one of several classes."""

from __future__ import annotations

from torch import Tensor

from wattrain_worker.train.recipes.recipe_protocol import MetricName, SampleKind


class Classifier:
    """Base of such recipes: rows of a table, scores [samples, classes], and how often the highest is at the label."""

    samples: SampleKind = "table"
    metrics: tuple[MetricName, ...] = ("accuracy",)

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """How many samples have their highest score at their label."""
        return ((outputs.argmax(dim=1) == labels).sum(),)
