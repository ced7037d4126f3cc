"""What a job says of its recommender."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wattrain_api.recipe_parameters import RecipeParameters, SampleKind, TaskKind


class RecommenderParameters(RecipeParameters):
    """What a user turns to next, learnt from what all users turned to."""

    SAMPLES: ClassVar[SampleKind] = "interactions"
    TASKS: ClassVar[tuple[TaskKind, ...]] = ("ranking",)

    model: Literal["two-tower", "neumf"] = "two-tower"
    """`two-tower`: a vector a user, a vector an item, and their product; `neumf`: that, and a multilayer perceptron of
    both vectors beside it, which costs more for each item."""
    dimensions: Annotated[int, Field(ge=1, le=4096)] = 64
    """Length of the vectors."""
    negatives: Annotated[int, Field(ge=1, le=4096)] = 128
    """Items drawn anew for each sample of each step, from which its own is to be told."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Share of the vectors' numbers that are dropped in training."""
