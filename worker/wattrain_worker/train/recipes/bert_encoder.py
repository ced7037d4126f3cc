"""BERT's encoder (J. Devlin et al., "BERT: Pre-training of deep bidirectional transformers", 2019), without what is
predicted from its states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wattrain_worker.data.texts.special_tokens import PAD
from wattrain_worker.train.recipes.transformer_blocks import Attention, linear_layers


class Block(nn.Module):
    """As in BERT, normalized after each part is added."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm, self.linear_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout, is_causal=False)
        self.linear = linear_layers(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, there: Tensor) -> Tensor:
        """[samples, tokens, width] to the same."""
        features = self.attention_norm(features + self.dropout(self.attention(features, there)))
        found: Tensor = self.linear_norm(features + self.dropout(self.linear(features)))
        return found


class BertEncoder(nn.Module):
    """Base of models that are such an encoder with one more layer or some: the same weights have the same names in all
    of them. They make `pooled`, a linear layer on the state of the first token, themselves."""

    pooled: nn.Linear

    def __init__(self, vocabulary: int, length: int, *, layers: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions, self.parts = nn.Embedding(length, width), nn.Embedding(2, width)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))

    def states(self, tokens: Tensor, part: Tensor) -> Tensor:
        """Tokens, and which part each is of, [samples, tokens] int64 both, to [samples, tokens, width]."""
        given = self.embedding(tokens) + self.parts(part) + self.positions.weight[: tokens.shape[1]]
        states: Tensor = self.dropout(self.norm(given))
        there = (tokens != PAD)[:, None, None]
        for block in self.blocks:
            states = block(states, there)
        return states

    def pool(self, states: Tensor) -> Tensor:
        """[samples, tokens, width] to [samples, width]: what stands for a whole sample."""
        pooled: Tensor = torch.tanh(self.pooled(states[:, 0]))
        return pooled
