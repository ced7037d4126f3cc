"""Samples: the columns of a table that a training uses, checked, and the removal of rows that it cannot use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_api.data import ColumnSchema, Data, Missing
from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.columns import (
    FEATURES,
    LABEL,
    MISSING_VALUES,
    Numbers,
    dates,
    numbers,
    shown,
    texts,
)
from wattrain_worker.data.doubts import doubtful_columns
from wattrain_worker.data.fit import Matrix
from wattrain_worker.data.labels import (
    MISSING_LABEL,
    Labels,
    SplitKeys,
    compacted,
    read_labels,
    read_numbers,
    read_split_keys,
)
from wattrain_worker.data.mapped_rows import mapped_rows
from wattrain_worker.data.parts_of_columns import check_in_parts, read_in_parts
from wattrain_worker.data.precision import may_be_rounded, rounded_row
from wattrain_worker.data.row_blocks import RowBlocks, Rows
from wattrain_worker.data.row_digests import (
    Digests,
    Occurrences,
    digests_of,
    first_occurrences,
    occurrences_of,
    row_digests,
)
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.table import Table
from wattrain_worker.data.task_choice import Task, choose_task
from wattrain_worker.data.words import stripped
from wattrain_worker.errors import BadData, BadSpec

_ROWS_WORTH_THREADS: Final = 20_000
"""With fewer, starting them takes longer than they save."""
_BLOCK_ROWS: Final = 4096


@dataclass(frozen=True)
class Samples:
    """Rows of features with a label each."""

    columns: tuple[str, ...]
    label: str
    task: Task
    features: RowBlocks
    """[rows, columns]; NaN: missing. Of a column of texts, indices into them."""
    texts: tuple[tuple[str, ...] | None, ...]
    """[columns]: the different texts of each; None: it holds none."""
    are_dates: npt.NDArray[np.bool_]
    """[columns]: whose values are days since 1970."""
    are_truths: npt.NDArray[np.bool_]
    """[columns]"""
    labels: Labels
    digests: Digests
    """Of each row's features."""
    occurrences: Occurrences
    """Which copy of its features each row is, in the order of the file; 0 everywhere where copies stay together."""
    keys: SplitKeys | None
    """What a split by group or time goes by."""
    places: npt.NDArray[np.int64]
    """[rows]: line or row in the source."""
    place_word: str
    left_out: tuple[str, ...]
    """Index columns of the file's that are no features."""
    warnings: tuple[str, ...]
    """What of the columns may not be as the user means it, a sentence each."""

    def take(self, rows: Rows) -> Samples:
        """These rows alone; they rise."""
        if len(rows) == len(self.places):
            return self
        keys = self.keys and SplitKeys(self.keys.keys[rows], self.keys.missing[rows])
        return replace(
            self,
            features=self.features.of(rows),
            labels=self.labels.take(rows),
            digests=self.digests[rows],
            occurrences=self.occurrences[rows],
            keys=keys,
            places=self.places[rows],
        )

    def place(self, row: int) -> str:
        """Where row `row` (0-based) is in the source: `line 17`."""
        return f"{self.place_word} {self.places[row]}"


def gather(
    table: Table,
    data: Data,
    recipe: str,
    params: RecipeParameters | None,
    scratch: Scratch | None = None,
    in_order: InOrder = one_by_one,
) -> Samples:
    """The samples in `table` for the recipe called `recipe`, after `data.column_schema` was checked on every value.
    Their features lie in `scratch`. The columns of a table that is stored cannot be read afterwards."""
    scratch = scratch or Scratch(None)
    for name, schema in data.column_schema.items():
        check_in_parts(table, name, schema)
    label, columns = _chosen(table, data)
    task = choose_task(table, label, data, recipe, params)
    read, warnings = raw_features(table, columns, data.column_schema, FEATURES, scratch, in_order), list[str]()
    for name, of_column in zip(columns, read, strict=True):
        warnings += _rounded(table, name, of_column.values) if of_column.texts is None else ()
    read_label = read_numbers if task.kind == "regression" else read_labels
    labels = read_label(table, label, data.column_schema.get(label))
    warnings += _missing_labels(table, label, labels)
    if not data.features:
        of_numbers = [number for number, column in enumerate(read) if column.texts is None and not column.is_date]
        named = tuple(columns[number] for number in of_numbers)
        warnings += doubtful_columns(named, [read[number].values for number in of_numbers], table.place_word)
    method, column = data.split.method, data.split.column
    keys = read_split_keys(table, column, method) if column and method in ("group", "time") else None
    if table.stored is not None:
        table.stored.release()  # rows take as much room again
    features = RowBlocks(as_rows([column.values for column in read], scratch))
    digests = row_digests(_told_apart(features, read), in_order)
    return Samples(
        columns=columns,
        label=label,
        task=task,
        features=features,
        texts=tuple(column.texts for column in read),
        are_dates=np.array([column.is_date for column in read]),
        are_truths=np.array([column.is_boolean for column in read]),
        labels=labels,
        digests=digests,
        occurrences=occurrences_of(digests),
        keys=keys,
        places=table.places,
        place_word=table.place_word,
        left_out=tuple(name for name in table.index_names if name not in (label, *columns)),
        warnings=tuple(warnings),
    )


