"""What a job says of its encoder."""

from typing import Annotated, ClassVar

from pydantic import Field

from wattrain_api.recipe_parameters import RecipeParameters, SampleKind, TaskKind


class BertParameters(RecipeParameters):
    """An encoder that finds hidden words and tells which sentence follows: BERT's, of any size."""

    SAMPLES: ClassVar[SampleKind] = "text"
    TASKS: ClassVar[tuple[TaskKind, ...]] = ("masked-language-modeling",)

    layers: Annotated[int, Field(ge=1, le=96)] = 4
    """Blocks of attention and of two linear layers, one after another."""
    width: Annotated[int, Field(ge=8, le=16_384)] = 128
    """Numbers that stand for a token within the model; a multiple of heads."""
    heads: Annotated[int, Field(ge=1, le=256)] = 4
    """Attentions side by side in each block, each on its part of the width."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the numbers that are dropped in training, after the embeddings, of the attention and at each block's
    ends."""
