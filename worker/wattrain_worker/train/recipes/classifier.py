"""What recipes share that choose one of several classes."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from wattrain_api.recipe_parameters import TaskKind
from wattrain_worker.train.recipes.recipe_protocol import MetricName, SampleKind


class Classifier:
    """Base of such recipes: rows of a table, scores [samples, classes], and how often the highest is at the label."""

    samples: SampleKind = "table"
    task: TaskKind = "classification"
    metrics: tuple[MetricName, ...] = ("accuracy",)
    sums: int = 1

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """How many samples have their highest score at their label."""
        return ((outputs.argmax(dim=1) == labels).sum(),)

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """The accuracy; classes have no scale."""
        return {"accuracy": sums[0] / samples}
