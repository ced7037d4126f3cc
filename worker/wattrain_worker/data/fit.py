"""What is learned from the training split and applied to all: outlier bounds, fill values, the scaler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Outliers
from wattrain_worker.data.row_blocks import RowBlocks

Matrix = npt.NDArray[np.float64]
"""[rows, columns]; NaN: missing."""
Vector = npt.NDArray[np.float64]
"""[columns]"""
_BLOCK_ROWS: Final = 4096
"""Rows that are computed with at a time: what is made of them stays in a processor's cache."""
_GROUP_BYTES: Final = 64 << 20
"""Of columns that are held whole, for their medians."""
MAD_TO_SIGMA: Final = 1.4826
"""Standard deviation of a normal distribution by its median absolute deviation: 1 / Phi^-1(3/4)."""


@dataclass(frozen=True)
class Bounds:
    """What lies outside is an outlier; infinite where a column has none."""

    lower: Vector
    upper: Vector

    def outside(self, rows: Matrix) -> npt.NDArray[np.bool_]:
        """[rows]: which rows have a value outside; missing values are inside."""
        if self.are_endless:
            return np.zeros(len(rows), np.bool_)
        return np.asarray(((rows < self.lower) | (rows > self.upper)).any(axis=1))

    def clipped(self, rows: Matrix) -> Matrix:
        """`rows` with values outside moved to the nearest bound; `rows` themselves where there is none."""
        if self.are_endless:
            return rows
        return np.clip(rows, self.lower, self.upper)

    @property
    def are_endless(self) -> bool:
        """Whether no column has a bound."""
        return bool(np.isneginf(self.lower).all() and np.isposinf(self.upper).all())


@dataclass(frozen=True)
class Facts:
    """What is known of each column after one look at all rows; missing values are left out."""

    rows: int
    counts: npt.NDArray[np.int64]
    """[columns]: values that are there."""
    low: Vector
    """NaN where no value is there."""
    high: Vector
    sums: Vector
    """Infinite, or NaN, where the sum is beyond float64."""

    @property
    def are_constant(self) -> npt.NDArray[np.bool_]:
        """[columns]: which have one value only."""
        return np.asarray(self.low == self.high)

    @property
    def means(self) -> Vector:
        """Infinite, or NaN, where the sum is beyond float64."""
        return np.asarray(self.sums / self.counts)


def facts_of(rows: RowBlocks) -> Facts:
    """One look at `rows`. Sums are added row by row, so that every machine adds in the same order."""
    counts = np.zeros(rows.columns, np.int64)
    low = high = np.full(rows.columns, np.nan)
    sums = _Sums()
    for block in rows:
        gaps = np.isnan(block)
        there = ~gaps if gaps.any() else None
        counts += len(block) if there is None else there.sum(axis=0)
        low, high = np.fmin(low, np.fmin.reduce(block)), np.fmax(high, np.fmax.reduce(block))
        sums.add(block if there is None else np.where(there, block, 0.0))
    return Facts(len(rows), counts, low, high, sums.total(rows.columns))


class _Sums:
    """Sums of columns, added row by row from the first to the last."""

    def __init__(self) -> None:
        self._sums: Vector | None = None

    def add(self, block: Matrix) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums = (block if self._sums is None else np.vstack([self._sums, block])).sum(axis=0)

    def total(self, columns: int) -> Vector:
        """[columns]"""
        return np.zeros(columns) if self._sums is None else self._sums


