"""Models that the worker brings. A recipe is what is particular to one of them; the engine does the rest."""

from __future__ import annotations

from typing import Final, Protocol

from torch import Tensor, nn

from wattrain_api.training import RecipeParams
from wattrain_worker.train.errors import BadSpec
from wattrain_worker.train.recipes.logistic_regression import LogisticRegression
from wattrain_worker.train.recipes.mlp import Mlp


class Recipe(Protocol):
    """One kind of classifier."""

    def build_model(self, columns: int, classes: int, params: RecipeParams) -> nn.Module:
        """A model from [samples, columns] float32 to [samples, classes] scores; initial weights from torch's seed."""

    def loss_sum(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Sum over samples of each sample's loss, a scalar; 0 where there are none. labels: [samples] int64."""


RECIPES: Final[dict[str, Recipe]] = {"logistic-regression": LogisticRegression(), "mlp": Mlp()}


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`; BadSpec where this worker has none."""
    if name not in RECIPES:
        raise BadSpec(f"spec.recipe.name: {name!r} is not supported yet; write one of {', '.join(RECIPES)}")
    return RECIPES[name]


def count_correct(scores: Tensor, labels: Tensor) -> Tensor:
    """How many samples have their highest score at their label, a scalar."""
    return (scores.argmax(dim=1) == labels).sum()
