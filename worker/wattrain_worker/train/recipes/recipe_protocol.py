"""What a recipe is. CONTRIBUTING.md shows how to add one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from torch import Tensor, nn

from wattrain_api.recipe_parameters import RecipeParameters

P = TypeVar("P", bound=RecipeParameters)
SampleKind = Literal["table", "image", "text", "interactions"]
"""What a sample is. Preparation makes tables; a recipe for another kind is refused when it starts."""
MetricName = Literal["accuracy"]
"""What an evaluation may have beside its loss: fields of `Evaluation` in the contract. The higher, the better."""


@dataclass(frozen=True)
class TableShape:
    """Samples that are rows of numbers, each with a class."""

    columns: int
    """Of the features, which are [samples, columns] float32."""
    classes: int
    """Of the labels, which are [samples] int64, from 0 to classes - 1."""


class Recipe(Protocol[P]):
    """A model with its loss and its metrics. It says what is trained; strategies and engine say how.

    A recipe is a folder in `recipes/`, whose name with hyphens for underscores is that of the recipe. Its
    `parameters.py` has the class of its parameters, its `recipe.py` a `RECIPE` that fulfils this protocol.
    """

    parameters: type[P]
    """What `spec.recipe.params` may hold."""
    samples: SampleKind
    """What it is trained on."""
    metrics: tuple[MetricName, ...]
    """What an evaluation says of it beside the mean loss."""

    def build_model(self, shape: TableShape, parameters: P) -> nn.Module:
        """A model from features to outputs, on the CPU; initial weights from torch's seed. BadSpec where the parameters
        do not go together."""

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Sum over samples of each sample's loss, a scalar; 0, with gradients of 0, where there are none."""

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Sum over samples of each of `metrics`, scalars in their order; their means over all samples are reported."""
