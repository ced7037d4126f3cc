"""Which samples make which step: a function of the seed alone, so that any number of ranks sees the same batches.

The position is counted in samples, not in steps of a rank: it stays exact when the number of ranks changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Position:
    """How far the training split has been read."""

    epoch: int = 0
    """Passes that are complete."""
    offset: int = 0
    """Samples of the current pass that have been used; always below the number of rows."""


class BatchSampler:
    """The global batches, one an optimizer step, in the order of `Position`; the last one of a pass may be smaller."""

    def __init__(self, rows: int, batch_size: int, seed: int) -> None:
        self.rows, self.batch_size, self._seed = rows, batch_size, seed
        self._order: tuple[int, Indices] | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in a pass over all rows."""
        return -(-self.rows // self.batch_size)

    def batch(self, position: Position) -> tuple[Indices, Position]:
        """Row indices of the batch at `position`, [up to batch_size], and the position behind it."""
        indices = self._order_of(position.epoch)[position.offset : position.offset + self.batch_size]
        end = position.offset + len(indices)
        return indices, Position(position.epoch + 1) if end == self.rows else Position(position.epoch, end)

    def _order_of(self, epoch: int) -> Indices:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, epoch_order(self._seed, epoch, self.rows)
        return self._order[1]


def epoch_order(seed: int, epoch: int, rows: int) -> Indices:
    """The order of all rows in one pass, [rows]: a permutation that seed and epoch alone decide."""
    return np.random.Generator(np.random.PCG64([seed, epoch])).permutation(rows)


def part(length: int, parts: int, index: int) -> slice:
    """Part `index` of `parts` contiguous parts of `length` items; sizes differ by one at most, larger ones first."""
    size, larger = divmod(length, parts)
    start = index * size + min(index, larger)
    return slice(start, start + size + (index < larger))
