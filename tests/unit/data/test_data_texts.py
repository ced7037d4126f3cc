"""Columns of texts as features, and the indicator of missing values: what the model sees, and that the training split
alone decides it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_worker.errors import BadData

RAW: dict[str, Any] = {"normalize": "none"}
COLOURS = ("red", "green", "blue")


def _rows(count: int = 200) -> list[list[str]]:
    """n, colour, size (some missing), kind."""
    return [[str(i / 4), COLOURS[i % 3], "" if i % 10 == 3 else str(i % 7), "ab"[i * 5 % 7 % 2]] for i in range(count)]


def _table(bench: Any, rows: list[list[str]], name: str = "table.csv") -> Path:
    path: Path = bench.write("\n".join(["n,colour,size,kind", *map(",".join, rows), ""]), name)
    return path


def test_each_text_is_a_column_of_0_and_1_in_the_place_of_its_own(bench: Any) -> None:
    prepared = bench.prepared(_table(bench, _rows()), label="kind", **RAW)
    assert prepared.document["columnTypes"] == ["number", "text", "number"]
    assert prepared.document["categories"] == {"colour": ["blue", "green", "red"]}
    for shard in (prepared.train, prepared.validation, prepared.test):
        numbers = (shard.features[:, 0] * 4).astype(int)
        expected = [[COLOURS[i % 3] == colour for colour in ("blue", "green", "red")] for i in numbers]
        np.testing.assert_array_equal(shard.features[:, 1:4], np.array(expected, np.float32))
        np.testing.assert_array_equal(shard.features[:, 4], numbers % 7)


@pytest.mark.parametrize("missing", ["mean", "indicator"])
def test_a_missing_text_is_a_category_and_a_missing_number_is_told_by_an_indicator(bench: Any, missing: str) -> None:
    rows = _rows()
    for i in range(0, 200, 9):
        rows[i][1] = "NA"
    prepared = bench.prepared(_table(bench, rows), label="kind", clean={"missing": missing}, **RAW)
    assert prepared.document["counts"]["missingDropped"] == 0
    assert prepared.document["categories"] == {"colour": ["blue", "green", "red", None]}
    numbers = (prepared.train.features[:, 0] * 4).astype(int)
    np.testing.assert_array_equal(prepared.train.features[:, 4], numbers % 9 == 0)
    lacking = numbers % 10 == 3
    filled = prepared.train.features[lacking, 5]
    np.testing.assert_allclose(filled, (numbers[~lacking] % 7).mean(), rtol=1e-6)
    if missing == "indicator":
        assert prepared.document["missing"]["indicators"] == ["size"]
        np.testing.assert_array_equal(prepared.train.features[:, 6], lacking)
    assert prepared.train.features.shape[1] == (7 if missing == "indicator" else 6)


def test_categories_and_indicators_are_those_of_the_training_split_alone(bench: Any) -> None:
    rows = _rows()
    columns = {"label": "kind", "features": ["colour", "n", "size"], "split": {"method": "time", "column": "n"}}
    for i, row in enumerate(rows):
        row[2] = str(i % 7)
    bench.prepare(_table(bench, rows), "before", clean={"missing": "indicator"}, **columns)
    for i in range(160, 200):  # by time these are not trained on
        rows[i][1], rows[i][2] = "violet" if i % 2 else "", ""
    rows[199][0] = "1e6"
    after = bench.prepared(_table(bench, rows, "other.csv"), "after", clean={"missing": "indicator"}, **columns)
    assert after.document["categories"] == {"colour": ["blue", "green", "red"]}
    assert after.document["missing"]["indicators"] == []
    assert after.document["scaler"] == bench.document("before")["scaler"]
    assert bench.shards("after")["train.safetensors"] == bench.shards("before")["train.safetensors"]
    assert not after.test.features[:, :3].any()  # a text that is unseen is none of the categories


def test_rows_that_are_appended_move_none_though_they_bring_other_texts(bench: Any) -> None:
    one = bench.prepared(_table(bench, _rows()), "one", label="kind", features=["n", "colour"], **RAW)
    more = [*_rows(), *([f"{i}.125", "amber", "1", "a"] for i in range(100, 140))]
    other = bench.prepared(_table(bench, more, "more.csv"), "other", label="kind", features=["n", "colour"], **RAW)
    old = other.test.features[:, 0] * 4
    np.testing.assert_array_equal(one.test.features[:, 0] * 4, old[old == np.floor(old)])


def test_rows_that_differ_in_a_text_alone_are_no_copies(bench: Any) -> None:
    rows = [["1", COLOURS[i % 3], "1", "ab"[i % 2]] for i in range(60)]
    document = bench.prepare(_table(bench, rows), label="kind", split={"train": 1, "validation": 0, "test": 0}).document
    assert document["counts"]["repeats"] == 54


def test_texts_are_the_same_in_every_format(bench: Any) -> None:
    path = _table(bench, _rows())
    frame = pl.read_csv(path)
    frame.write_parquet(bench.folder / "texts.parquet")
    frame.with_columns(pl.col("colour").cast(pl.Categorical)).write_parquet(bench.folder / "categories.parquet")
    shards = []
    for file in (path, bench.folder / "texts.parquet", bench.folder / "categories.parquet"):
        bench.prepare(file, file.stem, label="kind", clean={"missing": "indicator"})
        shards.append([content for name, content in bench.shards(file.stem).items() if name != "prepare.json"])
    assert shards[0] == shards[1] == shards[2]


def test_numbers_may_be_categories_where_the_schema_says_so(bench: Any) -> None:
    text = {"schema": {"size": {"type": "string"}}, "features": ["size", "n"]}
    prepared = bench.prepared(_table(bench, _rows()), label="kind", **text)
    assert prepared.document["categories"] == {"size": [str(size) for size in range(7)]}
    assert prepared.document["columnTypes"] == ["text", "number"]


def test_outliers_and_labels_that_may_be_wrong_are_looked_for_beside_texts(bench: Any) -> None:
    clean = {"missing": "mean", "labelIssues": "report", "outliers": {"method": "mad", "threshold": 9}}
    rows = [*_rows(), ["1e9", "red", "", "a"]]
    for i in range(0, 200, 2):
        rows[i][1] = ""
    document = bench.prepare(_table(bench, rows), label="kind", clean=clean).document
    assert document["counts"]["outliersDropped"] + document["counts"]["outliersClipped"] == 1
    assert document["scaler"]["scale"][1] == 1.0
    assert "labelIssues" in document


@pytest.mark.parametrize(
    ("cell", "schema", "expected"),
    [
        (lambda i: f"name {i}", None, 'column "colour" has 200 different texts in 200 rows, which tell rows apart'),
        (lambda i: str(i) if i else "oops", None, 'column "colour", line 2: "oops" is not a number'),
        (lambda i: f"name {i}", "float", 'column "colour", line 2: "name 0" is not a number'),
    ],
)
def test_texts_that_are_no_categories_are_refused(bench: Any, cell: Any, schema: str | None, expected: str) -> None:
    rows = _rows()
    for i, row in enumerate(rows):
        row[1] = cell(i)
    checked = {"schema": {"colour": {"type": schema}}} if schema else {}
    error = bench.refusal(_table(bench, rows), label="kind", **checked)
    assert type(error) is BadData
    assert expected in str(error)


def test_too_many_categories_are_refused_though_the_schema_asks_for_them(bench: Any) -> None:
    rows = [[str(i), f"name {i}", "1", "ab"[i % 2]] for i in range(1001)]
    error = bench.refusal(_table(bench, rows), label="kind", schema={"colour": {"type": "string"}})
    assert 'column "colour" has 1,001 different texts, and at most 1,000 can be categories' in str(error)
