"""What is optimized, and the samples that it is optimized on."""

from __future__ import annotations

import contextlib
import time
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from wattrain_api.training import Training
from wattrain_worker.data.prepared_data import Shard
from wattrain_worker.train.elastic_sampler import Indices
from wattrain_worker.train.recipes.recipe_protocol import Recipe


class Rows:
    """A split as tensors, read by row index and moved to the device of the group."""

    def __init__(self, shard: Shard, device: torch.device) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not writable")  # nobody writes to it, so no copy is needed
            self._features = torch.from_numpy(shard.features)
            self._labels = torch.from_numpy(shard.labels)
        self._device = device
        self.seconds = 0.0
        """Time that taking rows has cost."""

    def __len__(self) -> int:
        return len(self._labels)

    def take(self, rows: Indices | slice) -> tuple[Tensor, Tensor]:
        """Features [rows, columns] float32 and labels [rows] int64, of a regression float32."""
        started = time.perf_counter()
        if isinstance(rows, slice):
            features, labels = self._features[rows], self._labels[rows]
        else:
            index = torch.from_numpy(rows)
            features, labels = self._features.index_select(0, index), self._labels.index_select(0, index)
        taken = features.to(self._device), labels.to(self._device)
        self.seconds += time.perf_counter() - started
        return taken


@dataclass(frozen=True)
class Task:
    """What is optimized."""

    model: nn.Module
    recipe: Recipe[Any]
    training: Training
    rows: Rows
    """The training split."""
    outputs: int
    """Of the model, a sample."""
    label_scale: float = 1.0
    """What 1 is of a normalized number in the label's own unit; 1 where the label is a class."""
    class_weights: tuple[float, ...] | None = None
    """[classes]: what the loss of a sample counts by its class; None: all count 1."""

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
    return torch.autocast(device.type, dtype=torch.bfloat16)