def fit_bounds(training: RowBlocks, facts: Facts, outliers: Outliers, skip: npt.NDArray[np.bool_]) -> Bounds:
    """Bounds by `outliers.method` from the values that are there; no column may be missing altogether. NaN where the
    statistics of a column are beyond float64. `facts` are those of `training`.

    Columns in `skip`, of two values (one of them may be rare, but is as much a value as the other), and without spread
    (constant, or with a MAD or an interquartile range of 0, where any distance would be infinite) have no outliers.
    """
    if outliers.method == "none":
        endless = np.full(training.columns, np.inf)
        return Bounds(-endless, endless)
    with np.errstate(over="ignore", invalid="ignore"):
        if outliers.method == "zscore":
            low = high = facts.means
            spread = np.where(facts.are_constant, 0.0, np.sqrt(_mean_squares(training, facts, facts.means)))
        elif outliers.method == "mad":
            low, spread = np.concatenate([_median_and_mad(columns) for columns in _in_groups(training)], axis=1)
            high, spread = low, MAD_TO_SIGMA * spread
        else:
            quartiles = [np.nanquantile(columns, [0.25, 0.75], axis=0) for columns in _in_groups(training)]
            low, high = np.concatenate(quartiles, axis=1)
            spread = high - low
        has_distance = (spread > 0) & ~skip & ~_have_two_values(training, facts)
        distance = np.where(has_distance, outliers.threshold * spread, np.inf)
        beyond = ~np.isfinite(low) | ~np.isfinite(high) | ~np.isfinite(spread)
        return Bounds(np.where(beyond, np.nan, low - distance), np.where(beyond, np.nan, high + distance))


def _median_and_mad(columns: Matrix) -> Matrix:
    """[2, columns]: the median, and that of the distances from it."""
    medians = np.nanmedian(columns, axis=0)
    return np.stack([medians, np.nanmedian(np.abs(columns - medians), axis=0)])


def _in_groups(rows: RowBlocks) -> Iterator[Matrix]:
    """All columns in order, as many at a time as memory is meant to hold."""
    step = max(1, _GROUP_BYTES // (8 * max(1, len(rows))))
    for start in range(0, rows.columns, step):
        yield rows.some_columns(range(start, min(start + step, rows.columns)))


def filled(rows: Matrix, values: Vector) -> Matrix:
    """`rows` with missing values replaced by their column's; `rows` themselves where there are none to replace."""
    if np.isnan(values).all():
        return rows
    return np.where(np.isnan(rows), values, rows)


@dataclass(frozen=True)
class Scaler:
    """(x - mean) / scale. For `minmax`, `mean` is the minimum and `scale` the range."""

    mean: Vector
    scale: Vector

    def apply(self, rows: Matrix) -> npt.NDArray[np.float32]:
        """[rows, columns], computed in float64; infinite where it does not fit into float32."""
        scaled = np.empty(rows.shape, np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(rows), _BLOCK_ROWS):
                block = slice(start, start + _BLOCK_ROWS)
                scaled[block] = (rows[block] - self.mean) / self.scale
        return scaled


def fit_scaler(training: RowBlocks, facts: Facts, method: Literal["standard", "minmax", "none"]) -> Scaler:
    """The scaler for `training`, without missing values, of which `facts` are known. A constant column gets the scale
    1, so it becomes 0.

    It is not finite where the statistics of a column are beyond float64.
    """
    if method == "none":
        return Scaler(np.zeros(training.columns), np.ones(training.columns))
    constant = facts.are_constant  # not by its deviation, which rounding leaves above 0
    with np.errstate(over="ignore", invalid="ignore"):
        if method == "minmax":
            return Scaler(facts.low, np.where(constant, 1.0, facts.high - facts.low))
        mean = np.where(constant, facts.low, facts.means)
        deviation = np.sqrt(_mean_squares(training, facts, mean))
    return Scaler(mean, np.where(constant | (deviation == 0), 1.0, deviation))


def _mean_squares(rows: RowBlocks, facts: Facts, mean: Vector) -> Vector:
    """[columns]: the mean of (rows - mean)**2 over the values that are there."""
    sums = _Sums()
    are_whole = bool((facts.counts == facts.rows).all())
    for block in rows:
        squares = (block - mean) ** 2
        sums.add(squares if are_whole else np.where(np.isnan(block), 0.0, squares))
    return np.asarray(sums.total(rows.columns) / facts.counts)


def _have_two_values(rows: RowBlocks, facts: Facts) -> npt.NDArray[np.bool_]:
    """[columns]: which columns have two values at most, besides missing ones."""
    found = np.ones(rows.columns, np.bool_)
    for block in rows:
        found &= ((block == facts.low) | (block == facts.high) | np.isnan(block)).all(axis=0)
    return found
