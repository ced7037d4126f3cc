"""What is optimized, and the samples that it is optimized on."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from wattrain_api.training import Training
from wattrain_worker.data.mapped_rows import RandomRows
from wattrain_worker.data.prepared_data import Shard
from wattrain_worker.train.elastic_sampler import Indices
from wattrain_worker.train.loss_scaling import LossScaling
from wattrain_worker.train.recipes.recipe_protocol import Draw, RawSamples, Recipe
from wattrain_worker.train.tuning import Tuning

MakeBatch = Callable[[RawSamples, Tensor, Draw | None], tuple[Tensor, Tensor]]
"""`Recipe.make_batch`, with the parameters of the job."""


class Rows:
    """A split as tensors, read by row index and moved to the device of the group."""

    def __init__(self, shard: Shard, device: torch.device, make_batch: MakeBatch, seed: int) -> None:
        """`seed` is of what is drawn at random when batches are made."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable")  # nobody writes to it, so no copy is needed
            self._tensors = {name: torch.from_numpy(values) for name, values in shard.tensors.items()}
        self._rows, self._device, self._make_batch, self._seed = len(shard), device, make_batch, seed
        self._shard = shard
        self._random: RandomRows | None = None
        self.seconds = 0.0
        """Time that taking rows has cost."""

    def __len__(self) -> int:
        return self._rows

    def like(self, shard: Shard) -> Rows:
        """Another split, of which batches are made in the same way."""
        return Rows(shard, self._device, self._make_batch, self._seed)

    def take(self, rows: Indices, step: int) -> tuple[Tensor, Tensor]:
        """Features and labels of `rows`, as the recipe makes them for a step (0-based) of training."""
        started = time.perf_counter()
        if self._random is None:
            self._random = RandomRows(self._shard.tensors)  # not before: evaluations read in order
        self._random.ask_for(rows)
        index = torch.from_numpy(rows)
        raw = {name: values.index_select(0, index) for name, values in self._tensors.items()}
        taken = self._on_device(self._make_batch(raw, index, Draw(self._seed, step)))
        self.seconds += time.perf_counter() - started
        return taken

    def take_unchanged(self, rows: slice) -> tuple[Tensor, Tensor]:
        """The same for an evaluation: nothing depends on a step."""
        raw = {name: values[rows] for name, values in self._tensors.items()}
        return self._on_device(self._make_batch(raw, torch.arange(rows.start, rows.stop), None))

    def _on_device(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        features, labels = batch
        return features.to(self._device), labels.to(self._device)


@dataclass(frozen=True)
class Task:
    """What is optimized."""

    model: nn.Module
    recipe: Recipe[Any, Any]
    training: Training
    rows: Rows
    """The training split."""
    outputs: int
    """Of the model, a sample."""
    label_scale: float = 1.0
    """What 1 is of a normalized number in the label's own unit; 1 where the label is a class."""
    class_weights: tuple[float, ...] | None = None
    """[classes]: what the loss of a sample counts by its class; None: all count 1."""
    loss_scaling: LossScaling = field(default_factory=LossScaling)
    """What losses are multiplied by before their gradients are computed. Default: by nothing."""
    tuning: Tuning = field(default_factory=Tuning)
    """What `training.auto` has chosen; what it says of compiling, `training` says too."""

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The recipe's loss, summed over samples, each of which counts by its class."""
        if self.class_weights is None:
            return self.recipe.loss_sum(outputs, labels)
        losses = [
            weight * self.recipe.loss_sum(outputs[labels == code], labels[labels == code])
            for code, weight in enumerate(self.class_weights)
        ]
        return torch.stack(losses).sum()


def autocast(training: Training, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The precision that `training` asks for in a forward pass."""
    if training.precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.float16 if training.precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype=dtype)
