"""What recipes share whose samples are tokens."""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from wattrain_worker.train.recipes.recipe_protocol import TextShape

NOT_ASKED: Final = -1
"""In place of a token that is not to be told."""


class TextSamples:
    """Base of such recipes."""

    evaluated_at_once: int = 8

    def example_shape(self) -> TextShape:
        """What a job has that says nothing of it."""
        return TextShape(vocabulary=4096, sequence_length=128)

    def told_shape(self, shape: TextShape) -> str:
        """Tokens that there are, and of a sample."""
        return f"{shape.sequence_length:,} of {shape.vocabulary:,} tokens"

    def sums(self, outputs: int) -> int:
        """Three, whatever the model."""
        return 3


def token_losses(scores: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Of `scores` [samples, tokens, vocabulary] and the tokens that are `wanted` [samples, tokens]: the loss of each,
    [samples, tokens], 0 where none is asked for; and how many are, [samples]."""
    losses = F.cross_entropy(scores.float().flatten(0, 1), wanted.flatten(), ignore_index=NOT_ASKED, reduction="none")
    return losses.view(wanted.shape), (wanted != NOT_ASKED).sum(dim=1)
