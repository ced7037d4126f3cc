"""What a recipe is. CONTRIBUTING.md shows how to add one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from torch import Tensor, nn

from wattrain_api.recipe_parameters import RecipeParameters, TaskKind
from wattrain_api.training import MetricName

P = TypeVar("P", bound=RecipeParameters)
RawSamples = Mapping[str, Tensor]
"""Samples as their shard has them: tensors by name, [samples, ...] each, on the CPU."""


@dataclass(frozen=True)
class TableShape:
    """Samples that are rows of numbers, each with a label."""

    columns: int
    """Of the features, which are [samples, columns] float32."""
    classes: int
    """Of the labels, which are [samples] int64, from 0 to classes - 1. 1 in a regression, whose labels are [samples]
    float32, normalized as the features are."""

    @property
    def outputs(self) -> int:
        """Of a model, a sample."""
        return self.classes


@dataclass(frozen=True)
class ImageShape:
    """Samples that are pictures, each with a label."""

    size: int
    """Of the pictures, which are [samples, 3, size, size] uint8: red, green and blue, row by row from the top."""
    classes: int
    """Of the labels, which are [samples] int64, from 0 to classes - 1."""
    mean: tuple[float, ...]
    """[3]: of the training split's pixels, 0 to 255."""
    deviation: tuple[float, ...]
    """[3]: their standard deviation, above 0."""

    @property
    def outputs(self) -> int:
        """Of a model, a sample."""
        return self.classes


@dataclass(frozen=True)
class TextShape:
    """Samples that are texts."""

    vocabulary: int
    """Tokens that there are: a token is a number from 0 to vocabulary - 1."""
    sequence_length: int
    """Tokens of a sample, at most."""
    classes: int = 0
    """Of the labels, which are [samples] int64, from 0 to classes - 1; 0 where tokens are predicted."""

    @property
    def outputs(self) -> int:
        """Of a model, a sample; 0 where it has outputs for each token."""
        return self.classes


@dataclass(frozen=True)
class InteractionsShape:
    """Samples that are pairs of a user and an item."""

    users: int
    items: int
    """Those of the training split, from 1 on, and 0 for any other."""

    @property
    def outputs(self) -> int:
        """Of a model that is not trained, a sample."""
        return self.items


class Shape(Protocol):
    """What a model is built for: a class for each kind of samples."""

    @property
    def outputs(self) -> int:
        """Of a model, a sample; 0 where that says nothing."""


S = TypeVar("S", bound=Shape, contravariant=True)


class Draw(NamedTuple):
    """What is drawn at random for the samples of a training step follows from this and the sample's number alone: so it
    is the same on any number of ranks, and after a restart."""

    seed: int
    step: int
    """0-based"""


class Recipe(Protocol[P, S]):
    """A model with its loss and its metrics. It says what is trained; strategies and engine say how.

    A recipe is a folder in `recipes/`, whose name with hyphens for underscores is that of the recipe. Its
    `parameters.py` has the class of its parameters, its `recipe.py` a `RECIPE` that fulfils this protocol, and, where
    it does more than one task, `FURTHER` with one for each other task.
    """

    parameters: type[P]
    """What `spec.recipe.params` may hold."""
    task: TaskKind
    """What it is trained for: one of its parameters' `TASKS`."""
    metrics: tuple[MetricName, ...]
    """What an evaluation says of it beside the mean loss."""

    evaluated_at_once: int
    """How many samples go through the model at once where it is not trained. It is part of the result's last bits."""

    def build_model(self, shape: S, parameters: P) -> nn.Module:
        """A model from features to outputs, on the CPU; initial weights from torch's seed. BadSpec where the parameters
        do not go together, or not with `shape`."""

    def make_batch(self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: P) -> tuple[Tensor, Tensor]:
        """Features and labels, [samples, ...] each, of `raw`, the samples of those numbers in their split [samples].
        None: without anything drawn anew in each step; what is drawn all the same follows from the number alone."""

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Sum over samples of each sample's loss, a scalar; 0, with gradients of 0, where there are none."""

    def sums(self, outputs: int) -> int:
        """How many sums over samples the metrics are computed from, where the model has that many outputs a sample."""

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """[sums], float64: sums over samples, which chunks and ranks add up."""

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """The metrics from the sums over all of `samples` (at least 1). `label_scale`: what 1 is of a normalized number
        in the label's own unit. A metric that these samples do not determine is left out."""


@runtime_checkable
class HasExample(Protocol):
    """A recipe of which `wattrain recipes` tells the cost: it can say what its samples look like. Recipes for tables
    have this from their base."""

    def example_shape(self) -> Shape:
        """The shape that the cost is told for where no job is given."""

    def example_batch(self, shape: Shape, samples: int) -> tuple[Tensor, Tensor]:
        """Features and labels as `make_batch` makes them, for that many samples: made of zeros on the device of the
        moment, which may be one of tensors without values."""

    def told_shape(self, shape: Shape) -> str:
        """`shape` in a few words."""


@runtime_checkable
class BeginsWithModel(Protocol):
    """A recipe whose training may begin with a model of another one: `spec.training.initialModel`."""

    def begin_with(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Give `model`, which `build_model` made, what it has in common with the other's `weights`, by name. BadSpec
        where something of that is missing, or has another shape."""


@runtime_checkable
class HasClassScores(Protocol):
    """A recipe with the metric rocAuc."""

    def class_scores(self, outputs: Tensor) -> Tensor:
        """[samples, classes], float64: how sure the model is of each class, in a unit in which samples can be
        compared."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """[samples, classes], float64: how probable each class is, by the model."""
