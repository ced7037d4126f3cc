"""Columns as numbers, checked value by value against `spec.data.schema`.

Every complaint names the column, the line or row, the value, and the remedy. A column of strings is read in the same
way whether it comes from CSV or Parquet, so that the format of a file changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import ColumnSchema
from wattrain_worker.data.errors import BadData, BadSpec
from wattrain_worker.data.table import Table

MISSING_WORDS: Final = ("", "NA", "NaN", "nan", "null")
"""What stands for a missing number in a column of strings. In texts, only the empty one does."""
FEATURES: Final = "spec.data.features"
_BOOLEANS: Final = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass(frozen=True)
class Numbers:
    """A column of numbers."""

    values: npt.NDArray[np.float64]
    """[rows]; NaN: missing."""
    is_boolean: bool
    """Whether the values are truths (0 and 1), which have no outliers."""


def numbers(table: Table, name: str, field: str, schema: ColumnSchema | None) -> Numbers:
    """The column `name` as numbers, of the type that `schema` says, else of the one that its values show.

    `field` of the spec asked for it. BadData at the first value that is no number; bounds are not checked here.
    """
    series = table.column(name, field)
    is_boolean = schema.type == "boolean" if schema else is_truths(series)
    values = _truths(series) if is_boolean else _floats(series, name, field)
    missing = missing_numbers(series)
    complaint = "neither true nor false" if is_boolean else "not a number"
    other = f"leave the column out of {field}" if field == FEATURES else f"the type in spec.data.schema.{name}"
    remedy = f"correct the value, or {other}"
    reject(table, name, series, np.isnan(values) & ~missing, f"is {complaint}; {remedy}")
    reject(table, name, series, np.isinf(values), f"is not finite; {remedy}")
    return Numbers(values, is_boolean)


def check_schema(table: Table, name: str, schema: ColumnSchema) -> None:
    """Check every value of the column `name` against `schema`. BadData at the first that breaks it."""
    field = f"spec.data.schema.{name}"
    if schema.type == "string":
        if schema.min is not None or schema.max is not None:
            raise BadSpec(f"{field}: min and max do not apply to strings; remove them, or set type to float")
        series = table.column(name, field)
        if not schema.nullable:
            reject(
                table, name, series, missing_texts(series), f"is missing, but {field}.nullable is false; give a value"
            )
        return
    if schema.min is not None and schema.max is not None and schema.min > schema.max:
        raise BadSpec(f"{field}: min {schema.min:g} is above max {schema.max:g}; exchange them")
    _check_bounds(table, name, numbers(table, name, field, schema).values, schema)


def reject(table: Table, name: str, series: pl.Series, wrong: npt.NDArray[np.bool_], complaint: str) -> None:
    """BadData for the first value of column `name` that is `wrong`, saying how many more there are."""
    rows = np.flatnonzero(wrong)
    if not len(rows):
        return
    more = f" ({len(rows) - 1} more in this column)" if len(rows) > 1 else ""
    raise BadData(
        f'data: column "{name}", {table.place(int(rows[0]))}: {shown(series[int(rows[0])])} {complaint}{more}'
    )


def shown(value: object) -> str:
    """A value for a message: strings in quotes, cut where they are long."""
    if value is None:
        return '""'
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:60]}..."'
    return str(value).lower() if isinstance(value, bool) else str(value)


def is_truths(series: pl.Series) -> bool:
    """Whether the column holds booleans, or the words true and false and nothing else but missing values."""
    if series.dtype != pl.String:
        return series.dtype == pl.Boolean
    present = stripped(series).filter(pl.Series(~missing_numbers(series)))
    return len(present) > 0 and bool(present.str.to_lowercase().is_in(["true", "false"]).all())


def stripped(series: pl.Series) -> pl.Series:
    """A column of strings without blanks at the ends."""
    return series.str.strip_chars()


def missing_numbers(series: pl.Series) -> npt.NDArray[np.bool_]:
    """[rows]: where a column that should hold numbers holds nothing."""
    if series.dtype == pl.String:
        return (series.is_null() | stripped(series).is_in(MISSING_WORDS)).fill_null(value=True).to_numpy()
    if series.dtype.is_float():
        return (series.is_null() | series.is_nan()).fill_null(value=True).to_numpy()
    return series.is_null().to_numpy()


def missing_texts(series: pl.Series) -> npt.NDArray[np.bool_]:
    """[rows]: where a column that may hold any text holds nothing."""
    if series.dtype == pl.String:
        return (series.is_null() | (stripped(series) == "")).fill_null(value=True).to_numpy()
    return missing_numbers(series)


def as_floats(series: pl.Series) -> npt.NDArray[np.float64]:
    """[rows], float64: a column of strings or numbers; NaN where it is missing or no number."""
    text = stripped(series) if series.dtype == pl.String else series
    return text.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()


def _floats(series: pl.Series, name: str, field: str) -> npt.NDArray[np.float64]:
    if series.dtype not in (pl.String, pl.Boolean, pl.Null) and not series.dtype.is_numeric():
        raise BadData(
            f'data: column "{name}" is of type {series.dtype}, not of numbers; convert it, or leave it out of {field}'
        )
    return as_floats(series)


def _truths(series: pl.Series) -> npt.NDArray[np.float64]:
    if series.dtype == pl.String:
        truths = stripped(series).str.to_lowercase().replace_strict(_BOOLEANS, default=None, return_dtype=pl.Float64)
        return truths.fill_null(float("nan")).to_numpy()
    values = as_floats(series) if series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null) else None
    return np.full(len(series), np.nan) if values is None else np.where((values == 0) | (values == 1), values, np.nan)


def _check_bounds(table: Table, name: str, values: npt.NDArray[np.float64], schema: ColumnSchema) -> None:
    field, series = f"spec.data.schema.{name}", table.frame[name]
    remedy = "correct the value, or the schema"
    if not schema.nullable:
        reject(table, name, series, np.isnan(values), f"is missing, but {field}.nullable is false; give a value")
    if schema.type == "integer":
        broken = ~np.isnan(values) & (values != np.floor(values))
        reject(table, name, series, broken, f"is not an integer, as {field}.type demands; {remedy}")
    if schema.min is not None:
        reject(table, name, series, values < schema.min, f"is below {field}.min, {schema.min:g}; {remedy}")
    if schema.max is not None:
        reject(table, name, series, values > schema.max, f"is above {field}.max, {schema.max:g}; {remedy}")
