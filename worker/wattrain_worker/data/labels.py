"""The label column as classes, and the column that a split goes by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import ColumnSchema
from wattrain_worker.data.columns import (
    as_floats,
    is_truths,
    missing_numbers,
    missing_texts,
    reject,
    shown,
    stripped,
)
from wattrain_worker.data.errors import BadData
from wattrain_worker.data.prepared import Label
from wattrain_worker.data.table import Table

MISSING_LABEL: Final = -1
_MOST_CLASSES: Final = 1_000_000


@dataclass(frozen=True)
class Labels:
    """A label for every row."""

    codes: npt.NDArray[np.int64]
    """[rows]: index into `classes`; MISSING_LABEL where there is none."""
    classes: tuple[Label, ...]
    """Integers in numeric order, strings in order of their code points, or false and true."""


def read_labels(table: Table, name: str, schema: ColumnSchema | None) -> Labels:
    """The column `name` as classes: truths, whole numbers, or else strings."""
    series = table.column(name, "spec.data.label")
    is_text = schema is not None and schema.type == "string"
    values, missing = as_floats(series) if _may_be_numbers(series) else None, missing_numbers(series)
    if not is_text and is_truths(series):
        truths = series if series.dtype == pl.Boolean else stripped(series).str.to_lowercase() == "true"
        return _encoded(truths.fill_null(value=False).to_numpy(), missing)
    if values is not None and not is_text and not np.isnan(values[~missing]).any():
        broken = ~missing & (np.isinf(values) | (values != np.floor(values)) | (np.abs(values) > 2**53))
        remedy = "name a column of whole numbers below 2**53, strings or booleans in spec.data.label"
        reject(table, name, series, broken, f"is not a class; {remedy}")
        return _encoded(np.where(missing, 0, values).astype(np.int64), missing)
    if series.dtype != pl.String and not series.dtype.is_numeric():
        raise BadData(
            f'data: column "{name}" (spec.data.label) is of type {series.dtype}; give whole numbers, strings or '
            "booleans"
        )
    texts = stripped(series.cast(pl.String)).fill_null("")
    return _encoded(np.array(texts.to_list(), dtype=np.str_), missing_texts(series))


def compacted(labels: Labels) -> Labels:
    """`labels`, none of them missing, without the classes that no row has."""
    kept, codes = np.unique(labels.codes, return_inverse=True)
    return Labels(codes.astype(np.int64), tuple(labels.classes[i] for i in kept))


@dataclass(frozen=True)
class SplitKeys:
    """What a split by group or time goes by."""

    keys: npt.NDArray[Any]
    """[rows]: float64, microseconds as int64, or strings."""
    missing: npt.NDArray[np.bool_]
    """[rows]"""


def read_split_keys(table: Table, name: str, method: Literal["group", "time"]) -> SplitKeys:
    """The column `name` as something to group (any value) or to order (numbers, or dates in ISO 8601) rows by."""
    series = table.column(name, "spec.data.split.column")
    if series.dtype.is_temporal():
        return SplitKeys(series.to_physical().cast(pl.Int64).fill_null(0).to_numpy(), series.is_null().to_numpy())
    if not _may_be_numbers(series):
        raise BadData(
            f'data: column "{name}" (spec.data.split.column) is of type {series.dtype}; give numbers, strings or dates'
        )
    return _groups(series) if method == "group" else _times(table, name, series)


def _groups(series: pl.Series) -> SplitKeys:
    missing = missing_texts(series)
    if series.dtype.is_float() and bool((series.drop_nulls().drop_nans() % 1 == 0).all()):
        series = series.fill_nan(None).cast(pl.Int64)  # a group is called 7 whether the file says 7 or 7.0
    texts = stripped(series.cast(pl.String)).fill_null("")
    return SplitKeys(np.array(texts.to_list(), dtype=np.str_), missing)


def _times(table: Table, name: str, series: pl.Series) -> SplitKeys:
    missing, values = missing_numbers(series), as_floats(series)
    if series.dtype != pl.String or not np.isnan(values[~missing]).any():
        return SplitKeys(values, missing)
    texts = enumerate(zip(stripped(series).to_list(), missing, strict=True))
    times = [0 if gap else _microseconds(text, table, name, row) for row, (text, gap) in texts]
    return SplitKeys(np.array(times, np.int64), missing)


def _may_be_numbers(series: pl.Series) -> bool:
    return series.dtype in (pl.String, pl.Boolean, pl.Null) or series.dtype.is_numeric()


def _encoded(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> Labels:
    classes, codes = np.unique(values[~missing], return_inverse=True)
    if len(classes) > _MOST_CLASSES:
        raise BadData(f"data: {len(classes)} classes; spec.data.label must name a column with fewer different values")
    all_codes = np.full(len(values), MISSING_LABEL, np.int64)
    all_codes[~missing] = codes
    return Labels(all_codes, tuple(value.item() for value in classes))


def _microseconds(text: str, table: Table, name: str, row: int) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadData(
            f'data: column "{name}", {table.place(row)}: {shown(text)} is neither a number nor a date in ISO 8601; '
            "correct the value, or name another column in spec.data.split.column"
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
