"""What a job says of its decoder."""

from typing import Annotated, ClassVar

from pydantic import Field

from wattrain_api.recipe_parameters import RecipeParameters, SampleKind, TaskKind


class GptParameters(RecipeParameters):
    """A decoder that predicts the next token of a text: GPT-2's, of any size."""

    SAMPLES: ClassVar[SampleKind] = "text"
    TASKS: ClassVar[tuple[TaskKind, ...]] = ("language-modeling",)

    layers: Annotated[int, Field(ge=1, le=96)] = 4
    """Blocks of attention and of two linear layers, one after another."""
    width: Annotated[int, Field(ge=8, le=16_384)] = 128
    """Numbers that stand for a token within the model; a multiple of heads."""
    heads: Annotated[int, Field(ge=1, le=256)] = 4
    """Attentions side by side in each block, each on its part of the width."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the numbers that are dropped in training, after the embeddings, of the attention and at each block's
    ends."""
