"""The exponential moving average of a model's weights: `spec.training.ema`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from wattrain_worker.train.training_state import State


class WeightAverage:
    """After each step average = decay * average + (1 - decay) * weight, the first average being the weights after the
    first step: as torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn. Buffers, such as the statistics of a
    BatchNorm, are the trained model's.

    It depends on the weights alone, so it is the same on all ranks that have the same weights.
    """

    def __init__(self, model: nn.Module, decay: float | None) -> None:
        """None: nothing is averaged, and nothing kept."""
        self._parameters = dict(model.named_parameters()) if decay is not None else {}
        self._step = 0.0 if decay is None else 1 - decay
        self._averages: State = {}

    @property
    def state(self) -> State:
        """The averages by the name of their parameter; references, no copies. Empty before the first step."""
        return self._averages

    def load_state(self, state: State) -> None:
        """Go on from `state`, on whichever device it is."""
        self._averages = {name: tensor.to(self._parameters[name].device, copy=True) for name, tensor in state.items()}

    def update(self) -> None:
        """The optimizer has made a step."""
        if self._parameters:
            self._update()

    @torch.no_grad()
    def _update(self) -> None:
        if self._averages:
            for name, average in self._averages.items():
                average.lerp_(self._parameters[name], self._step)
        else:
            self._averages = {name: weight.detach().clone() for name, weight in self._parameters.items()}

    @contextmanager
    def in_the_model(self) -> Iterator[None]:
        """Inside, the model has the averages for weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    @torch.no_grad()
    def swap(self) -> None:
        """The model gets the averages, and what was its weights is kept in their place. Nothing before the first
        step."""
        for name, average in self._averages.items():
            weight = self._parameters[name]
            kept = weight.detach().clone()
            weight.copy_(average)
            average.copy_(kept)
