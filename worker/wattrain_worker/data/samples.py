"""Samples: the columns of a table that a training uses, checked, and the removal of rows that it cannot use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Data
from wattrain_worker.data.columns import FEATURES, check_schema, numbers
from wattrain_worker.data.errors import BadData, BadSpec
from wattrain_worker.data.fit import Matrix
from wattrain_worker.data.labels import MISSING_LABEL, Labels, SplitKeys, compacted, read_labels, read_split_keys
from wattrain_worker.data.rows import first_occurrences, row_digests
from wattrain_worker.data.table import Table, listed

Rows = npt.NDArray[np.int64]
"""Indices of rows."""


@dataclass(frozen=True)
class Samples:
    """Rows of features with a label each."""

    columns: tuple[str, ...]
    label: str
    features: Matrix
    """[rows, columns]; NaN: missing."""
    are_truths: npt.NDArray[np.bool_]
    """[columns]"""
    labels: Labels
    digests: list[bytes]
    """What identifies each row."""
    keys: SplitKeys | None
    """What a split by group or time goes by."""
    places: npt.NDArray[np.int64]
    """[rows]: line or row in the source."""
    place_word: str

    def take(self, rows: Rows) -> Samples:
        """These rows alone, in this order."""
        keys = self.keys and SplitKeys(self.keys.keys[rows], self.keys.missing[rows])
        return replace(
            self,
            features=self.features[rows],
            labels=Labels(self.labels.codes[rows], self.labels.classes),
            digests=[self.digests[row] for row in rows.tolist()],
            keys=keys,
            places=self.places[rows],
        )

    def place(self, row: int) -> str:
        """Where row `row` (0-based) is in the source: `line 17`."""
        return f"{self.place_word} {self.places[row]}"


def gather(table: Table, data: Data) -> Samples:
    """The samples in `table`, after `data.column_schema` was checked on every value."""
    for name, schema in data.column_schema.items():
        check_schema(table, name, schema)
    label, columns = _chosen(table, data)
    read = []
    for name in columns:
        found = data.column_schema.get(name)
        if found is not None and found.type == "string":
            raise BadSpec(
                f'spec.data.schema: column "{name}" is of type string, but a feature must be a number; encode it as '
                "numbers, or leave it out of spec.data.features"
            )
        read.append(numbers(table, name, FEATURES, found))
    labels = read_labels(table, label, data.column_schema.get(label))
    features = np.ascontiguousarray(np.stack([column.values for column in read], axis=1))
    method, column = data.split.method, data.split.column
    keys = read_split_keys(table, column, method) if column and method in ("group", "time") else None
    return Samples(
        columns=columns,
        label=label,
        features=features,
        are_truths=np.array([column.is_boolean for column in read]),
        labels=labels,
        digests=row_digests(features, labels),
        keys=keys,
        places=table.places,
        place_word=table.place_word,
    )


def without_duplicates(samples: Samples) -> Samples:
    """The samples without rows whose features and label an earlier row has."""
    return samples.take(first_occurrences(samples.digests))


def without_missing(samples: Samples, policy: Literal["drop", "mean", "fail"]) -> Samples:
    """The samples without rows that lack something; with `mean`, missing features stay to be filled in later.

    A label or a key of the split cannot be filled in: rows without go in either case. `fail`: BadData at the first.
    """
    gaps = np.isnan(samples.features)
    unusable = samples.labels.codes == MISSING_LABEL
    if samples.keys is not None:
        unusable = unusable | samples.keys.missing
    if policy == "fail":
        _fail_on_missing(samples, gaps, unusable)
    if policy == "drop":
        unusable = unusable | gaps.any(axis=1)
    if unusable.all():
        remedy = "set spec.data.clean.missing to mean, or leave out" if policy == "drop" else "correct"
        raise BadData(f"data: each of the {len(unusable)} rows lacks a value; {remedy} the columns without values")
    return samples.take(np.flatnonzero(~unusable))


def with_known_classes(samples: Samples) -> Samples:
    """The samples with the classes that they have. BadData where that is one only."""
    labels = compacted(samples.labels)
    if len(labels.classes) < 2:
        raise BadData(
            f'data: column "{samples.label}" has only the class {labels.classes[0]!r} in {len(labels.codes)} rows; '
            "a training needs rows of two classes at least"
        )
    return replace(samples, labels=labels)


def _chosen(table: Table, data: Data) -> tuple[str, tuple[str, ...]]:
    """The label and the feature columns."""
    names = table.frame.columns
    label = data.label or table.default_label
    if label is None:
        raise BadSpec(f"spec.data.label: not given; name the column to predict, one of {listed(names)}")
    table.column(label, "spec.data.label")
    # What rows are grouped or ordered by is no measurement; as a feature by default it would leak.
    not_features = {label} | ({data.split.column} if data.split.method in ("group", "time") else set())
    columns = data.features or tuple(name for name in names if name not in not_features)
    if label in columns:
        raise BadSpec(
            f'spec.data.features: "{label}" is the label; leave it out, or the model would be told the answer'
        )
    repeated = next((name for i, name in enumerate(columns) if name in columns[:i]), None)
    if repeated is not None:
        raise BadSpec(f'spec.data.features: "{repeated}" is there twice; name each column once')
    if not columns:
        raise BadData(f'data: no column is left besides the label "{label}"; give columns to predict from')
    return label, columns


def _fail_on_missing(samples: Samples, gaps: npt.NDArray[np.bool_], unusable: npt.NDArray[np.bool_]) -> None:
    rows = np.flatnonzero(gaps.any(axis=1) | unusable)
    if not len(rows):
        return
    row = int(rows[0])
    in_features = gaps[row].any()
    name = samples.columns[int(gaps[row].argmax())] if in_features else samples.label
    if not in_features and samples.labels.codes[row] != MISSING_LABEL:
        name = "spec.data.split.column"
    raise BadData(
        f'data: column "{name}", {samples.place(row)}: no value, and spec.data.clean.missing is fail ({len(rows)} rows '
        "lack a value); give the value, or set spec.data.clean.missing to drop or mean"
    )