def raw_features(
    table: Table,
    columns: tuple[str, ...],
    schemas: Mapping[str, ColumnSchema],
    field: str,
    scratch: Scratch | None = None,
    in_order: InOrder = one_by_one,
) -> list[Numbers]:
    """`columns` of `table`, which `field` asked for, as numbers: how preparation and prediction read a row. BadData at
    the first value that is none."""

    def read_part(part: Table, name: str) -> Numbers:
        schema = schemas.get(name)
        if schema is not None and schema.type == "string":
            return texts(part, name, field)
        if schema is not None and schema.type == "date":
            return dates(part, name, field)
        return numbers(part, name, field, schema)

    def read(name: str) -> Numbers:
        return read_in_parts(table, name, field, read_part, scratch or Scratch(None), in_order)

    if len(table.places) < _ROWS_WORTH_THREADS:
        return [read(name) for name in columns]
    with ThreadPoolExecutor(pl.thread_pool_size()) as threads:  # in the order of `columns`, errors too
        return list(threads.map(read, columns))


def _told_apart(features: RowBlocks, columns: list[Numbers]) -> RowBlocks:
    """`features` with a number that stands for the text itself in place of its index, which rows that are appended may
    change."""
    of_texts: dict[int, npt.NDArray[np.float64]] = {}
    for number, column in enumerate(columns):
        if column.texts:
            halves = digests_of(text.encode() for text in column.texts)[:, 0]
            of_texts[number] = (halves >> np.uint64(11)).astype(np.float64)  # 53 bits, which float64 holds

    def told_apart(block: Matrix) -> Matrix:
        apart = block.copy()
        for number, of_text in of_texts.items():
            there = ~np.isnan(block[:, number])
            apart[there, number] = of_text[block[there, number].astype(np.int64)]
        return apart

    return features.changed(told_apart) if of_texts else features


