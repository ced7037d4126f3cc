"""Rows of a matrix, a block at a time: memory need not hold all of them, and a processor's cache holds a block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
"""Indices of rows."""
Block = npt.NDArray[Any]
"""[rows, columns], of float64 or float32."""
_MOST_ROWS: Final = 4096
_MOST_BYTES: Final = 8 << 20
"""Of a block, however wide its rows are."""


class RowBlocks:
    """Rows of a matrix in their order, each of which may be changed on its way. Iterating gives [rows, columns]."""

    def __init__(self, matrix: Block, rows: Rows | None = None) -> None:
        """`rows` are those that are chosen, rising; None: all."""
        self._matrix, self._rows = matrix, rows
        self._change: Callable[[Block], Block] | None = None
        self.columns: int = matrix.shape[1]

    def __len__(self) -> int:
        return len(self._matrix) if self._rows is None else len(self._rows)

    def __iter__(self) -> Iterator[Block]:
        for start, end in self.spans():
            yield self._changed(self._matrix[start:end] if self._rows is None else self._matrix[self._rows[start:end]])

    def spans(self) -> Iterator[tuple[int, int]]:
        """Where each block begins and ends."""
        step = max(1, min(_MOST_ROWS, _MOST_BYTES // max(1, self._matrix.itemsize * self._matrix.shape[1])))
        for start in range(0, len(self), step):
            yield start, min(start + step, len(self))

    def at(self, rows: Rows) -> Block:
        """[rows, columns]: these of the chosen rows, which memory must hold."""
        return self._changed(self._matrix[rows if self._rows is None else self._rows[rows]])

    def column(self, number: int) -> npt.NDArray[Any]:
        """[rows]: one column, which memory must hold."""
        return self.some_columns([number])[:, 0]

    def some_columns(self, numbers: Sequence[int]) -> Block:
        """[rows, these columns], which memory must hold."""
        found = np.empty((len(self), len(numbers)), self._matrix.dtype)
        for (start, end), block in zip(self.spans(), self, strict=True):
            found[start:end] = block[:, numbers]
        return found

    def of(self, rows: Rows) -> RowBlocks:
        """These of the chosen rows alone, rising."""
        return self._like(rows if self._rows is None else self._rows[rows], self._change, self.columns)

    def changed(self, change: Callable[[Block], Block], columns: int | None = None) -> RowBlocks:
        """The same rows, changed by `change` as well, which makes a block of another: of as many rows, and as many
        columns unless `columns` says how many."""
        before = self._change
        both = change if before is None else lambda block: change(before(block))
        return self._like(self._rows, both, self.columns if columns is None else columns)

    def _like(self, rows: Rows | None, change: Callable[[Block], Block] | None, columns: int) -> RowBlocks:
        like = RowBlocks(self._matrix, rows)
        like._change, like.columns = change, columns
        return like

    def _changed(self, block: Block) -> Block:
        return block if self._change is None else self._change(block)
