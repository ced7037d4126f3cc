"""What a job says of its multilayer perceptron."""

from typing import Annotated

from pydantic import Field

from wattrain_api.recipe_parameters import PredictorParameters


class MlpParameters(PredictorParameters):
    """A multilayer perceptron: linear layers with ReLU and dropout between them."""

    hidden: Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(min_length=1, max_length=16)] = (64, 64)
    """Sizes of the hidden layers."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of hidden units that are dropped in training."""
