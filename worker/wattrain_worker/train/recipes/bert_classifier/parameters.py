"""What a job says of its classifier of texts."""

from typing import Annotated, ClassVar

from pydantic import Field

from wattrain_api.recipe_parameters import ClassifierParameters, SampleKind


class BertClassifierParameters(ClassifierParameters):
    """BERT's encoder with a layer that chooses a class of a text: that of a model of bert, or new."""

    SAMPLES: ClassVar[SampleKind] = "text"

    layers: Annotated[int, Field(ge=1, le=96)] = 4
    """Blocks of attention and of two linear layers, one after another; as many as the initial model has."""
    width: Annotated[int, Field(ge=8, le=16_384)] = 128
    """Numbers that stand for a token within the model; a multiple of heads; as many as the initial model has."""
    heads: Annotated[int, Field(ge=1, le=256)] = 4
    """Attentions side by side in each block, each on its part of the width; as many as the initial model has."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the numbers that are dropped in training, after the embeddings, of the attention, at each block's ends
    and before the classes."""
