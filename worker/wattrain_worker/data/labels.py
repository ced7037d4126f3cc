"""The label column as classes, and the column that a split goes by."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import ColumnSchema
from wattrain_worker.data.columns import LABEL, numbers, reject, shown
from wattrain_worker.data.prepared_data import Label
from wattrain_worker.data.table import Table
from wattrain_worker.data.words import as_floats, as_truths, as_wholes, is_missing, is_truths, stripped
from wattrain_worker.errors import BadData, BadSpec

MISSING_LABEL: Final = -1
_MOST_CLASSES: Final = 1_000_000
_BLOCK_ROWS: Final = 4096


@dataclass(frozen=True)
class Labels:
    """A label for every row."""

    codes: npt.NDArray[np.int64]
    """[rows]: index into `classes`; MISSING_LABEL where there is none."""
    classes: tuple[Label, ...]
    """Integers in numeric order, strings in order of their code points, or false and true."""
    written: tuple[str, ...]
    """Each class as the file writes it."""
    numbers: npt.NDArray[np.float64] | None = None
    """[rows], in a regression, which has no classes: the labels, NaN where there is none. `codes` tells them apart."""

    def take(self, rows: npt.NDArray[np.int64]) -> Labels:
        """The labels of these rows alone."""
        return replace(self, codes=self.codes[rows], numbers=None if self.numbers is None else self.numbers[rows])


def read_numbers(table: Table, name: str, schema: ColumnSchema | None) -> Labels:
    """The column `name` as numbers to predict. BadData at the first value that is none."""
    if schema is not None and schema.type in ("string", "date"):
        raise BadSpec(
            f"spec.data.schema.{name}.type: {schema.type}, but spec.data.task is regression, whose label is a number; "
            "change one of them"
        )
    values = numbers(table, name, LABEL, schema).values
    present = ~np.isnan(values)
    codes = np.full(len(values), MISSING_LABEL, np.int64)
    codes[present] = np.unique(values[present], return_inverse=True)[1]
    return Labels(codes, (), (), values)


def read_labels(table: Table, name: str, schema: ColumnSchema | None) -> Labels:
    """The column `name` as classes: truths, whole numbers, or else strings.

    Different texts are different classes: 007 and 7 are strings, as are 1E2 and 100. Texts are whole numbers where each
    is written as Python writes it, and no whole number is rounded on the way.
    """
    series = table.column(name, LABEL)
    missing = is_missing(series, table.missing_values)
    if schema.type == "boolean" if schema else is_truths(series, table.missing_values):
        return _truths(series, missing)  # what is no truth was refused with the schema
    if series.dtype == pl.String:
        wants_text = schema is not None and schema.type == "string"
        wholes = None if wants_text else _canonical_wholes(series, missing)
        if wholes is not None:
            return _encoded(wholes, missing)
        if not wants_text:
            _refuse_fractions(table, name, series, missing)
        return _texts(series, missing)
    if not _may_be_numbers(series):
        raise BadData(
            f'data: column "{name}" (spec.data.label) is of type {series.dtype}; give whole numbers, strings or '
            "booleans"
        )
    if schema is not None and schema.type == "string":
        return _texts(series.cast(pl.String), missing)
    wholes = as_wholes(series, missing)
    if wholes is None:
        _refuse_fractions(table, name, series, missing)
        wholes = np.where(missing, 0, as_floats(series)).astype(np.int64)
    return _encoded(wholes, missing)


def _canonical_wholes(series: pl.Series, missing: npt.NDArray[np.bool_]) -> npt.NDArray[Any] | None:
    """A column of texts as whole numbers, exact, if all that are not missing are written as `str` writes them."""
    found = list[npt.NDArray[Any]]()
    for start in range(0, len(series), _BLOCK_ROWS):  # copies of all the texts would take ten times their numbers
        block = slice(start, start + _BLOCK_ROWS)
        wholes = _canonical_block(series[block], missing[block])
        if wholes is None:
            return None
        found.append(wholes)
    return np.concatenate(found)


def _canonical_block(series: pl.Series, missing: npt.NDArray[np.bool_]) -> npt.NDArray[Any] | None:
    wholes = as_wholes(series, missing)
    if wholes is None:
        return None
    present = pl.Series(~missing)
    written = pl.Series([str(whole) for whole in wholes]) if wholes.dtype == object else pl.Series(wholes)
    same = written.cast(pl.String).filter(present) == stripped(series).filter(present)
    return wholes if same.all() else None


def _refuse_fractions(table: Table, name: str, series: pl.Series, missing: npt.NDArray[np.bool_]) -> None:
    """BadData where the column holds numbers alone and one of them is no class, such as 2.5."""
    values = as_floats(series)
    if np.isnan(values[~missing]).any():
        return
    fractions = ~missing & (values != np.floor(values))
    broken = fractions | ~missing & np.isinf(values)
    if series.dtype != pl.String:
        broken |= ~missing & (np.abs(values) >= 2**53)  # from here on floats round: two labels may be one
    other = "set spec.data.task to regression, or " if fractions.any() else ""
    remedy = f"{other}name a column of whole numbers below 2**53, strings or booleans in spec.data.label"
    reject(table, name, series, broken, f"is not a class; {remedy}")


def compacted(labels: Labels) -> Labels:
    """`labels`, none of them missing, without the classes that no row has."""
    is_kept = np.bincount(labels.codes, minlength=len(labels.classes)) > 0
    classes = tuple(itertools.compress(labels.classes, is_kept))
    written = tuple(itertools.compress(labels.written, is_kept))
    return Labels((np.cumsum(is_kept) - 1)[labels.codes], classes, written)


@dataclass(frozen=True)
class SplitKeys:
    """What a split by group or time goes by."""

    keys: npt.NDArray[Any]
    """[rows]: float64, whole numbers (exact), microseconds as int64, or strings."""
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
    return _groups(series, table.missing_values) if method == "group" else _times(table, name, series)


def _groups(series: pl.Series, missing_values: tuple[str, ...]) -> SplitKeys:
    missing = is_missing(series, missing_values)
    if series.dtype.is_float() and bool((series.drop_nulls().drop_nans() % 1 == 0).all()):
        series = series.fill_nan(None).cast(pl.Int64)  # a group is called 7 whether the file says 7 or 7.0
    texts = stripped(series.cast(pl.String)).fill_null("")
    return SplitKeys(np.array(texts.to_list(), dtype=np.str_), missing)


def _times(table: Table, name: str, series: pl.Series) -> SplitKeys:
    missing = is_missing(series, table.missing_values)
    if (wholes := as_wholes(series, missing)) is not None:
        return SplitKeys(wholes, missing)
    values = as_floats(series)
    if series.dtype != pl.String or not np.isnan(values[~missing]).any():
        return SplitKeys(values, missing)
    texts = enumerate(zip(stripped(series).to_list(), missing, strict=True))
    times = [0 if gap else _microseconds(text, table, name, row) for row, (text, gap) in texts]
    return SplitKeys(np.array(times, np.int64), missing)


def _may_be_numbers(series: pl.Series) -> bool:
    return series.dtype in (pl.String, pl.Boolean, pl.Null) or series.dtype.is_numeric()


def _truths(series: pl.Series, missing: npt.NDArray[np.bool_]) -> Labels:
    """False and true, spelled as the file spells them if it does so in one way."""
    labels = _encoded(as_truths(series) == 1, missing)
    texts = stripped(series.cast(pl.String))
    spelled = []
    for code, truth in enumerate(labels.classes):
        found = texts.filter(pl.Series(labels.codes == code)).unique()
        spelled.append(found[0] if len(found) == 1 else str(truth).lower())
    return replace(labels, written=tuple(spelled))


def _texts(series: pl.Series, missing: npt.NDArray[np.bool_]) -> Labels:
    present = stripped(series).filter(pl.Series(~missing))
    classes = present.unique().sort()
    _demand_few(len(classes))
    codes = np.full(len(series), MISSING_LABEL, np.int64)
    if len(present):
        codes[~missing] = present.cast(pl.Enum(classes)).to_physical().to_numpy()
    return Labels(codes, tuple(classes), tuple(classes))


def _encoded(values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]) -> Labels:
    present = values[~missing]
    classes = np.unique(present)
    _demand_few(len(classes))
    codes = np.full(len(values), MISSING_LABEL, np.int64)
    codes[~missing] = np.searchsorted(classes, present)  # return_inverse takes twice the memory
    found = tuple(classes.tolist())
    return Labels(codes, found, tuple(map(str, found)))


def _demand_few(classes: int) -> None:
    if classes > _MOST_CLASSES:
        raise BadData(f"data: {classes} classes; spec.data.label must name a column with fewer different values")


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
