"""JSON lines as tables: the same as the CSV file with the same values, and each fault with its line and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.data import Source
from wattrain_api.reasons import EXIT_BAD_DATA
from wattrain_worker.data.readers import read
from wattrain_worker.data.readers.csv_file import read_csv
from wattrain_worker.data.readers.jsonl_file import read_jsonl
from wattrain_worker.data.sources import fetched

CELLS = [
    {"size": f"{i % 7}.50", "count": str(2**60 + i), "open": ("true", "false")[i % 2],
     "day": f"2026-03-{i % 28 + 1:02}", "colour": ("red", "blue", "NA")[i % 3], "kind": ("007", "7")[i % 2]}
    for i in range(80)
]  # fmt: skip
BARE = ("size", "count", "open")
"""What JSON writes without quotes."""


def line_of(row: dict[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(k)}: {v if k in BARE else json.dumps(v)}" for k, v in row.items()) + "}\n"


def write(folder: Path, text: str, name: str = "d.jsonl") -> Path:
    (folder / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    return folder / name


@pytest.mark.parametrize("name", ["d.jsonl", "d.NDJSON"])
def test_a_table_is_the_same_as_csv_and_as_json_lines(bench: Any, name: str) -> None:
    csv = bench.write(pl.DataFrame(CELLS).write_csv(), "d.csv")
    lines = write(bench.folder, "".join(map(line_of, CELLS)), name)
    of_csv, of_lines = (
        bench.prepared(path, into=path.suffix, label="kind", clean={"missing": "indicator"}) for path in (csv, lines)
    )
    assert bench.document(".csv")["columns"] == bench.document(lines.suffix)["columns"]
    assert bench.document(".csv")["columnTypes"] == bench.document(lines.suffix)["columnTypes"]
    assert of_lines.classes == of_csv.classes == ("007", "7")
    # Rows of CSV begin in line 2, and their values are the same texts.
    for split in ("train", "validation", "test"):
        found, expected = getattr(of_lines, split), getattr(of_csv, split)
        assert np.array_equal(found.features, expected.features)
        assert np.array_equal(found.labels, expected.labels)
    assert read_jsonl(lines.read_bytes()).frame.equals(read_csv(csv.read_bytes()).frame)


def test_a_field_that_a_line_has_not_is_a_missing_value_and_columns_come_as_they_first_appear(bench: Any) -> None:
    table = read_jsonl(b'\xef\xbb\xbf{"b": 1e3, "a": null}\r\n\n  \n{"c": "x", "a": -0.10}\n{}')
    assert table.frame.to_dict(as_series=False) == {
        "b": ["1e3", None, None], "a": [None, "-0.10", None], "c": [None, "x", None],
    }  # fmt: skip
    assert (table.places.tolist(), table.place(1)) == ([1, 4, 5], "line 4")


def test_a_chunk_does_not_end_the_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wattrain_worker.data.readers.jsonl_file._CUT_BYTES", 40)
    table = read_jsonl(b"".join(b'{"x": %d, "y%d": true}\n' % (i, i) for i in range(5)))
    assert table.frame["x"].to_list() == list("01234")
    assert table.frame.columns == ["x", "y0", "y1", "y2", "y3", "y4"]
    assert table.frame["y3"].to_list() == [None, None, None, "true", None]


GOOD = '{"a": 1, "kind": "x"}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD * 2 + '{"a": {"b": 1}, "kind": "x"}', 'line 3, field "a": an object, which no table has; give each'),
        (GOOD + '\n{"a": [1, 2]}', 'line 3, field "a": a list, which no table has'),
        (GOOD + '{"a": 1, "a": 2}', 'line 2: the field "a" is there twice; keep one'),
        (GOOD + '{"a": 1', "line 2: no JSON (Expecting ',' delimiter, column 8); mend the line, which is to be an"),
        (GOOD + '{"a": 1} {"a": 2}', "line 2: no JSON (Extra data, column 10)"),
        (GOOD + "[1, 2]", 'line 2: no object; write one a line, as {"column": value}'),
        (GOOD + "17", "line 2: no object"),
        (GOOD + '{"": 1}', "line 2: a field without a name; name it"),
        (GOOD + '{"a": "\\ud83d"}', "line 2, field 'a': \\ud83d is half of a character"),
        (GOOD + '{"\\ud83d": "a"}', "is half of a character"),
        (GOOD + "[" * 100_000, "line 2: no JSON (too many brackets)"),
        ('[\n{"a": 1},\n{"a": 2}\n]', "a list of objects, or no JSON"),
        ('{\n"a": 1\n}', "line 1: an object over several lines, or no JSON"),
        ("PAR1 and more", "no JSON lines: it is Parquet; name it .parquet"),
        ("a,kind\n1,x\n", "line 1: no JSON (Expecting value, column 1)"),
        ("", "holds no rows"),
        ("{}\n{}\n", "line 1: an object without fields"),
        (GOOD + '{"a": "\0"}', "line 2: a NUL byte"),
        (GOOD + '{"a": Infinity, "kind": "y"}', 'column "a", line 2: "Infinity" is not finite'),
        (GOOD * 30 + '{"a": "many", "kind": "y"}', 'column "a", line 31: "many" is not a number'),
    ],
)  # fmt: skip
def test_what_is_no_table_is_told_with_its_line_and_field(bench: Any, text: str, expected: str) -> None:
    error = bench.refusal(write(bench.folder, text), label="kind")
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


def test_bytes_that_are_no_utf8_are_told_with_their_line(bench: Any) -> None:
    (bench.folder / "d.jsonl").write_bytes(GOOD.encode() + '{"a": "é"}'.encode("latin-1"))
    assert "line 2: not UTF-8; save the file as UTF-8" in str(bench.refusal(bench.folder / "d.jsonl", label="kind"))


def test_a_csv_file_of_json_lines_is_told_how_to_be_named(bench: Any) -> None:
    error = bench.refusal(write(bench.folder, GOOD, "d.csv"), label="kind")
    assert "it is JSON; name it .jsonl where each line is an object" in str(error)


def test_a_file_of_one_format_is_read_once_whatever_its_source(tmp_path: Path) -> None:
    write(tmp_path, GOOD * 3)
    assert read(fetched(Source(uri=f"file://{tmp_path}/d.jsonl")), ()).frame.height == 3
