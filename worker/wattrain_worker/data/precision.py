"""Numbers that lose what tells them apart: in float64 when they are read, in float32 when a model sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.row_blocks import RowBlocks

_SAMPLED_ROWS: Final = 1024
_EXACT_INTEGERS: Final = 2.0**53
"""From here on float64 does not hold every integer."""


class Merged(NamedTuple):
    """A column of which different values became the same float32."""

    column: int
    rows: tuple[int, int]
    """Two rows whose values differ and whose features do not."""
    are_all: bool
    """Whether all its values became one."""


def merged_values(whole: RowBlocks, are_constant: npt.NDArray[np.bool_], features: RowBlocks) -> Iterator[Merged]:
    """The columns of which half of the different values, or all, are lost from `whole` to `features`. `are_constant`
    [columns]: those of `whole` in which nothing can be lost.

    Half is judged by rows spread over the table, so that it costs no sorting of it all.
    """
    lost = _are_constant(features) & ~are_constant
    chosen = np.unique(np.linspace(0, len(whole) - 1, _SAMPLED_ROWS).astype(np.int64))
    before, after = _distinct(whole.at(chosen)), _distinct(features.at(chosen))
    for column in np.flatnonzero(lost | ((before > 1) & (after <= before / 2))).tolist():
        values = whole.column(column)
        order = np.argsort(values, kind="stable")
        differ = np.diff(values[order]) != 0
        first = int(np.argmax(differ & (np.diff(features.column(column)[order]) == 0)))
        yield Merged(column, (int(order[first]), int(order[first + 1])), bool(lost[column]))


def _are_constant(features: RowBlocks) -> npt.NDArray[np.bool_]:
    """[columns]: which have one value only."""
    low, high = np.full(features.columns, np.inf, np.float32), np.full(features.columns, -np.inf, np.float32)
    for block in features:
        low, high = np.minimum(low, block.min(axis=0)), np.maximum(high, block.max(axis=0))
    return np.asarray(low == high)


def may_be_rounded(values: npt.NDArray[np.float64]) -> bool:
    """Whether one of `values` [rows] is so large that float64 may have rounded it."""
    return bool(np.fmax.reduce(values) >= _EXACT_INTEGERS or np.fmin.reduce(values) <= -_EXACT_INTEGERS)


def rounded_row(series: pl.Series, values: npt.NDArray[np.float64]) -> int | None:
    """The first row of a column of integers (or texts of them) that float64 rounded to another integer."""
    large = np.flatnonzero(np.abs(values) >= _EXACT_INTEGERS)
    if not len(large) or not (series.dtype == pl.String or series.dtype.is_integer()):
        return None
    for row, cell in zip(large.tolist(), series[large].to_list(), strict=True):
        text = str(cell).strip()
        if text.lstrip("+-").isdecimal() and int(text) != int(values[row]):
            return int(row)
    return None


def _distinct(rows: npt.NDArray[np.float64] | npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """[columns]: how many different values each has."""
    return np.asarray((np.diff(np.sort(rows, axis=0), axis=0) != 0).sum(axis=0) + 1)
