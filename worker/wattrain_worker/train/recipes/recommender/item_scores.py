"""Models that score items for users."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from wattrain_worker.train.recipes.drawing import among
from wattrain_worker.train.recipes.recipe_protocol import InteractionsShape
from wattrain_worker.train.recipes.recommender.parameters import RecommenderParameters

_ITEMS_AT_ONCE: Final = 1024


class Recommender(nn.Module):
    """In training: [samples, 2 + negatives] int64, a user, an item, and what is drawn for others -> [samples,
    1 + negatives] scores. Else: [samples, 1 + seen] int64, a user and what it turned to before (0: nothing) ->
    [samples, items] scores of all items, minus infinity for those that were seen."""

    def __init__(self, shape: InteractionsShape, parameters: RecommenderParameters) -> None:
        super().__init__()
        width = parameters.dimensions
        self.users, self.items = nn.Embedding(shape.users, width), nn.Embedding(shape.items, width)
        self.bias = nn.Embedding(shape.items, 1)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=width**-0.5)
        nn.init.zeros_(self.bias.weight)
        self.dropout = nn.Dropout(parameters.dropout)
        self.pairs: nn.Module | None = None
        if parameters.model == "neumf":
            self.pairs = nn.Sequential(
                nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, max(1, width // 2)), nn.ReLU(),
                nn.Linear(max(1, width // 2), 1),
            )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """The scores, before a softmax."""
        user, others = self.dropout(self.users(features[:, 0])), features[:, 1:]
        if self.training:
            candidates = self._candidates(others)
            scores = self._scores(user, self.dropout(self.items(candidates)), self.bias(candidates))
            same = candidates == candidates[:, :1]
            same[:, 0] = False
            return scores.masked_fill(same, -torch.inf)
        every = torch.split(torch.arange(self.items.num_embeddings, device=features.device), _ITEMS_AT_ONCE)
        scores = torch.cat([self._scores(user, self.items(part), self.bias(part)) for part in every], 1)
        seen = torch.zeros_like(scores, dtype=torch.bool).scatter_(1, others, value=True)
        seen[:, 0] = False  # what fills up is no item that was seen
        return scores.masked_fill(seen, -torch.inf)

    def _candidates(self, others: Tensor) -> Tensor:
        """[samples, 1 + negatives]: the item itself, and known items for what was drawn."""
        known = self.items.num_embeddings - 1
        return torch.cat([others[:, :1], 1 + among(others[:, 1:], known)], 1)

    def _scores(self, user: Tensor, items: Tensor, bias: Tensor) -> Tensor:
        """[samples, items] for `user` [samples, width] and `items` [samples, items, width], or [items, width] for all;
        `bias` [..., items, 1]."""
        products = torch.matmul(items, user[..., None])[..., 0] if items.ndim > 2 else user @ items.T
        products = products + bias[..., 0]
        if self.pairs is None:
            return products
        shape = (len(user), items.shape[-2], items.shape[-1])
        both = torch.cat([user[:, None].expand(shape), items.expand(shape)], -1)
        deep: Tensor = self.pairs(both)[..., 0]
        return products + deep
