"""What recipes share whose samples are rows of a table."""

from __future__ import annotations

from torch import Tensor

from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_worker.train.recipes.recipe_protocol import Draw, RawSamples


class TableSamples:
    """Base of such recipes."""

    evaluated_at_once: int = 1024

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: RecipeParameters
    ) -> tuple[Tensor, Tensor]:
        """The rows as they were prepared; nothing is drawn."""
        return raw["features"], raw["labels"]
