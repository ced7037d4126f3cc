"""Each reader takes what people have, and says of what it refuses what it is, never a wrong cause."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.reasons import EXIT_BAD_DATA

ROWS = "".join(f"{i},{i % 7},{'ab'[i % 2]}\n" for i in range(60))
HEADER = "age,size,kind\n"
GOOD = HEADER + ROWS


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def parquet(frame: pl.DataFrame, **metadata: str) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, metadata=metadata)
    return file.getvalue()


FRAME = pl.DataFrame({"age": range(60), "kind": ["a", "b"] * 30})


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("d.csv", HEADER + ROWS + '60,"4,b\n' + ROWS, "line 62: not CSV: a quote opens here and never closes"),
        ("d.csv", HEADER + '1,2,"a\nb","c\n' + ROWS, "line 3: not CSV: a quote opens here and never closes"),
        ("d.csv", HEADER + '1,"2,a\n3,"4,b\n', "line 3: not CSV"),
        ("d.csv", HEADER + '1,"2,a\n3,4",b,5\n', "line 3: 4 values, in a record that begins in line 2 (a quote"),
        ("d.csv", "# made by a tool\n" + GOOD, "line 1: '# made by a tool' looks like a comment"),
        ("d.csv", "\n#made,by\n" + GOOD, "line 2: '#made' looks like a comment"),
        ("d.csv", "# " + GOOD, "where it names the columns, the # alone"),
        ("d.csv", GOOD + "# the end\n", "line 62: '# the end' looks like a comment"),
        ("d.csv", "sep=,\n" + GOOD, "line 1: 'sep=' is a note to Excel"),
        ("d.csv", "," + GOOD.replace("\n", "\n1,", 60), "looks like the row index of a pandas frame: write the file "
         "with to_csv(..., index=False), or delete the column"),
        ("d.csv", GOOD.replace("\n", ",\n"), "line 1: column 4 has no name; name it, or remove the comma at the end"),
        ("d.csv", "1,1,a\n2,1,b\n", 'column "1" is there twice; give every column a name of its own (the first line'),
        ("d.csv", "\n\n" + HEADER + "1,2\n", "line 4: 2 values, but 3 columns are named in line 3"),
        ("d.csv", HEADER + '"1,5",1,a\n' + ROWS, '"1,5" is not a number; write it without separators of thousands, and '
         "with a point before decimals"),
        ("d.csv", HEADER + ' 1, "2",a\n' + ROWS, "a quote counts only right behind the comma"),
        ("d.csv", GOOD + "1,2,a,\n", "line 62: 4 values, but 3 columns are named in line 1; mend the line (remove the "
         "comma at its end)"),
        ("d.csv", "5.1,3.5,0\n4.9,3.0,1\n", "line 1: 5.1, 3.5, 0: numbers, where names belong; add a line of"),
        ("d.csv", GOOD.replace(",", " "), "line 1: 'age size kind' has no comma; separate the columns by commas"),
        ("d.csv", '[{"age": 1, "kind": "a"}]', "it is JSON"),
        ("d.csv", '{"age": 1, "kind": "a"}\n', "it is JSON"),
        ("d.csv", HEADER + "1\0,1,a\n" + ROWS, "line 2: a NUL byte"),
        ("d.csv", "   \n\n", "the file is empty"),
        ("d.csv", HEADER + "\n\n", "holds no rows"),
        ("d.csv", GOOD.encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        ("d.csv", GOOD.encode("utf-32"), "it is UTF-32 text"),
        ("d.csv", GOOD.encode("utf-16-le"), "line 1: a NUL byte"),
        ("d.csv", gzip.compress(GOOD.encode()), "it is compressed with gzip; decompress it"),
        ("d.csv", parquet(FRAME), "it is Parquet; name it .parquet"),
        ("d.csv", npz(a=np.arange(3)), "it is a ZIP archive (as .npz and .xlsx are)"),
        ("d.csv", "<!DOCTYPE html>\n<html>not found</html>", "it is a web page (HTML)"),
        ("d.csv", "version https://git-lfs.github.com/spec/v1\noid 1\n", "it is a pointer of Git LFS"),
        ("d.npz", npy(np.zeros((3, 2))), "it is an array of numpy.save (.npy); write it with numpy.savez"),
        ("d.npz", npz(X=np.zeros((4, 2)), X_0=np.arange(4), y=np.arange(4)), 'the arrays "X" and "X_0" both give a '
         'column "X_0"'),
        ("d.npz", npz(X=np.zeros((4, 2)), y=np.zeros((1, 4))), 'array "y" has 1 rows, array "X" has 4'),
        ("d.npz", b"", "not a readable NPZ file: it is empty"),
        ("d.parquet", b"", "not a readable Parquet file: it is empty"),
        ("d.npz", npz(X=np.zeros((4, 2)))[:-30], "not a readable NPZ file"),
        ("d.npz", GOOD, "not a readable NPZ file: write it with numpy.savez"),
        ("d.parquet", parquet(FRAME)[:-9], "it is cut off after"),
        ("d.parquet", parquet(FRAME)[:3], "not a readable Parquet file: write it anew"),
        ("d.parquet", GOOD, "not a readable Parquet file: write it anew"),
        ("d.parquet", parquet(FRAME)[:4] + bytes(200) + parquet(FRAME)[-60:], "not a readable Parquet file ("),
        ("d.parquet", parquet(FRAME.with_columns(age=pl.struct("age"))), 'column "age" is of type Struct'),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_as_what_it_is(bench: Any, name: str, content: bytes | str, expected: str) -> None:
    path: Path = bench.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    error = bench.refusal(path, label="kind")
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


@pytest.mark.parametrize(
    "text",
    [
        "\n \n\r\n" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\ufeff" + GOOD,
        GOOD + "\n\n   \n",
        GOOD.replace("\n3,", "\n\n\n3,"),
        GOOD.rstrip("\n"),
        GOOD.replace("age", '"age"').replace("a\n", '"a"\n'),
        GOOD.replace("age", "#age"),
    ],
)
def test_what_means_the_same_gives_the_same(bench: Any, text: str) -> None:
    expected = bench.prepared(bench.write(GOOD, "good.csv"), into="good", label="kind")
    path = bench.folder / "other.csv"
    path.write_bytes(text.encode())
    found = bench.prepared(path, into="other", label="kind")
    assert [column.removeprefix("#") for column in found.columns] == list(expected.columns)
    assert np.array_equal(found.train.features, expected.train.features)
    assert found.classes == expected.classes


@pytest.mark.parametrize("end", ["", "  \n"], ids=["regular", "irregular"])
@pytest.mark.parametrize("quoted", [False, True])
def test_a_value_may_have_any_length(bench: Any, quoted: bool, end: str) -> None:
    long = "x" * 300_000
    cell = f'"{long},""{long}"' if quoted else long
    path = bench.write(GOOD.replace("kind", "kind,note", 1).replace("a\n", f"a,{cell}\n").replace("b\n", "b,\n") + end)
    assert bench.prepare(path, label="kind", features=["age"]).document["counts"]["read"] == 60


def test_an_array_of_one_column_is_a_column_of_its_name(bench: Any) -> None:
    path = bench.folder / "d.npz"
    path.write_bytes(npz(X=np.random.default_rng(0).normal(size=(400, 2)), y=np.arange(400).reshape(400, 1) % 2))
    document = bench.prepare(path).document
    assert (document["label"], document["columns"], document["classes"]) == ("y", ["X_0", "X_1"], [0, 1])


@pytest.mark.parametrize(
    ("index_columns", "columns"),
    [
        (["row"], ["age"]),
        (["row", "age"], []),
        ([{"kind": "range", "name": None, "start": 0, "stop": 60, "step": 1}], ["age", "row"]),
        (None, ["age", "row"]),
    ],
)
def test_the_index_of_a_pandas_frame_is_no_feature(bench: Any, index_columns: Any, columns: list[str]) -> None:
    metadata = {"pandas": json.dumps({"index_columns": index_columns, "columns": []})} if index_columns else {}
    frame = FRAME.with_columns(other=pl.col("age") * 3, row=pl.col("age") + 100)
    path = bench.folder / "d.parquet"
    path.write_bytes(parquet(frame, **metadata))
    assert sorted(bench.prepare(path, label="kind").document["columns"]) == sorted(["other", *columns])


def test_an_index_is_a_feature_or_a_key_where_the_spec_names_it(bench: Any) -> None:
    frame = pl.DataFrame({"age": range(60), "kind": ["a", "b"] * 30, "__index_level_0__": range(60)})
    path = bench.folder / "d.parquet"
    path.write_bytes(parquet(frame))
    assert bench.prepare(path, label="kind").document["columns"] == ["age"]
    named = bench.prepare(path, into="named", label="kind", features=["age", "__index_level_0__"])
    assert named.document["columns"] == ["age", "__index_level_0__"]
    split = {"method": "group", "column": "__index_level_0__"}
    assert bench.prepare(path, into="split", label="kind", split=split).document["columns"] == ["age"]
