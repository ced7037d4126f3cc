"""A multilayer perceptron: linear layers with ReLU and dropout between them, cross-entropy over classes."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_api.training import RecipeParams


class Mlp:
    """The recipe `mlp`."""

    def build_model(self, columns: int, classes: int, params: RecipeParams) -> nn.Module:
        """columns -> hidden[0] -> ... -> hidden[-1] -> classes."""
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((columns, *params.hidden)):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
            if params.dropout:
                layers.append(nn.Dropout(params.dropout))
        return nn.Sequential(*layers, nn.Linear(params.hidden[-1], classes))

    def loss_sum(self, scores: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(scores)[label], summed over samples."""
        return F.cross_entropy(scores.float(), labels, reduction="sum")
