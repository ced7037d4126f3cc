"""What recipes share whose samples are rows of a table."""

from __future__ import annotations

import torch
from torch import Tensor

from wattrain_api.recipe_parameters import RecipeParameters, TaskKind
from wattrain_worker.train.recipes.recipe_protocol import Draw, RawSamples, TableShape


class TableSamples:
    """Base of such recipes."""

    task: TaskKind
    evaluated_at_once: int = 1024

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: RecipeParameters
    ) -> tuple[Tensor, Tensor]:
        """The rows as they were prepared; nothing is drawn."""
        return raw["features"], raw["labels"]

    def example_shape(self) -> TableShape:
        """A table of middling width."""
        return TableShape(columns=20, classes=1 if self.task == "regression" else 3)

    def example_batch(self, shape: TableShape, samples: int) -> tuple[Tensor, Tensor]:
        """Zeros: [samples, columns] float32, and labels [samples] int64, of a regression float32."""
        kind = torch.float32 if self.task == "regression" else torch.int64
        return torch.zeros(samples, shape.columns), torch.zeros(samples, dtype=kind)

    def told_shape(self, shape: TableShape) -> str:
        """Columns as the model sees them: a column of texts is one for each text."""
        return f"{shape.columns:,} columns" + ("" if self.task == "regression" else f", {shape.classes:,} classes")
