"""A table that memory does not hold is prepared as one that it holds, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_worker.data import prepare_table
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.readers import streamed
from wattrain_worker.errors import BadData

ROWS = 2500


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is too large to be held, and is read in pieces of 9 KB."""
    monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", 0)
    monkeypatch.setattr(streamed, "_PIECE_BYTES", 9000)


def columns() -> dict[str, list[str]]:
    """Of each kind, also such that only all rows together show what a column holds."""
    random = np.random.default_rng(3)
    numbers = random.normal(size=(ROWS, 3)).round(5)
    dates = [f"20{row % 24:02}-0{row % 9 + 1}-11" for row in range(ROWS)]
    return {
        "a": ["NA" if row % 50 == 7 else str(numbers[row, 0]) for row in range(ROWS)],
        "b": [str(np.exp(3 * each).round(4)) for each in numbers[:, 1]],
        "late": ["" if row < ROWS // 2 else str(row % 7) for row in range(ROWS)],
        "truth": ["" if row < 900 else random.choice(["true", "False"]) for row in range(ROWS)],
        "text": [random.choice(['"c,d"', "é", "b", ""]) if row > 400 else "a" for row in range(ROWS)],
        "date": dates,
        "sometimes": [date if row < 2000 else "never" for row, date in enumerate(["2020-01-01"] * ROWS)],
        "kind": random.choice(["x", "y", "z"], ROWS).tolist(),
        "number": (numbers.sum(axis=1).round(3)).astype(str).tolist(),
    }


def csv(line_end: str = "\n", odd_row: int | None = None) -> str:
    of_all = columns()
    lines = [",".join(of_all), *(",".join(row) for row in zip(*of_all.values(), strict=True))]
    lines += lines[5:300]
    if odd_row is not None:
        lines[odd_row] = lines[odd_row].replace(",x", ',x"').replace(",y", ',y"').replace(",z", ',z"')
    return line_end.join([*lines, ""])


FEATURES = ("a", "b", "late", "truth", "text", "date", "sometimes")
CLIPPED = {"method": "mad", "threshold": 3, "action": "clip"}
CASES: dict[str, dict[str, Any]] = {
    "filled": {"label": "kind", "features": FEATURES, "clean": {"missing": "mean", "dropDuplicates": True}},
    "told": {"label": "kind", "features": FEATURES, "clean": {"missing": "indicator", "outliers": CLIPPED}},
    "dropped": {"label": "kind", "features": ("a", "b"), "clean": {"labelIssues": "report"}},
    "numbers": {"label": "number", "features": ("a", "text"), "task": "regression", "split": {"method": "hash"}},
    "groups": {"label": "kind", "split": {"method": "group", "column": "number"}, "clean": {"missing": "mean"}},
    "described": {"label": "kind", "features": ("b", "date"), "schema": {"b": {"min": 0}, "date": {"type": "date"}}},
}  # fmt: skip


def same_bytes(bench: Any, monkeypatch: pytest.MonkeyPatch, path: Path, data: dict[str, Any]) -> None:
    monkeypatch.setattr(streamed, "_PIECE_BYTES", 9000)
    for most_held in (1 << 30, 0):
        monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", most_held)
        bench.prepare(path, into=str(most_held), **data)
    assert bench.shards(str(1 << 30)) == bench.shards("0")


@pytest.mark.parametrize("case", CASES)
def test_a_csv_file_gives_the_same_bytes_held_and_streamed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    same_bytes(bench, monkeypatch, bench.write(csv()), CASES[case])


@pytest.mark.parametrize(("line_end", "odd_row"), [("\r\n", None), ("\r", None), ("\n", 1200)])
def test_unusual_csv_files_too(bench: Any, monkeypatch: pytest.MonkeyPatch, line_end: str, odd_row: int | None) -> None:
    path = bench.folder / "table.csv"
    path.write_bytes(b"\xef\xbb\xbf" + csv(line_end, odd_row).encode())
    same_bytes(bench, monkeypatch, path, CASES["filled"])


@pytest.mark.parametrize("case", ["filled", "told", "groups"])
def test_a_parquet_file_gives_the_same_bytes_held_and_streamed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    of_all = pl.DataFrame(columns()).with_columns(
        pl.col("a", "late", "number").cast(pl.Float64, strict=False),
        pl.col("text").cast(pl.Categorical),
        pl.col("date").str.to_date(),
        pl.col("truth").str.to_lowercase() == "true",
    )
    path = bench.folder / "table.parquet"
    of_all.write_parquet(path, row_group_size=700)
    same_bytes(bench, monkeypatch, path, CASES[case])


@pytest.mark.parametrize(
    ("odd", "expected"),
    [
        ({2400: "1,oops,2", 2600: "1,bad,2"}, 'column "b", line 2401: "oops" is not a number'),
        ({2600: "1,2"}, "line 2601: 2 values, but 3 columns are named in line 1"),
        ({2600: "1,\0,2"}, "line 2601: a NUL byte"),
        ({2600: "1,2,3\r4"}, "line 2601: 3 values, in a record|line 2602: 1 value"),
        ({2600: '1,"2,3'}, "not CSV (unexpected end of data) in the record that begins in line 2601"),
    ],
)
def test_what_is_wrong_in_a_late_piece_is_said_with_its_line(
    bench: Any, streams: None, odd: dict[int, str], expected: str
) -> None:
    lines = ["a,b,kind", *(f"{row * 0.5},{row % 13},{row % 2}" for row in range(3000))]
    for row, line in odd.items():
        lines[row] = line
    error = bench.refusal(bench.write("\n".join([*lines, ""])), label="kind")
    assert isinstance(error, BadData)
    assert any(each in str(error) for each in expected.split("|"))
    if len(odd) == 2:
        assert "(1 more in this column)" in str(error)


def test_bytes_that_are_no_text_are_refused_in_a_late_piece(bench: Any, streams: None) -> None:
    path = bench.folder / "table.csv"
    path.write_bytes(b"a,kind\n" + b"".join(b"%d,%d\n" % (row, row % 2) for row in range(3000)) + b"\xff,1\n")
    assert "line 3002: not UTF-8" in str(bench.refusal(path, label="kind"))


def test_a_parquet_file_without_its_end_is_refused(bench: Any, streams: None) -> None:
    path = bench.folder / "table.parquet"
    pl.DataFrame({"a": range(3000), "kind": [0, 1, 1] * 1000}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    assert "it is cut off after" in str(bench.refusal(path, label="kind"))


def test_a_file_that_is_written_to_meanwhile_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    opened = LargeFile(path)
    opened.demand_unchanged()
    with path.open("a") as file:
        file.write("3,4\n")
    with pytest.raises(BadData, match="was written to while it was read"):
        opened.demand_unchanged()
