"""A recommender: two towers (P. Covington et al., RecSys 2016), or neural matrix factorization (X. He et al., 2017).

It is trained to tell the item that a user turned to from others drawn at random (a softmax over samples of them), and
judged by where it ranks the item that was left out among all that the user has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_api.recipe_parameters import TaskKind
from wattrain_api.training import MetricName
from wattrain_worker.train.recipes.drawing import uniform, whole
from wattrain_worker.train.recipes.recipe_protocol import Draw, InteractionsShape, RawSamples, Recipe
from wattrain_worker.train.recipes.recommender.item_scores import Recommender
from wattrain_worker.train.recipes.recommender.parameters import RecommenderParameters

_BEST: Final = 10


class RecommenderRecipe:
    """The recipe `recommender`."""

    parameters = RecommenderParameters
    task: TaskKind = "ranking"
    metrics: tuple[MetricName, ...] = ("recallAt10", "ndcgAt10")
    evaluated_at_once: int = 128

    def build_model(self, shape: InteractionsShape, parameters: RecommenderParameters) -> nn.Module:
        """Vectors for each user and item of the training split, and one for all other items."""
        return Recommender(shape, parameters)

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: RecommenderParameters
    ) -> tuple[Tensor, Tensor]:
        """In training the user, the item, and what is drawn for as many others as `parameters` say; label 0, the item
        itself. Else the user and what was seen, and for a label the item."""
        users = raw["users"][:, None]
        if draw is None:
            return torch.cat([users, raw["seen"].long()], 1), raw["items"]
        drawn = whole(uniform(draw, samples, parameters.negatives))
        return torch.cat([users, raw["items"][:, None], drawn], 1), torch.zeros(len(users), dtype=torch.int64)

    def example_shape(self) -> InteractionsShape:
        """A small shop."""
        return InteractionsShape(users=1000, items=1001)

    def example_batch(self, shape: InteractionsShape, samples: int) -> tuple[Tensor, Tensor]:
        """The first user and item, with as many drawn as a job has that says nothing of it."""
        width = 2 + RecommenderParameters().negatives
        return torch.zeros(samples, width, dtype=torch.int64), torch.zeros(samples, dtype=torch.int64)

    def told_shape(self, shape: InteractionsShape) -> str:
        """Users and items, each of which has a vector."""
        return f"{shape.users:,} users, {shape.items - 1:,} items"

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(outputs)[label], summed over samples."""
        return F.cross_entropy(outputs.float(), labels, reduction="sum")

    def sums(self, outputs: int) -> int:
        """Two, whatever the model."""
        return 2

    def metric_sums(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """How many samples have their item among the ten with the highest scores, and the sum of 1 / log2(2 + rank)
        over these, the best rank being 0. An item with the same score comes before. The unknown item is never found."""
        mine = outputs.gather(1, labels[:, None])
        ranks = (outputs[:, 1:] >= mine).sum(1) - 1
        found = (ranks < _BEST) & (labels > 0)
        gains = torch.where(found, 1 / torch.log2(2 + ranks.clamp(min=0).double()), 0.0)
        return torch.stack([found.double().sum(), gains.sum()])

    def metrics_of(self, sums: Sequence[float], samples: int, label_scale: float) -> dict[MetricName, float]:
        """Recall and NDCG (K. Jarvelin, J. Kekalainen, 2002) of the first ten, with one item to be found a sample."""
        recalled, gained = sums
        return {"recallAt10": recalled / samples, "ndcgAt10": gained / samples}


RECIPE: Final[Recipe[RecommenderParameters, InteractionsShape]] = RecommenderRecipe()
