"""What recipes share that predict a number."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from wattrain_api.recipe_parameters import TaskKind
from wattrain_api.training import MetricName
from wattrain_worker.train.recipes.table_samples import TableSamples


class Regressor(TableSamples):
    """Base of such recipes: rows of a table, outputs [samples, 1], labels [samples] float32, and the squared error."""

    task: TaskKind = "regression"
    metrics: tuple[MetricName, ...] = ("mse", "mae", "r2")

    def sums(self, outputs: int) -> int:
        """Four, whatever the model."""
        return 4

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """(output - label)**2, summed over samples."""
        return F.mse_loss(outputs[:, 0].float(), labels, reduction="sum")

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Of the squared error, the absolute error, the label and its square, in float64."""
        known = labels.double()
        errors = outputs[:, 0].double() - known
        return torch.stack([(errors**2).sum(), errors.abs().sum(), known.sum(), (known**2).sum()])

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """MSE, MAE, and R2 = 1 - sum (y - p)**2 / sum (y - mean y)**2 where not all labels are the same."""
        squared, absolute, labels, squares = sums
        found: dict[MetricName, float] = {
            "mse": squared / samples * label_scale**2,
            "mae": absolute / samples * label_scale,
        }
        around_mean = squares - labels**2 / samples
        if around_mean > 1e-12 * squares:  # below it is what rounding leaves of labels that are all the same
            found["r2"] = 1 - squared / around_mean
        return found
