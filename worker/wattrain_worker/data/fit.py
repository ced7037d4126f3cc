"""What is learned from the training split and applied to all: outlier bounds, fill values, the scaler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Outliers

Matrix = npt.NDArray[np.float64]
"""[rows, columns]; NaN: missing."""
Vector = npt.NDArray[np.float64]
"""[columns]"""
_BLOCK_ROWS: Final = 4096
"""Rows that are computed with at a time: what is made of them stays in a processor's cache."""
MAD_TO_SIGMA: Final = 1.4826
"""Standard deviation of a normal distribution by its median absolute deviation: 1 / Phi^-1(3/4)."""


@dataclass(frozen=True)
class Bounds:
    """What lies outside is an outlier; infinite where a column has none."""

    lower: Vector
    upper: Vector

    def outside(self, rows: Matrix) -> npt.NDArray[np.bool_]:
        """[rows]: which rows have a value outside; missing values are inside."""
        if self._are_endless:
            return np.zeros(len(rows), np.bool_)
        return np.asarray(((rows < self.lower) | (rows > self.upper)).any(axis=1))

    def clipped(self, rows: Matrix) -> Matrix:
        """`rows` with values outside moved to the nearest bound; `rows` themselves where there is none."""
        if self._are_endless:
            return rows
        return np.clip(rows, self.lower, self.upper)

    @property
    def _are_endless(self) -> bool:
        """Whether no column has a bound."""
        return bool(np.isneginf(self.lower).all() and np.isposinf(self.upper).all())


def fit_bounds(training: Matrix, outliers: Outliers, skip: npt.NDArray[np.bool_]) -> Bounds:
    """Bounds by `outliers.method` from the values that are there; no column may be missing altogether. NaN where the
    statistics of a column are beyond float64.

    Columns in `skip`, of two values (one of them may be rare, but is as much a value as the other), and without spread
    (constant, or with a MAD or an interquartile range of 0, where any distance would be infinite) have no outliers.
    """
    if outliers.method == "none":
        endless = np.full(training.shape[1], np.inf)
        return Bounds(-endless, endless)
    with np.errstate(over="ignore", invalid="ignore"):
        if outliers.method == "zscore":
            low = high = np.nanmean(training, axis=0)
            spread = np.where(is_constant(training), 0.0, np.nanstd(training, axis=0))
        elif outliers.method == "mad":
            low = high = np.nanmedian(training, axis=0)
            spread = MAD_TO_SIGMA * np.nanmedian(np.abs(training - low), axis=0)
        else:
            low, high = np.nanquantile(training, [0.25, 0.75], axis=0)
            spread = high - low
        distance = np.where((spread > 0) & ~skip & ~_has_two_values(training), outliers.threshold * spread, np.inf)
        beyond = ~np.isfinite(low) | ~np.isfinite(high) | ~np.isfinite(spread)
        return Bounds(np.where(beyond, np.nan, low - distance), np.where(beyond, np.nan, high + distance))


def fit_fill(training: Matrix) -> Vector:
    """Mean of each column's values that are there; infinite where their sum is beyond float64."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.nanmean(training, axis=0))


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


def fit_scaler(training: Matrix, method: Literal["standard", "minmax", "none"]) -> Scaler:
    """The scaler for `training`, without missing values. A constant column gets the scale 1, so it becomes 0.

    It is not finite where the statistics of a column are beyond float64.
    """
    columns = training.shape[1]
    if method == "none":
        return Scaler(np.zeros(columns), np.ones(columns))
    low, high = training.min(axis=0), training.max(axis=0)
    constant = low == high  # not by its deviation, which rounding leaves above 0
    with np.errstate(over="ignore", invalid="ignore"):
        if method == "minmax":
            return Scaler(low, np.where(constant, 1.0, high - low))
        # Row by row, so that every machine adds in the same order whatever its vector width.
        mean = np.where(constant, low, training.mean(axis=0))
        deviation = np.sqrt(_mean_square(training, mean))
    return Scaler(mean, np.where(constant | (deviation == 0), 1.0, deviation))


def _mean_square(rows: Matrix, mean: Vector) -> Vector:
    """[columns]: the mean of (rows - mean)**2, added row by row from the first to the last."""
    sums = np.zeros(rows.shape[1])
    for start in range(0, len(rows), _BLOCK_ROWS):
        sums = np.vstack([sums, (rows[start : start + _BLOCK_ROWS] - mean) ** 2]).sum(axis=0)
    return sums / len(rows)


def is_constant(rows: Matrix) -> npt.NDArray[np.bool_]:
    """[columns]: which columns have one value only."""
    return np.asarray(np.nanmin(rows, axis=0) == np.nanmax(rows, axis=0))


def _has_two_values(rows: Matrix) -> npt.NDArray[np.bool_]:
    """[columns]: which columns have two values at most, besides missing ones."""
    ends = (rows == np.nanmin(rows, axis=0)) | (rows == np.nanmax(rows, axis=0))
    return np.asarray((ends | np.isnan(rows)).all(axis=0))
