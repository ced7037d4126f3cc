"""Logistic regression: one sigmoid a class, one against the rest.

    z = W x - b,  p_c = sigma(z_c),  y_c = 1 where c is the label, else 0
    L = (1/n) sum_i sum_c -[y_ic log p_ic + (1 - y_ic) log(1 - p_ic)]

From d sigma/dz = sigma (1 - sigma) follows dL/dz_ic = (p_ic - y_ic) / n, and by the chain rule

    dL/dW = (dL/dz)^T X,    dL/db = -sum_i dL/dz_i

(C. M. Bishop, Pattern Recognition and Machine Learning, 2006, equations 4.90 and 4.91, for each class).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_worker.train.recipes.classifier import Classifier
from wattrain_worker.train.recipes.logistic_regression.parameters import LogisticRegressionParameters
from wattrain_worker.train.recipes.recipe_protocol import Recipe, TableShape


class LogisticRegression(Classifier):
    """The recipe `logistic-regression`."""

    parameters = LogisticRegressionParameters

    def build_model(self, shape: TableShape, parameters: LogisticRegressionParameters) -> nn.Module:
        """W = 0 and b = 0: the loss is convex, so the start does not matter, and every p is 1/2."""
        return _Sigmoids(shape.columns, shape.classes)

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Binary cross-entropy of each class, summed over classes and samples."""
        targets = F.one_hot(labels, outputs.shape[1]).to(torch.float32)
        return F.binary_cross_entropy_with_logits(outputs.float(), targets, reduction="sum")

    def class_scores(self, outputs: Tensor) -> Tensor:
        """z, since each sigmoid is a class against the rest; of two classes as of every classifier."""
        return outputs.double() if outputs.shape[1] > 2 else super().class_scores(outputs)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """The sigmoid of each class against the rest, scaled so that they add up to 1."""
        each = outputs.double().sigmoid().clamp_min(torch.finfo(torch.float64).tiny)
        return each / each.sum(dim=1, keepdim=True)


class _Sigmoids(nn.Module):
    """Scores z; the sigmoid is in the loss, where it is exact for large |z| too."""

    def __init__(self, columns: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, columns))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, features: Tensor) -> Tensor:
        return F.linear(features, self.weight, -self.bias)


RECIPE: Final[Recipe[LogisticRegressionParameters, TableShape]] = LogisticRegression()


class LossAndGradients(NamedTuple):
    """L, dL/dW [classes, columns] and dL/db [classes]."""

    loss: Tensor
    weight: Tensor
    bias: Tensor


def loss_and_gradients(weight: Tensor, bias: Tensor, features: Tensor, labels: Tensor) -> LossAndGradients:
    """The formulas above, written out: what the recipe computes through autograd, without autograd.

    weight [classes, columns], bias [classes], features [samples, columns], labels [samples] int64; samples >= 1.
    """
    z = features @ weight.T - bias
    targets = F.one_hot(labels, len(bias)).to(z.dtype)
    # log p = -softplus(-z) and log(1 - p) = -softplus(z): neither overflows.
    loss = (targets * F.softplus(-z) + (1 - targets) * F.softplus(z)).sum() / len(labels)
    dz = (torch.sigmoid(z) - targets) / len(labels)
    return LossAndGradients(loss, dz.T @ features, -dz.sum(dim=0))
