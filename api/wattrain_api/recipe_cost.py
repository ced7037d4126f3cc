"""What a recipe's model costs at one shape of samples: the worker's answer to `wattrain recipes`."""

from __future__ import annotations

from wattrain_api.base import Model
from wattrain_api.recipe_parameters import TaskKind


class RecipeCost(Model):
    """Computed from the model's own operations, without computing any of them."""

    recipe: str
    task: TaskKind
    shape: str
    """Of the samples, in words: `20 columns, 2 classes`."""
    batch_size: int
    """Samples a step that the activations are of."""
    optimizer: str
    parameters: int
    """Weights that are trained."""
    flops_per_sample: float
    """Of a forward and a backward pass: products and additions of matrix products, convolutions and attention, which
    torch counts. What is computed element by element is not in it."""
    parameter_bytes: int
    """With the buffers of the model."""
    gradient_bytes: int
    optimizer_bytes: int
    """What the optimizer keeps for each weight."""
    activation_bytes: int
    """What the forward pass of a batch keeps for the backward pass, the batch itself included."""
    peak_bytes: int
    """The most that a step holds of all these at one time, with what lives for a moment. It is what training takes
    beside the process itself, which has torch and the data."""


class RecipeCosts(Model):
    """Of several recipes."""

    costs: tuple[RecipeCost, ...]
    unknown: dict[str, str] = {}
    """Why there is none, by the recipe's name."""
