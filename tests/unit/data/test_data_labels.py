"""Labels keep their identity: what differs in the file is not one class, and no integer is rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.data import ColumnSchema
from wattrain_api.reasons import EXIT_BAD_DATA
from wattrain_worker.data.labels import MISSING_LABEL, Labels, read_labels
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData


def _read(cells: list[Any], dtype: Any = pl.String, schema: str | None = None) -> Labels:
    frame = pl.DataFrame({"y": pl.Series(cells, dtype=dtype, strict=True)})
    table = Table(frame, np.arange(2, len(cells) + 2), "line", None)
    return read_labels(table, "y", None if schema is None else ColumnSchema.model_validate({"type": schema}))


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "7"],
        ["7", "7.0"],
        ["100", "1E2"],
        ["+1", "1"],
        ["-0", "0"],
        ["9007199254740992", "9007199254740993", "9007199254740993.0"],
        ["01", "02"],
        ["0.0", "1.0"],
        ["1", "one"],
        ["a", "a\0"],
    ],
)
def test_texts_that_differ_are_different_classes(texts: list[str]) -> None:
    labels = _read([*texts, *texts[::-1]])
    assert labels.classes == tuple(sorted(texts)) == labels.written
    assert [labels.classes[code] for code in labels.codes] == [*texts, *texts[::-1]]


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["9007199254740993", "-9007199254740993", "9007199254740992"], pl.String),
        (["18446744073709551617", "18446744073709551616"], pl.String),
        ([2**53 + 1, 2**53, -(2**53) - 1], pl.Int64),
        ([2**64 - 1, 2**64 - 2], pl.UInt64),
        ([2**100 + 1, 2**100], pl.Int128),
    ],
)
def test_integers_of_any_size_are_classes_of_their_own(cells: list[Any], dtype: Any) -> None:
    labels = _read(cells, dtype)
    assert [labels.classes[code] for code in labels.codes] == [int(cell) for cell in cells]
    assert labels.written == tuple(map(str, labels.classes))


def test_floats_are_classes_only_where_the_file_has_them_and_as_long_as_they_are_exact() -> None:
    assert _read([1.0, 2.0, None, float("nan")], pl.Float64).classes == (1, 2)
    for cell in (2.0**53, 2.5, float("inf")):
        with pytest.raises(BadData, match=r'column "y", line 3: .* is not a class') as caught:
            _read([1.0, cell], pl.Float64)
        assert caught.value.exit_code == EXIT_BAD_DATA


def test_texts_that_are_numbers_with_a_fraction_are_no_classes_unless_the_schema_says_so() -> None:
    with pytest.raises(BadData, match=r'line 3: "2\.5" is not a class; set spec.data.task to regression'):
        _read(["1", "2.5"])
    assert _read(["1", "2.5"], schema="string").classes == ("1", "2.5")


@pytest.mark.parametrize(
    ("cells", "classes"), [(["7", "NA", "8"], (7, 8)), (["a", "NA", "b"], ("a", "b")), (["true", "NA", "false"], None)]
)
def test_a_missing_label_is_missing_whatever_the_others_are(cells: list[str], classes: Any) -> None:
    labels = _read(cells)
    assert labels.classes == (classes or (False, True))
    assert labels.codes[1] == MISSING_LABEL


@pytest.mark.parametrize(
    ("cells", "written"),
    [
        (["TRUE", "FALSE"], ("FALSE", "TRUE")),
        (["true", "True", "False"], ("False", "true")),
        ([" false", "true "], ("false", "true")),
    ],
)
def test_truths_are_given_back_as_they_are_written(cells: list[str], written: tuple[str, ...]) -> None:
    labels = _read(cells)
    assert labels.classes == (False, True)
    assert labels.written == written


def test_labels_written_with_zeros_train_as_the_classes_they_are(bench: Any) -> None:
    path = bench.write("a,kind\n" + "".join(f"{i},{['007', '7', '7.0'][i % 3]}\n" for i in range(90)))
    prepared = bench.prepared(path, label="kind", normalize="none")
    assert prepared.classes == ("007", "7", "7.0")
    np.testing.assert_array_equal(prepared.train.labels, prepared.train.features[:, 0].astype(int) % 3)
