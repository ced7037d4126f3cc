"""What a cell says that is no number means the same in features, labels and keys, and in every format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.data import DEFAULT_MISSING_VALUES
from wattrain_worker.data.columns import numbers
from wattrain_worker.data.labels import MISSING_LABEL, read_labels, read_split_keys
from wattrain_worker.data.table import Table
from wattrain_worker.data.words import as_truths, is_missing, is_truths

ROWS = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(60))
HEADER = "age,size,kind\n"


def table(values: list[Any], missing_values: tuple[str, ...] = DEFAULT_MISSING_VALUES) -> Table:
    frame = pl.DataFrame({"it": values}, strict=False)
    return Table(frame, np.arange(len(values)), "row", None, missing_values)


@pytest.mark.parametrize("word", ["", "  ", " NA ", "N/A", "nan", "NaN", "null", "NULL", "<NA>"])
def test_a_missing_word_is_missing_in_numbers_texts_and_keys(bench: Any, word: str) -> None:
    rows = f"{word},1,a\n5,1,{word}\n"
    document = bench.prepare(bench.write(HEADER + ROWS + rows), label="kind").document
    assert (document["counts"]["missingDropped"], document["classes"]) == (2, ["a", "b"])
    assert read_split_keys(table(["x", word]), "it", "group").missing.tolist() == [False, True]
    assert read_split_keys(table(["1", word]), "it", "time").missing.tolist() == [False, True]


def test_missing_words_can_be_given_and_replace_the_others(bench: Any) -> None:
    source = bench.write(HEADER + ROWS + "?,1,NA\n-,1,?\n3,1,NA\n")
    document = bench.prepare(source, label="kind", missingValues=["?", "-"]).document
    assert (document["counts"]["missingDropped"], document["classes"]) == (2, ["NA", "a", "b"])


def test_a_label_that_is_missing_and_may_be_a_class_is_warned_of(bench: Any) -> None:
    source = bench.write(HEADER + ROWS + "1,2,NA\n2,3,NA\n3,4,\n")
    warnings = bench.prepare(source, label="kind").document["warnings"]
    assert [warning for warning in warnings if "missingValues" in warning] == [
        'column "kind": 2 labels are "NA", which stands for a missing value, so these rows are not used; where it is a '
        "class, leave the word out of spec.data.missingValues"
    ]
    assert not bench.prepare(source, into="given", label="kind", missingValues=["-"]).document["warnings"]
    numeric = bench.prepare(bench.write("age,kind\n" + "1,NA\n" + "2,0\n3,1\n" * 60), into="n", label="kind").document
    assert not [warning for warning in numeric["warnings"] if "missingValues" in warning]


def test_a_column_without_any_value_is_named(bench: Any) -> None:
    error = bench.refusal(bench.write("age,empty,kind\n" + "1,,a\n2,NA,b\n"), label="kind")
    assert 'column "empty" has no value in any of the 2 rows; leave it out of spec.data.features' in str(error)


def test_a_word_that_is_not_given_is_no_number_and_the_remedy_names_the_field(bench: Any) -> None:
    error = bench.refusal(bench.write(HEADER + ROWS + "?,1,a\n"), label="kind")
    assert '"?" is not a number' in str(error)
    assert "where it stands for no value, add it to spec.data.missingValues" in str(error)


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_number_that_stands_for_no_value_does_so_however_it_is_written(bench: Any, name: str) -> None:
    frame = pl.DataFrame({"age": [-999.0, *map(float, range(59))], "size": [*range(59), -999], "kind": ["a", "b"] * 30})
    path: Path = bench.folder / name
    frame.write_csv(path) if name.endswith("csv") else frame.write_parquet(path)
    document = bench.prepare(path, label="kind", missingValues=["-999"]).document
    assert document["counts"]["missingDropped"] == 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["true", "FALSE", " True ", "NA"], True),
        ([True, False, None], True),
        (["true", "0"], False),
        (["0", "1"], False),
        ([0, 1], False),
        (["NA", ""], False),
    ],
)
def test_truths_are_the_words_true_and_false_in_any_case(values: list[Any], expected: bool) -> None:
    assert is_truths(table(values).frame["it"], DEFAULT_MISSING_VALUES) is expected


@pytest.mark.parametrize("values", [["1", "FALSE", "1.0", "0"], [True, False, True, False], [1, 0, 1, 0]])
def test_a_schema_of_booleans_takes_one_and_zero_in_features_and_labels(bench: Any, values: list[Any]) -> None:
    assert as_truths(table(values).frame["it"]).tolist() == [1.0, 0.0, 1.0, 0.0]
    frame = pl.DataFrame({"size": range(60), "flag": pl.Series(values * 15)})
    path = bench.folder / "flags.parquet"
    frame.write_parquet(path)
    document = bench.prepare(path, label="flag", schema={"flag": {"type": "boolean"}}).document
    assert document["classes"] == [False, True]


def test_labels_of_a_boolean_column_miss_what_features_miss() -> None:
    labels = read_labels(table(["true", "N/A", "False", ""]), "it", None)
    assert labels.classes == (False, True)
    assert labels.codes.tolist() == [1, MISSING_LABEL, 0, MISSING_LABEL]


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize("start", [2**53, 2**63 - 2, 2**70])
def test_times_that_are_whole_numbers_keep_their_order(as_text: bool, start: int) -> None:
    moments = [start + 1, start, start + 2]
    column = [str(moment) for moment in moments] if as_text else pl.Series(moments, dtype=pl.Int128)
    keys = read_split_keys(table(column), "it", "time").keys
    assert np.argsort(keys).tolist() == [1, 0, 2]


@pytest.mark.parametrize("words", [("inf", "?"), ("?",), ("7",)])
def test_a_word_is_missing_in_texts_and_numbers_whether_or_not_it_could_be_a_number(words: tuple[str, ...]) -> None:
    cells = ["1", "inf", "?", "7", " 7 ", "7.0", "x", ""]
    assert is_missing(table(cells).frame["it"], words).tolist() == [cell.strip() in ("", *words) for cell in cells]
    numbers_alone = ["1", words[0], f" {words[0]} "]
    values = numbers(table(numbers_alone, words), "it", "spec.data.features", None).values
    assert np.isnan(values).tolist() == [False, True, True]
