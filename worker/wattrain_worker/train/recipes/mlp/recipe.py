"""A multilayer perceptron: linear layers with ReLU and dropout between them; cross-entropy over classes, or the squared
error of a number."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_worker.train.recipes.classifier import Classifier
from wattrain_worker.train.recipes.mlp.parameters import MlpParameters
from wattrain_worker.train.recipes.recipe_protocol import Recipe, TableShape
from wattrain_worker.train.recipes.regressor import Regressor


class _Layers:
    """The model of both tasks."""

    parameters = MlpParameters

    def build_model(self, shape: TableShape, parameters: MlpParameters) -> nn.Module:
        """columns -> hidden[0] -> ... -> hidden[-1] -> classes, or 1."""
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((shape.columns, *parameters.hidden)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            if parameters.dropout:
                layers.append(nn.Dropout(parameters.dropout))
        return nn.Sequential(*layers, nn.Linear(parameters.hidden[-1], shape.classes))


class Mlp(_Layers, Classifier):
    """The recipe `mlp` for classes."""

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(outputs)[label], summed over samples."""
        return F.cross_entropy(outputs.float(), labels, reduction="sum")


class MlpRegression(_Layers, Regressor):
    """The recipe `mlp` for a number."""


RECIPE: Final[Recipe[MlpParameters, TableShape]] = Mlp()
FURTHER: Final[tuple[Recipe[MlpParameters, TableShape], ...]] = (MlpRegression(),)
