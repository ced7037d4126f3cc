"""GPT-2's decoder (Radford et al., "Language Models are Unsupervised Multitask Learners", 2019): learned positions,
layer normalization before attention and before the linear layers and at the end, and an output whose weights are those
of the embedding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_api.recipe_parameters import TaskKind
from wattrain_api.training import MetricName
from wattrain_worker.data.texts.windows import NO_TOKEN
from wattrain_worker.train.recipes.gpt.parameters import GptParameters
from wattrain_worker.train.recipes.recipe_protocol import Draw, RawSamples, Recipe, TextShape
from wattrain_worker.train.recipes.text_samples import NOT_ASKED, TextSamples, token_losses
from wattrain_worker.train.recipes.transformer_blocks import Attention, demand_heads, initialise, linear_layers

_LARGEST_LOSS: Final = 700.0
"""Above it e to the loss is no number of float64."""


class _Block(nn.Module):
    def __init__(self, parameters: GptParameters) -> None:
        super().__init__()
        width, dropout = parameters.width, parameters.dropout
        self.attention_norm, self.linear_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, parameters.heads, dropout, is_causal=True)
        self.linear = linear_layers(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        features = features + self.dropout(self.attention(self.attention_norm(features)))
        found: Tensor = features + self.dropout(self.linear(self.linear_norm(features)))
        return found


class _Decoder(nn.Module):
    """[samples, tokens] int64 to [samples, tokens, vocabulary]: at each token the scores of the one after it."""

    def __init__(self, shape: TextShape, parameters: GptParameters) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, parameters.width)
        self.positions = nn.Embedding(shape.sequence_length, parameters.width)
        self.dropout = nn.Dropout(parameters.dropout)
        self.blocks = nn.ModuleList(_Block(parameters) for _ in range(parameters.layers))
        self.norm = nn.LayerNorm(parameters.width)
        initialise(self, parameters.layers, added=("attention.output", "linear.2"))

    def forward(self, tokens: Tensor) -> Tensor:
        features = self.dropout(self.embedding(tokens) + self.positions.weight[: tokens.shape[1]])
        for block in self.blocks:
            features = block(features)
        return F.linear(self.norm(features), self.embedding.weight)


class Gpt(TextSamples):
    """The recipe `gpt`. Labels are [samples, tokens + 1] int64: the tokens to predict, and the bytes of their text."""

    parameters = GptParameters
    task: TaskKind = "language-modeling"
    metrics: tuple[MetricName, ...] = ("bitsPerByte", "perplexity")

    def build_model(self, shape: TextShape, parameters: GptParameters) -> nn.Module:
        """tokens -> width -> ... -> width -> vocabulary."""
        demand_heads(parameters.width, parameters.heads)
        return _Decoder(shape, parameters)

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: GptParameters
    ) -> tuple[Tensor, Tensor]:
        """Each window without its last token, and without its first; nothing is drawn."""
        tokens = raw["tokens"].long()
        is_there = tokens != NO_TOKEN
        following = torch.where(is_there[:, 1:], tokens[:, 1:], NOT_ASKED)
        # What fills a window comes after all of its tokens, none of which looks there.
        features = torch.where(is_there[:, :-1], tokens[:, :-1], 0)
        return features, torch.cat([following, raw["bytes"].long()[:, None]], dim=1)

    def example_batch(self, shape: TextShape, samples: int) -> tuple[Tensor, Tensor]:
        """Zeros."""
        length = shape.sequence_length
        return torch.zeros(samples, length, dtype=torch.int64), torch.zeros(samples, length + 1, dtype=torch.int64)

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(outputs)[token], the mean over the tokens of each window, summed over windows."""
        losses, tokens = token_losses(outputs, labels[:, :-1])
        return (losses.sum(dim=1) / tokens.clamp(min=1)).sum()

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Of the loss of each token, the tokens, and the bytes of their text."""
        losses, tokens = token_losses(outputs, labels[:, :-1])
        return torch.stack([losses.double().sum(), tokens.sum().double(), labels[:, -1].sum().double()])

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """Loss in bits / bytes, of which the end of a text has none, and e**(loss / tokens)."""
        loss, tokens, size = sums
        found: dict[MetricName, float] = {}
        if size:
            found["bitsPerByte"] = loss / math.log(2) / size
        if tokens and loss / tokens < _LARGEST_LOSS:
            found["perplexity"] = math.exp(loss / tokens)
        return found


RECIPE: Final[Recipe[GptParameters, TextShape]] = Gpt()