def as_rows(columns: Sequence[npt.NDArray[np.float64]], scratch: Scratch | None = None) -> Matrix:
    """[rows, columns] of `columns`, [rows] each; rows that stay in a processor's cache at a time."""
    rows: Matrix = (scratch or Scratch(None)).empty((len(columns[0]), len(columns)), np.float64)
    mapped = [each for values in columns if (each := mapped_rows(values))]
    for start in range(0, len(rows), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        for each in mapped:
            each.ask_for_span(block.start, block.stop)
        for number, values in enumerate(columns):
            rows[block, number] = values[block]
    return rows


def first_of_equals(samples: Samples) -> Rows:
    """The rows, rising, whose features and label no earlier row has."""
    return first_occurrences(samples.digests, samples.labels.codes)


def without_duplicates(samples: Samples, firsts: Rows) -> Samples:
    """The samples without rows whose features and label an earlier row has: `firsts`, of `first_of_equals`.

    Rows that repeat are one sample here, so those that are left with equal features, which differ in their label alone,
    are dealt to the same split: apart, they would be tested on an answer that contradicts the one trained on.
    """
    kept = samples.take(firsts)
    return replace(kept, occurrences=np.zeros_like(kept.occurrences))


def without_missing(samples: Samples, policy: Missing) -> Samples:
    """The samples without rows that lack something; with `mean` and `indicator`, missing features stay.

    A label or a key of the split cannot be filled in: rows without go in either case. `fail`: BadData at the first.
    """
    have_gaps, are_empty = _gaps(samples.features)
    unusable = samples.labels.codes == MISSING_LABEL
    if samples.keys is not None:
        unusable = unusable | samples.keys.missing
    if policy == "fail":
        _fail_on_missing(samples, have_gaps, unusable)
    if policy == "drop":
        unusable = unusable | have_gaps
    if policy == "drop" and are_empty.any():
        raise BadData(
            f'data: column "{samples.columns[int(are_empty.argmax())]}" has no value in any of the {len(unusable)} '
            "rows; leave it out of spec.data.features"
        )
    if unusable.all():
        remedy = "set spec.data.clean.missing to mean, or leave out" if policy == "drop" else "correct"
        raise BadData(f"data: each of the {len(unusable)} rows lacks a value; {remedy} the columns without values")
    return samples.take(np.flatnonzero(~unusable))


def with_known_classes(samples: Samples) -> Samples:
    """The samples with the classes that they have. BadData where that is one only, or in a regression one number."""
    if samples.labels.numbers is not None:
        if (samples.labels.codes == samples.labels.codes[0]).all():
            raise BadData(
                f'data: column "{samples.label}" is {samples.labels.numbers[0]:g} in each of {len(samples.places)} '
                "rows; a training needs rows of two different numbers at least"
            )
        return samples
    labels = compacted(samples.labels)
    if len(labels.classes) < 2:
        raise BadData(
            f'data: column "{samples.label}" has only the class {labels.classes[0]!r} in {len(labels.codes)} rows; '
            "a training needs rows of two classes at least"
        )
    return replace(samples, labels=labels)


def _chosen(table: Table, data: Data) -> tuple[str, tuple[str, ...]]:
    """The label and the feature columns."""
    names = table.names
    label = data.label or table.default_label
    if label is None:
        raise BadSpec(f"spec.data.label: not given; name the column to predict, one of {table.names_told}")
    next(table.parts(label, LABEL))  # it is there
    # What rows are grouped or ordered by is no measurement; as a feature by default it would leak.
    not_features = {label} | ({data.split.column} if data.split.method in ("group", "time") else set())
    columns = data.features or tuple(name for name in names if name not in not_features)
    if label in columns:
        raise BadSpec(
            f'spec.data.features: "{label}" is the label; leave it out, or the model would be told the answer'
        )
    repeated = next((name for name, count in Counter(columns).items() if count > 1), None)
    if repeated is not None:
        raise BadSpec(f'spec.data.features: "{repeated}" is there twice; name each column once')
    if not columns:
        raise BadData(f'data: no column is left besides the label "{label}"; give columns to predict from')
    return label, columns


def _rounded(table: Table, name: str, values: npt.NDArray[np.float64]) -> Iterator[str]:
    if not may_be_rounded(values):
        return
    series = table.column(name, FEATURES)
    row = rounded_row(series, values)
    if row is not None:
        yield (
            f'column "{name}", {table.place(row)}: {shown(series[row])} is used as {values[row]:.0f}, for float64 does '
            f"not hold every integer from 2**53 on; where it is an identifier, leave the column out of {FEATURES}"
        )


def _missing_labels(table: Table, name: str, labels: Labels) -> Iterator[str]:
    """Texts that stand for no label, where the others are texts as well: one of them may be meant as a class."""
    series = table.column(name, LABEL)
    if labels.numbers is not None:
        return
    if series.dtype != pl.String or not all(isinstance(each, str) for each in labels.classes):
        return
    written = stripped(series.filter(pl.Series(labels.codes == MISSING_LABEL)).drop_nulls())
    for word in sorted(set(written) - {""}):
        yield (
            f'column "{name}": {(written == word).sum():,} labels are {shown(word)}, which stands for a missing value, '
            f"so these rows are not used; where it is a class, leave the word out of {MISSING_VALUES}"
        )


def _gaps(features: RowBlocks) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """[rows]: which lack a value; [columns]: which lack all of them."""
    have_gaps, are_empty = np.empty(len(features), np.bool_), np.ones(features.columns, np.bool_)
    for (start, end), block in zip(features.spans(), features, strict=True):
        gaps = np.isnan(block)
        have_gaps[start:end] = gaps.any(axis=1)
        are_empty &= gaps.all(axis=0)
    return have_gaps, are_empty


def _fail_on_missing(samples: Samples, have_gaps: npt.NDArray[np.bool_], unusable: npt.NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(have_gaps | unusable)
    if not len(rows):
        return
    row = int(rows[0])
    in_features = have_gaps[row]
    gaps = np.isnan(samples.features.at(np.array([row]))[0])
    name = samples.columns[int(gaps.argmax())] if in_features else samples.label
    if not in_features and samples.labels.codes[row] != MISSING_LABEL:
        name = "spec.data.split.column"
    raise BadData(
        f'data: column "{name}", {samples.place(row)}: no value, and spec.data.clean.missing is fail ({len(rows)} rows '
        "lack a value); give the value, or set spec.data.clean.missing to drop, mean or indicator"
    )
