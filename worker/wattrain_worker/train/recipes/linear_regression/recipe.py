"""Linear regression: p = w x + b, and the squared error (p - y)**2."""

from __future__ import annotations

from typing import Final

from torch import nn

from wattrain_worker.train.recipes.linear_regression.parameters import LinearRegressionParameters
from wattrain_worker.train.recipes.recipe_protocol import Recipe, TableShape
from wattrain_worker.train.recipes.regressor import Regressor


class LinearRegression(Regressor):
    """The recipe `linear-regression`."""

    parameters = LinearRegressionParameters

    def build_model(self, shape: TableShape, parameters: LinearRegressionParameters) -> nn.Module:
        """w = 0 and b = 0: the loss is convex, so the start does not matter."""
        layer = nn.Linear(shape.columns, shape.classes)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return layer


RECIPE: Final[Recipe[LinearRegressionParameters, TableShape]] = LinearRegression()
