"""What the parameters of recipes have in common. Those of each recipe are in its folder, in the worker, and are copied
into `registered.py` by `make generate`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wattrain_api.base import Model

SampleKind = Literal["table", "image", "text", "interactions"]
"""What a sample is, and so how data is prepared."""
TaskKind = Literal["classification", "regression", "language-modeling", "masked-language-modeling", "ranking"]
"""What is predicted: one of several classes, a number, the next or a hidden word, or what a user turns to next."""


class RecipeParameters(Model):
    """Base of the parameters of every recipe."""

    SAMPLES: ClassVar[SampleKind] = "table"
    """What the recipe is trained on."""
    TASKS: ClassVar[tuple[TaskKind, ...]] = ()
    """What the recipe can be trained for."""


class ClassifierParameters(RecipeParameters):
    """Base of the parameters of recipes that choose one of several classes."""

    TASKS: ClassVar[tuple[TaskKind, ...]] = ("classification",)

    classes: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Number of classes; default: as many as the data has."""


class RegressorParameters(RecipeParameters):
    """Base of the parameters of recipes that predict a number."""

    TASKS: ClassVar[tuple[TaskKind, ...]] = ("regression",)


class PredictorParameters(ClassifierParameters):
    """Base of the parameters of recipes that do both: choose a class or predict a number, as the label demands."""

    TASKS: ClassVar[tuple[TaskKind, ...]] = ("classification", "regression")
