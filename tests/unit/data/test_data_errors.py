"""Every refusal names the place, the value and the remedy, and has the exit code of its cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.reasons import EXIT_BAD_DATA, EXIT_BAD_SPEC, EXIT_INPUT_MISSING, EXIT_STORAGE_UNAVAILABLE

GOOD = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(60))
HEADER = "age,size,kind\n"


@pytest.mark.parametrize(
    ("rows", "data", "expected"),
    [
        ("abc,1,a\n", {}, 'column "age", line 62: "abc" is not a number; correct the value, or leave the column out of '
         "spec.data.features"),
        ("inf,1,a\n", {}, 'column "age", line 62: "inf" is not finite'),
        ("abc,1,a\nx,1,a\ny,1,a\n", {}, "(2 more in this column)"),
        ("1,2,a,b\n", {}, "line 62: 4 values, but 3 columns are named in line 1; mend the line"),
        ("1,2\n", {}, "line 62: 2 values, but 3 columns"),
        ('1,"2,a\n', {}, "line 62: not CSV: a quote opens here"),
        ("-3,1,a\n", {"schema": {"age": {"min": 0}}}, 'line 62: "-3" is below spec.data.schema.age.min, 0; correct'),
        ("300,1,a\n", {"schema": {"age": {"max": 150}}}, '"300" is above spec.data.schema.age.max, 150; correct'),
        ("2.5,1,a\n", {"schema": {"age": {"type": "integer"}}}, '"2.5" is not an integer'),
        (",1,a\n", {"schema": {"age": {"nullable": False}}}, 'line 62: "" is missing, but spec.data.schema.age.null'),
        ("1,1,\n", {"schema": {"kind": {"type": "string", "nullable": False}}}, '"kind", line 62: "" is missing'),
        ("2,1,a\n", {"schema": {"age": {"type": "boolean"}}}, 'line 4: "2" is neither true nor false'),
        ("2,1,a\n", {"schema": {"kind": {"min": 2}}}, 'line 2: "a" is not a number; correct the value, or '
         "the type in spec.data.schema.kind"),
        ("2,1,a\n", {"schema": {"agee": {}}}, 'column "agee" (spec.data.schema.agee) is not in the data; did you mean '
         "'age'? its columns are age, size, kind"),
        ("2,1,a\n", {"label": "sort"}, 'column "sort" (spec.data.label) is not in the data'),
        ("2,1,a\n", {"features": ["age", "height"]}, 'column "height" (spec.data.features) is not in the data'),
        ("2.5,1,a\n", {"label": "age", "features": ["size"], "task": "classification"}, 'line 62: "2.5" is not a '
         "class; set spec.data.task to regression, or name a column of whole numbers below 2**53"),
        ("inf,1,a\n", {"label": "age", "features": ["size"]}, 'column "age", line 62: "inf" is not a class; name'),
        ("inf,1,a\n", {"label": "age", "features": ["size"], "task": "regression"}, 'line 62: "inf" is not finite; '
         "correct the value, or set spec.data.task to classification"),
        ("2,1,a\n", {"task": "regression"}, 'column "kind", line 2: "a" is not a number; correct the value, or set '
         "spec.data.task to classification"),
        ("1e300,1,a\n", {"label": "age", "features": ["size"], "task": "regression", "normalize": "none"},
         'column "age", line 62: 1e+300 is too large for float32'),
        ("2,b,a\n", {"features": ["size"]}, 'column "size", line 62: "b" is not a number'),
        (",1,a\n", {"clean": {"missing": "fail"}}, 'column "age", line 62: no value, and spec.data.clean.miss'),
        ("2,1,\n", {"clean": {"missing": "fail"}}, 'column "kind", line 62: no value'),
        ("1e300,1,a\n", {"normalize": "none"}, 'column "age", line 62: 1e+300 is too large for float32'),
        ("2,1,a\n", {"workers": {"replicas": 60}}, "are fewer than the 60 ranks"),
        ("2,1,a\n", {"split": {"method": "time", "column": "kind"}}, 'line 2: "a" is neither a number nor a date'),
    ],
)  # fmt: skip
def test_bad_rows_are_refused_with_their_place_and_value(
    bench: Any, rows: str, data: dict[str, Any], expected: str
) -> None:
    error = bench.refusal(bench.write(HEADER + GOOD + rows), **{"label": "kind", **data})
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("age,kind\n", "holds no rows"),
        ("age;kind\n1;a\n", "has no comma"),
        ("age,,kind\n1,2,a\n", "line 1: column 2 has no name"),
        ("age,age,kind\n1,2,a\n", 'line 1: column "age" is there twice'),
        ("kind\na\nb\n", 'no column is left besides the label "kind"'),
        ("age,kind\n1,a\n2,a\n", "has only the class 'a' in 2 rows"),
        ("age,size,kind\n1,,a\n,2,b\n", "each of the 2 rows lacks a value"),
        ("age,kind\n1,a\n2,b\n", "split is empty: 2 rows are left"),
    ],
)
def test_files_that_cannot_be_trained_on_are_refused(bench: Any, text: str, expected: str) -> None:
    split = {"method": "stratified", "train": 0.98, "validation": 0.01, "test": 0.01}
    error = bench.refusal(bench.write(text), label="kind", split=split)
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"label": None}, "spec.data.label: not given; name the column to predict, one of age, size, kind"),
        ({"features": ["age", "kind"]}, '"kind" is the label; leave it out'),
        ({"features": ["age", "age"]}, '"age" is there twice'),
        ({"schema": {"kind": {"type": "string", "max": 3}}}, "min and max do not apply to strings"),
        ({"schema": {"age": {"min": 3, "max": 2}}}, "min 3 is above max 2"),
        ({"source": {"uri": "table.xlsx"}}, "'table.xlsx' is none of the formats that can be read"),
        ({"source": {"uri": "unheard-of://host/a.csv"}}, "needs a driver that is not here (Protocol not known"),
        ({"source": {"claim": {"name": "pictures", "path": "../x.csv"}}}, "'../x.csv' leaves the claim"),
        ({"recipe": {"name": "mlp", "params": {"classes": 2}}, "label": "size", "features": ["age"]},
         'spec.recipe.params.classes: 2, but column "size" has 7 classes'),
    ],
)  # fmt: skip
def test_impossible_specs_are_refused(bench: Any, data: dict[str, Any], expected: str) -> None:
    error = bench.refusal(bench.write(HEADER + GOOD), **{"label": "kind", **data})
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_SPEC


@pytest.mark.parametrize("source", ["nowhere.csv", "memory://nowhere.csv"])
def test_a_source_that_is_not_there_is_an_input_missing(bench: Any, source: str) -> None:
    error = bench.refusal(source, label="kind")
    assert "cannot be read" in str(error)
    assert error.exit_code == EXIT_INPUT_MISSING


def test_a_claim_without_the_file_says_where_it_looked(bench: Any) -> None:
    error = bench.refusal("unused", source={"claim": {"name": "pictures", "path": "/a/b.csv"}}, label="kind")
    assert str(bench.folder / "claims" / "pictures" / "a" / "b.csv") in str(error)
    assert error.exit_code == EXIT_INPUT_MISSING


def test_bytes_that_are_no_utf8_are_refused_with_their_line(bench: Any) -> None:
    path = bench.folder / "latin1.csv"
    path.write_bytes((HEADER + GOOD).encode() + "1,2,é\n".encode("latin-1"))
    error = bench.refusal(path, label="kind")
    assert "line 62: not UTF-8" in str(error)


def test_lines_are_counted_as_an_editor_counts_them(bench: Any) -> None:
    error = bench.refusal(bench.write(HEADER + '1,2,"a\nb"\n\n\n' + GOOD + "abc,1,a\n"), label="kind")
    assert 'column "age", line 66: "abc"' in str(error)


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"X": np.zeros((4, 2, 2)), "y": np.arange(4)}, 'array "X" has the shape (4, 2, 2); reshape it'),
        ({"X": np.zeros((4, 2)), "y": np.arange(5)}, 'array "X" has 4 rows, array "y" has 5'),
        ({"X": np.zeros((4, 2), complex), "y": np.arange(4)}, 'array "X" is of type complex128'),
        ({"X": np.array([[1], [None]], object), "y": np.arange(2)}, "without objects"),
    ],
)
def test_arrays_that_are_no_table_are_refused(bench: Any, arrays: dict[str, Any], expected: str) -> None:
    path = bench.folder / "arrays.npz"
    np.savez(path, **arrays)
    error = bench.refusal(path)
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


@pytest.mark.parametrize("name", ["broken.npz", "broken.parquet"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"PAR1 torn PAR1", bytes(range(256))])
def test_damaged_files_are_refused(bench: Any, name: str, content: bytes) -> None:
    path = bench.folder / name
    path.write_bytes(content)
    error = bench.refusal(path, label="y")
    assert "not a readable" in str(error)
    assert error.exit_code == EXIT_BAD_DATA


def test_a_parquet_column_of_lists_is_refused_by_its_type(bench: Any) -> None:
    path = bench.folder / "lists.parquet"
    pl.DataFrame({"a": [[1], [2]], "kind": ["a", "b"]}).write_parquet(path)
    assert 'column "a" is of type List(Int64), not of numbers' in str(bench.refusal(path, label="kind"))


def test_parquet_places_are_rows(bench: Any) -> None:
    path = bench.folder / "table.parquet"
    pl.DataFrame({"age": [1.0, 2.0, -5.0], "kind": ["a", "b", "a"]}).write_parquet(path)
    error = bench.refusal(path, label="kind", schema={"age": {"min": 0}})
    assert 'column "age", row 3: -5.0 is below' in str(error)


def test_a_data_directory_that_cannot_be_made_is_storage_that_is_away(bench: Any, flowers_csv: Path) -> None:
    bench.write("in the way", name="prepared")
    with pytest.raises(Exception, match=r"data directory .* see that it has room") as caught:
        bench.prepare(flowers_csv, into="prepared/below", label="kind")
    assert getattr(caught.value, "exit_code", None) == EXIT_STORAGE_UNAVAILABLE
