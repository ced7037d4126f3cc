"""What transformers are made of: attention and two linear layers, each added to what comes in."""

from __future__ import annotations

import math
from typing import Final

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_worker.errors import BadSpec

_DEVIATION: Final = 0.02
"""Of initial weights, as in GPT-2 and BERT."""


class Attention(nn.Module):
    """[samples, tokens, width] to the same: each token looks at the ones before it and at itself, or at all of those
    that `there` [samples, 1, 1, tokens] names (Vaswani et al., "Attention Is All You Need", 2017)."""

    def __init__(self, width: int, heads: int, dropout: float, *, is_causal: bool) -> None:
        super().__init__()
        self._heads, self._dropout, self._is_causal = heads, dropout, is_causal
        self.inputs = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, features: Tensor, there: Tensor | None = None) -> Tensor:
        """See the class."""
        samples, tokens, width = features.shape
        parts = self.inputs(features).view(samples, tokens, 3, self._heads, width // self._heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(
            query, key, value, there, dropout_p=self._dropout if self.training else 0.0, is_causal=self._is_causal
        )
        output: Tensor = self.output(found.transpose(1, 2).reshape(samples, tokens, width))
        return output


def linear_layers(width: int) -> nn.Sequential:
    """width -> 4 width -> width, with GELU by tanh between, as GPT-2 and BERT have them."""
    return nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))


def initialise(model: nn.Module, layers: int, added: tuple[str, ...] = ()) -> None:
    """Weights from a normal distribution, biases 0. Those of linear layers whose name ends in one of `added`, whose
    output is added to what came in, are smaller by the root of how many there are, 2 a layer (Radford et al.,
    "Language Models are Unsupervised Multitask Learners", 2019, section 2.3)."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            smaller = math.sqrt(2 * layers) if name.endswith(added) else 1.0
            nn.init.normal_(module.weight, std=_DEVIATION / smaller)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)


def demand_heads(width: int, heads: int) -> None:
    """BadSpec where `width` cannot be shared out to `heads`."""
    if width % heads:
        raise BadSpec(
            f"spec.recipe.params.heads: {heads}, but {width} (spec.recipe.params.width) is no multiple of it; write a "
            f"width such as {-(-width // heads) * heads}"
        )
