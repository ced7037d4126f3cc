"""Buffers that a model changes while it is trained: found, and brought back to how they were before a step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class BufferWatch:
    """Compares a model's buffers before and after its first forward pass. Each rank would change its own, by its own
    samples."""

    def __init__(self, model: nn.Module) -> None:
        self._model, self._done = model, False

    def of_first(self, forward: Callable[[], Tensor]) -> tuple[Tensor, list[str]]:
        """The outputs of the forward pass `forward`, and the names of the buffers that it changed: of the first pass
        alone, for a comparison costs a copy."""
        if self._done:
            return forward(), []
        before = {name: buffer.clone() for name, buffer in self._model.named_buffers()}
        outputs, self._done = forward(), True
        after = dict(self._model.named_buffers())
        return outputs, [name for name, buffer in before.items() if not torch.equal(buffer, after.get(name, buffer))]


class KeptBuffers:
    """A model's buffers as they were at the end of the last whole step: a forward pass changes them before the step is
    certain."""

    def __init__(self, model: nn.Module | None) -> None:
        """None: nothing is kept, for nothing can interrupt a step."""
        self._buffers = [] if model is None else list(model.buffers())
        self._kept = [torch.empty_like(buffer) for buffer in self._buffers]

    def keep(self) -> None:
        """A step begins."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            kept.copy_(buffer)

    def put_back(self) -> None:
        """The step has not been made."""
        for kept, buffer in zip(self._kept, self._buffers, strict=True):
            buffer.copy_(kept)
