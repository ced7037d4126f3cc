"""Columns as numbers, checked value by value against `spec.data.schema`.

Every complaint names the column, the line or row, the value, and the remedy. A column of strings is read in the same
way whether it comes from CSV or Parquet, so that the format of a file changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import ColumnSchema
from wattrain_worker.data.dates import are_dates, as_days
from wattrain_worker.data.table import Table
from wattrain_worker.data.words import as_floats, as_truths, is_missing, is_missing_number, is_truths, stripped
from wattrain_worker.errors import BadData, BadSpec

FEATURES: Final = "spec.data.features"
LABEL: Final = "spec.data.label"
OF_MODEL: Final = "a column of the model"
"""What asks for a column where no spec does: a model that predicts."""
MOST_CATEGORIES: Final = 1000
"""Of one column: each is a column for the model."""
_FEW_TEXTS: Final = 20
_OTHER_TYPES: Final = (pl.Categorical, pl.Enum, pl.Date, pl.Datetime)
"""Of files other than CSV, which are read as texts or dates."""
MISSING_VALUES: Final = "spec.data.missingValues"
_SEPARATED: Final = re.compile(r"[-+]?[0-9]+([., '_][0-9]+)*,[0-9]+|[-+]?[0-9]+([, '_][0-9]{3})+(\.[0-9]+)?")
"""A number as people write it: 1,5 or 1.234,5 or 1 234.5."""


@dataclass(frozen=True)
class Numbers:
    """A column as numbers."""

    values: npt.NDArray[np.float64]
    """[rows]; NaN: missing."""
    is_boolean: bool
    """Whether the values are truths (0 and 1), which have no outliers."""
    is_date: bool = False
    """Whether the values are days since 1970."""
    texts: tuple[str, ...] | None = None
    """The different texts, sorted, of which `values` are the indices; None where the column holds no texts."""


def numbers(table: Table, name: str, field: str, schema: ColumnSchema | None) -> Numbers:
    """The column `name` as numbers, of the type that `schema` says, else of the one that its values show.

    `field` of the spec asked for it. BadData at the first value that is no number; bounds are not checked here. A
    feature without a schema of which no value is a number is a column of texts.
    """
    series, words = table.column(name, field), table.missing_values
    is_boolean = schema.type == "boolean" if schema else series.dtype == pl.Boolean
    values = as_truths(series) if is_boolean else _floats(series, name, field)
    if schema is None and not is_boolean and np.isnan(values).all() and is_truths(series, words):
        is_boolean, values = True, as_truths(series)
    missing = is_missing_number(series, values, words)
    if schema is None and field == FEATURES and _are_texts(series, values, missing) and are_dates(series, missing):
        return dates(table, name, field)
    if schema is None and field == FEATURES and not is_boolean and _are_texts(series, values, missing):
        return _demand_categories(table, name, texts(table, name, field))
    complaint = "neither true nor false" if is_boolean else "not a number"
    others = {FEATURES: f"leave the column out of {field}", LABEL: "set spec.data.task to classification"}
    other = others.get(field, f"the type in spec.data.schema.{name}")
    remedy = "correct the value" if field == OF_MODEL else f"correct the value, or {other}"
    wrong = np.isnan(values) & ~missing
    if wrong.any():
        hint = _hint(series[int(wrong.argmax())], is_boolean)
        none = f"where it stands for no value, add it to {MISSING_VALUES}"
        reject(table, name, series, wrong, f"is {complaint}; {hint}{remedy}; {none}")
    values = np.where(missing, np.nan, values) if missing.any() else values
    reject(table, name, series, np.isinf(values), f"is not finite; {remedy}")
    return Numbers(values, is_boolean)


def dates(table: Table, name: str, field: str) -> Numbers:
    """The column `name`, which `field` of the spec asked for, as days since 1970. BadData at the first other value."""
    series = table.column(name, field)
    missing = is_missing(series, table.missing_values)
    values = as_days(series, missing)
    wrong = np.isnan(values) & ~missing
    reject(
        table, name, series, wrong, "is no date in ISO 8601, such as 2026-03-01 or 2026-03-01T14:30; correct the value"
    )
    return Numbers(values, is_boolean=False, is_date=True)


def texts(table: Table, name: str, field: str) -> Numbers:
    """The column `name`, which `field` of the spec asked for, as texts. BadData where they are too many categories."""
    series = table.column(name, field)
    missing = is_missing(series, table.missing_values)
    written = stripped(series.cast(pl.String))
    different = written.filter(pl.Series(~missing)).unique().sort()
    if len(different) > MOST_CATEGORIES:
        raise BadData(
            f'data: column "{name}" has {len(different):,} different texts, and at most {MOST_CATEGORIES:,} can be '
            "categories; leave the column out of spec.data.features"
        )
    values = np.full(len(series), np.nan)
    if len(different):
        values[~missing] = written.filter(pl.Series(~missing)).cast(pl.Enum(different)).to_physical().to_numpy()
    return Numbers(values, is_boolean=False, texts=tuple(different))


def _are_texts(series: pl.Series, values: npt.NDArray[np.float64], missing: npt.NDArray[np.bool_]) -> bool:
    """Whether a column of strings holds no number at all, and not missing values alone."""
    if series.dtype in _OTHER_TYPES:
        return True
    return series.dtype == pl.String and bool(np.isnan(values).all()) and not missing.all()


def _demand_categories(table: Table, name: str, found: Numbers) -> Numbers:
    """BadData for texts that tell the rows apart, such as names, where nobody has said that they are categories."""
    different = len(found.texts or ())
    if different > _FEW_TEXTS and 2 * different > len(table.places):
        raise BadData(
            f'data: column "{name}" has {different:,} different texts in {len(table.places):,} rows, which tell rows '
            f"apart rather than kinds of them; leave the column out of {FEATURES}, or set spec.data.schema.{name}.type "
            "to string to have each text for a category"
        )
    return found


def _hint(value: object, is_boolean: bool) -> str:
    """What is most likely wrong with a `value` that is no number."""
    if not is_boolean and isinstance(value, str) and _SEPARATED.fullmatch(value.strip()):
        return "write it without separators of thousands, and with a point before decimals; "
    if isinstance(value, str) and value.strip().startswith('"'):
        return "a quote counts only right behind the comma, so remove the blank before it; "
    return ""


def check_schema(table: Table, name: str, schema: ColumnSchema) -> None:
    """Check every value of the column `name` against `schema`. BadData at the first that breaks it."""
    field = f"spec.data.schema.{name}"
    if schema.type in ("string", "date"):
        if schema.min is not None or schema.max is not None:
            raise BadSpec(f"{field}: min and max do not apply to {schema.type}s; remove them, or set type to float")
        series = table.column(name, field)
        if schema.type == "date":
            dates(table, name, field)
        if not schema.nullable:
            missing = is_missing(series, table.missing_values)
            reject(table, name, series, missing, f"is missing, but {field}.nullable is false; give a value")
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


def _floats(series: pl.Series, name: str, field: str) -> npt.NDArray[np.float64]:
    if series.dtype in _OTHER_TYPES and field == FEATURES:
        return np.full(len(series), np.nan)
    if series.dtype not in (pl.String, pl.Boolean, pl.Null) and not series.dtype.is_numeric():
        raise BadData(
            f'data: column "{name}" is of type {series.dtype}, not of numbers; convert it, or leave it out of {field}'
        )
    return as_floats(series)


def _check_bounds(table: Table, name: str, values: npt.NDArray[np.float64], schema: ColumnSchema) -> None:
    field = f"spec.data.schema.{name}"
    series = table.column(name, field)
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
