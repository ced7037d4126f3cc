"""A table that memory does not hold is prepared as one that it holds, byte for byte."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_worker.data import prepare_table, samples
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.readers import datasets_folder, jsonl_file, streamed
from wattrain_worker.errors import BadData

ROWS = 2500
END = b"\xff\xff\xff\xff\0\0\0\0"


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


def same_bytes(
    bench: Any, monkeypatch: pytest.MonkeyPatch, path: Path | str, data: dict[str, Any], most_held: int = 0
) -> None:
    monkeypatch.setattr(streamed, "_PIECE_BYTES", 9000)
    for into, bound in (("held", 1 << 30), ("0", most_held)):
        monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", bound)
        bench.prepare(path, into=into, **data)
    assert bench.shards("held") == bench.shards("0")


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
    path = bench.folder / "table.parquet"
    typed().write_parquet(path, row_group_size=700)
    same_bytes(bench, monkeypatch, path, CASES[case])


def typed() -> pl.DataFrame:
    return pl.DataFrame(columns()).with_columns(
        pl.col("a", "late", "number").cast(pl.Float64, strict=False),
        pl.col("text").cast(pl.Categorical),
        pl.col("date").str.to_date(),
        pl.col("truth").str.to_lowercase() == "true",
    )


@pytest.mark.parametrize("most_held", [0, 60_000])
def test_a_folder_of_parquet_files_gives_the_same_bytes_held_and_streamed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, most_held: int
) -> None:
    folder, frame = bench.folder / "parts", typed()
    folder.mkdir()
    for number, start in enumerate(range(0, ROWS, 900)):
        frame[start : start + 900].write_parquet(folder / f"{number}.parquet", row_group_size=300)
    same_bytes(bench, monkeypatch, folder, CASES["told"], most_held)


@pytest.mark.parametrize("most_held", [2000, 60_000])
def test_a_saved_data_set_gives_the_same_bytes_held_and_streamed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, most_held: int
) -> None:
    frame = typed().with_columns(pl.col("text").cast(pl.String), pl.Series("kind", [0, 1, -1, 2] * (ROWS // 4)))
    same_bytes(bench, monkeypatch, saved(bench.folder / "saved", frame), CASES["told"], most_held)
    assert bench.document("0")["classesAsWritten"] == ["x", "y", "z"]


def saved(folder: Path, frame: pl.DataFrame, batch_rows: int = 400) -> Path:
    """As save_to_disk writes it: streams of many batches."""
    folder.mkdir()
    halves = [frame[: len(frame) // 2], frame[len(frame) // 2 :]]
    names = [f"data-{number:05}-of-00002.arrow" for number in range(2)]
    for name, half in zip(names, halves, strict=True):
        streams = [half[start : start + batch_rows] for start in range(0, len(half), batch_rows)]
        (folder / name).write_bytes(stream_of(streams))
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names]}))
    label = {"_type": "ClassLabel", "names": ["x", "y", "z"]}
    (folder / "dataset_info.json").write_text(json.dumps({"features": {"kind": label}}))
    return folder


def stream_of(batches: list[pl.DataFrame]) -> bytes:
    """One Arrow stream: the schema once, then the rows of each batch."""
    out = b""
    for batch in batches:
        written = io.BytesIO()
        batch.write_ipc_stream(written, compat_level=pl.CompatLevel.oldest())
        content = written.getvalue()
        schema_end = 8 + int.from_bytes(content[4:8], "little")
        out += content[: -len(END)] if not out else content[schema_end : -len(END)]
    return out + END


def test_a_batch_that_is_too_large_is_refused_and_so_is_a_stream_that_is_damaged(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", 2000)
    folder = saved(bench.folder / "saved", pl.DataFrame({"a": range(ROWS), "kind": [0, 1] * (ROWS // 2)}))
    monkeypatch.setattr(datasets_folder, "_LARGEST_BATCH", 5000)
    told = str(bench.refusal(folder, label="kind"))
    assert "'data-00000-of-00002.arrow' has a batch of 0 MiB, more than 0; write it with batches of fewer rows" in told
    first = folder / "data-00000-of-00002.arrow"
    first.write_bytes(first.read_bytes()[:3000] + END)
    assert "'data-00000-of-00002.arrow' is no readable Arrow stream (a message at byte" in str(
        bench.refusal(folder, label="kind")
    )


def json_lines(row: dict[str, str]) -> str:
    return json.dumps({name: value for name, value in row.items() if value or name != "late"}) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_json_lines_give_the_same_bytes_held_and_streamed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(jsonl_file, "_CUT_BYTES", 5000)
    rows = pl.DataFrame(columns()).to_dicts()
    path = bench.write("\n" + "".join(map(json_lines, rows)), "table.jsonl")
    same_bytes(bench, monkeypatch, path, CASES[case])


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_an_npz_file_gives_the_same_bytes_held_and_streamed(
    bench: Any, monkeypatch: pytest.MonkeyPatch, write: Any
) -> None:
    random, of_all = np.random.default_rng(5), columns()
    arrays = {
        "X": random.normal(size=(ROWS, 3)),
        "by_column": np.asfortranarray(random.normal(size=(ROWS, 2)).astype(">f4")),
        "half": random.normal(size=(ROWS, 1)).astype(np.float16),
        "truth": random.random(ROWS) > 0.5,
        "text": np.array(of_all["text"]),
        "count": random.integers(0, 2**40, ROWS),
        "y": np.array(of_all["kind"]),
    }
    path = bench.folder / "table.npz"
    write(path, **arrays)
    same_bytes(bench, monkeypatch, path, {})
    assert bench.document("0")["columns"] == [
        "X_0", "X_1", "X_2", "by_column_0", "by_column_1", "half", "truth", "text", "count"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arrays", "expected"),
    [
        ({"X": np.zeros((9, 2, 2))}, 'array "X" has the shape (9, 2, 2); reshape it to rows x columns'),
        ({"a": np.zeros(9), "b": np.zeros(8)}, 'array "b" has 8 rows, array "a" has 9; give every array one row'),
        ({"a": np.array([{}])}, "not a readable NPZ file (Object arrays cannot be loaded when allow_pickle=False); wr"),
        ({"X": np.zeros((9, 2)), "X_1": np.zeros(9)}, 'the arrays "X" and "X_1" both give a column "X_1" (column i of'),
        ({"a": np.zeros(9, "c8")}, 'array "a" is of type complex64; store numbers, booleans or strings'),
    ],
)
def test_arrays_are_refused_streamed_as_they_are_held(
    bench: Any, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, Any], expected: str
) -> None:
    path = bench.folder / "table.npz"
    np.savez(path, **arrays)
    held = str(bench.refusal(path, label="a"))
    monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", 0)
    assert str(bench.refusal(path, label="a")) == held
    assert expected in held


def test_a_damaged_array_is_refused_streamed(bench: Any, streams: None) -> None:
    path = bench.folder / "table.npz"
    np.savez(path, X=np.ones((ROWS, 3)), y=np.arange(ROWS) % 2)
    content = bytearray(path.read_bytes())
    content[4000:4010] = b"1234567890"
    path.write_bytes(content)
    assert "not a readable NPZ file (Bad CRC-32 for file 'X.npy')" in str(bench.refusal(path))


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        ('{"a": 1', "line 3002: no JSON ("),
        ('{"a": [1], "kind": 1}', 'line 3002, field "a": a list, which no table has'),
        ("{}\n" * 3000, "line 3765: an object without fields, as the others below it"),
        ('{"a": 1, "kind": "' + "x" * 70_000 + '"}', "line 3002: longer than 0 MiB"),
    ],
)
def test_what_is_wrong_in_a_late_line_of_json_is_said_with_its_line(
    bench: Any, streams: None, monkeypatch: pytest.MonkeyPatch, late: str, expected: str
) -> None:
    monkeypatch.setattr(jsonl_file, "_CUT_BYTES", 5000)
    monkeypatch.setattr(jsonl_file, "_LONGEST_LINE", 60_000)
    good = "".join(f'{{"a": {row}, "kind": {row % 2}}}\n' for row in range(3001))
    assert expected in str(bench.refusal(bench.write(good + late, "table.jsonl"), label="kind"))


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


@pytest.mark.usefixtures("streams")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at open files in /proc")
def test_the_columns_give_their_room_back_before_the_rows_take_theirs(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_names = dict[str, int]()

    def counted(name: str) -> None:
        function = getattr(samples, name)

        def counting(*told: Any) -> Any:
            links = [str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
            without_names[name] = sum(str(bench.folder) in link and "(deleted)" in link for link in links)
            return function(*told)

        monkeypatch.setattr(samples, name, counting)

    counted("raw_features")
    counted("as_rows")
    bench.prepare(bench.write(csv()), **CASES["groups"])
    assert without_names["raw_features"] > 10  # a file for the columns of each piece
    assert without_names["as_rows"] == 7  # numbers alone: a file for each column
