"""What cells say that is no number: missing, true, false. One rule for features, labels and keys, in every format."""

from __future__ import annotations

import functools
import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

_TRUTHS: Final = {"true": 1.0, "false": 0.0}
_NUMPY_INTEGERS: Final = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)


def stripped(series: pl.Series) -> pl.Series:
    """A column of strings without blanks at the ends."""
    return series.str.strip_chars()


def as_floats(series: pl.Series) -> npt.NDArray[np.float64]:
    """[rows], float64: a column of strings or numbers; NaN where it is missing or no number.

    Whole numbers from 2**53 on are rounded: what tells rows apart (labels, keys) is not read by this.
    """
    values = _parsed(series)
    if series.dtype == pl.String and (unread := np.isnan(values)).any():
        values = values.copy()
        rest = stripped(series.filter(pl.Series(unread)))  # few cells have blanks around them
        values[unread] = _parsed(rest)
    return values


def as_wholes(series: pl.Series, missing: npt.NDArray[np.bool_]) -> npt.NDArray[Any] | None:
    """[rows]: a column of whole numbers, exact; 0 where it is `missing`. None where another value is no whole number.

    Integers of 64 bits, or Python's where they do not suffice.
    """
    if series.dtype == pl.String:
        texts = stripped(series).set(pl.Series(missing), "0")
        wholes = texts.cast(pl.Int64, strict=False)
        if not wholes.null_count():
            return wholes.to_numpy()
        return np.array([int(text) for text in texts], object) if texts.str.contains(r"^[+-]?[0-9]+$").all() else None
    if not series.dtype.is_integer():
        return None
    whole = series.fill_null(0)
    return np.array(whole.to_list(), object) if series.dtype not in _NUMPY_INTEGERS else whole.to_numpy()


def is_missing(series: pl.Series, words: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """[rows]: where there is no value: nothing, blanks alone, NaN, or one of `words` (`spec.data.missingValues`).

    A column of strings is compared as text, one of numbers by value: the word "-1" is meant by the number -1.0.
    """
    if series.dtype == pl.String:
        texts = ["", *_stripped_words(words)]
        if _numbers_in(words):
            return stripped(series).is_in(texts).fill_null(value=True).to_numpy()
        missing = np.isnan(_parsed(series))  # sooner than by comparing all: a number is none of the words
        if missing.any():
            rest = stripped(series.filter(pl.Series(missing)))
            missing[missing] = rest.is_in(texts).fill_null(value=True).to_numpy()
        return missing
    gone = series.is_null()
    if series.dtype.is_float():
        gone = gone | series.is_nan().fill_null(value=True) | series.is_in(_numbers_in(words)).fill_null(value=True)
    elif series.dtype.is_integer() and (wholes := [int(word) for word in _numbers_in(words) if word.is_integer()]):
        gone = gone | series.cast(pl.String).is_in([str(whole) for whole in wholes]).fill_null(value=True)
    return gone.to_numpy()


def is_missing_number(
    series: pl.Series, values: npt.NDArray[np.float64], words: tuple[str, ...]
) -> npt.NDArray[np.bool_]:
    """[rows]: `is_missing` of a column that was read as the numbers `values`: the word "-1" is meant by "-1.0" too."""
    gone = np.isnan(values)
    if gone.any():
        gone[gone] = is_missing(series.filter(pl.Series(gone)), words)
    numbers = _numbers_in(words)
    return gone | np.isin(values, numbers) if numbers else gone


def is_truths(series: pl.Series, words: tuple[str, ...]) -> bool:
    """Whether the column holds booleans, or true and false (in any case) and nothing else but missing values.

    0 and 1 are numbers, unless `spec.data.schema` says that the column's type is boolean.
    """
    if series.dtype != pl.String:
        return series.dtype == pl.Boolean
    if not np.isnan(_parsed(series)).all():
        return False  # sooner than by looking for words
    said = stripped(series).str.to_lowercase().is_in(list(_TRUTHS)).fill_null(value=False)
    return bool(said.any() and is_missing(series.filter(~said), words).all())


def as_truths(series: pl.Series) -> npt.NDArray[np.float64]:
    """[rows]: 1 for true and 1, 0 for false and 0, else NaN: a column whose schema says boolean, or `is_truths`."""
    values = np.full(len(series), np.nan)
    if series.dtype.is_numeric() or series.dtype in (pl.String, pl.Boolean, pl.Null):
        values = as_floats(series)
    values = np.where((values == 0) | (values == 1), values, np.nan)
    if series.dtype == pl.String:
        said = stripped(series).str.to_lowercase().replace_strict(_TRUTHS, default=None, return_dtype=pl.Float64)
        values = np.where(np.isnan(values), said.fill_null(float("nan")).to_numpy(), values)
    return values


def _parsed(series: pl.Series) -> npt.NDArray[np.float64]:
    """[rows]: a column of numbers or strings without blanks as numbers; NaN where it is none."""
    return series.cast(pl.Float64, strict=False).to_numpy()


def _stripped_words(words: tuple[str, ...]) -> list[str]:
    return [word.strip() for word in words]


@functools.cache
def _numbers_in(words: tuple[str, ...]) -> list[float]:
    """The numbers among `words`, infinite ones too."""
    numbers = pl.Series(_stripped_words(words), dtype=pl.String).cast(pl.Float64, strict=False).drop_nulls()
    return [number for number in numbers if not math.isnan(number)]
