"""Folders that are one table: of Parquet files, and as save_to_disk of Hugging Face's datasets writes them.

`saved/reviews` was written by datasets 5.2.0: 60 rows in two files, with `text`, `size` (one is missing) and `label`, a
ClassLabel of the names good and poor.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import fsspec
import polars as pl
import pytest

from wattrain_api.data import Source
from wattrain_api.reasons import EXIT_BAD_DATA, EXIT_INPUT_MISSING
from wattrain_worker.data.inspection import inspect_table
from wattrain_worker.data.readers import read
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.sources import fetched
from wattrain_worker.data.texts.documents import read_documents

SAVED = Path(__file__).with_name("saved") / "reviews"
SECOND = "data-00001-of-00002.arrow"
FRAME = pl.DataFrame({"age": range(40), "kind": ["a", "b"] * 20})


def folder_of(root: Path, **frames: pl.DataFrame) -> Path:
    root.mkdir()
    for name, frame in frames.items():
        frame.write_parquet(root / f"{name}.parquet")
    return root


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAVED, tmp_path / "reviews"))


def test_a_folder_of_parquet_files_is_their_rows_in_the_order_of_their_names(bench: Any) -> None:
    folder = folder_of(bench.folder / "many", b=FRAME[25:], a=FRAME[:25])
    (folder / "_SUCCESS").touch()
    (folder / ".a.parquet.crc").touch()
    FRAME.write_parquet(bench.folder / "one.parquet")
    table = read(fetched(Source(uri=str(folder))), ())
    assert table.frame.equals(FRAME)
    assert (table.place(24), table.place(25)) == ("row 25 (row 25 of 'a.parquet')", "row 26 (row 1 of 'b.parquet')")
    bench.prepare(folder, into="many-prepared", label="kind")
    bench.prepare(bench.folder / "one.parquet", into="one-prepared", label="kind")
    many, one = bench.shards("many-prepared"), bench.shards("one-prepared")
    assert many.pop("prepare.json") != one.pop("prepare.json")  # for they have other sources
    assert many == one


def test_a_folder_is_prepared_anew_only_where_a_file_or_its_name_is_another(bench: Any) -> None:
    folder = folder_of(bench.folder / "many", a=FRAME[:25], b=FRAME[25:])
    assert not bench.prepare(folder, label="kind").was_there
    assert bench.prepare(folder, label="kind").was_there
    (folder / "b.parquet").rename(folder / "c.parquet")
    assert not bench.prepare(folder, label="kind").was_there


def test_folders_come_from_claims_and_addresses_too(bench: Any) -> None:
    folder_of(bench.folder / "many", a=FRAME[:25], b=FRAME[25:])
    (bench.folder / "claims").mkdir()
    (bench.folder / "many").rename(bench.folder / "claims/tables")
    claim = Source.model_validate({"claim": {"name": "tables", "path": "/"}})
    assert read(fetched(claim, bench.folder / "claims"), ()).frame.equals(FRAME)
    where = f"memory://{bench.folder.name}/many/"
    memory = fsspec.filesystem("memory")
    memory.put(f"{bench.folder}/claims/tables/", where, recursive=True)
    memory.pipe(f"{where}.hidden", b"no table")
    try:
        found = fetched(Source(uri=where))
        assert read(found, ()).frame.equals(FRAME)
        assert found.sha256 == fetched(claim, bench.folder / "claims").sha256
        assert [name.name for name in opened(Source(uri=where)).files] == ["a.parquet", "b.parquet"]
        error = bench.refusal(where.replace("many", "few"), label="kind")
        assert "/few/' has no files; correct the address of the folder" in str(error)
    finally:
        memory.rm(f"/{bench.folder.name}", recursive=True)
    assert "http cannot list; give the address of a file" in str(
        bench.refusal("http://127.0.0.1:1/many/", label="kind")
    )


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (FRAME.rename({"age": "years"}), "'b.parquet' has no column \"age\", which 'a.parquet' has; write all files"),
        (FRAME.with_columns(x=1), "'b.parquet' has a column \"x\", which 'a.parquet' has not"),
        (
            FRAME.cast({"age": pl.Float64}),
            "'b.parquet' has the column \"age\" of type Float64, and 'a.parquet' of type",
        ),
        (FRAME.select("kind", "age"), "'b.parquet' has its columns in another order than 'a.parquet'"),
    ],
)
def test_the_file_whose_columns_differ_is_named(bench: Any, other: pl.DataFrame, expected: str) -> None:
    error = bench.refusal(folder_of(bench.folder / "many", a=FRAME, b=other, c=FRAME), label="kind")
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


def test_a_value_that_is_wrong_is_told_with_its_file(bench: Any) -> None:
    folder = folder_of(bench.folder / "many", a=FRAME, b=FRAME.with_columns(age=pl.lit(-1, pl.Int64)))
    error = bench.refusal(folder, label="kind", schema={"age": {"min": 0}})
    assert "column \"age\", row 41 (row 1 of 'b.parquet'): -1 is below" in str(error)
    (folder / "b.parquet").write_bytes((folder / "b.parquet").read_bytes()[:-9])
    assert ": 'b.parquet': not a readable Parquet file: it is cut off" in str(bench.refusal(folder, label="kind"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            (),
            "is a directory without .parquet files; give a file, a folder of .parquet files, or a folder that save_to",
        ),
        (("a.csv",), "is a directory without .parquet files"),
        (("a.parquet", "notes.txt"), "has notes.txt beside its .parquet files; remove it"),
        (("day=1/a.parquet",), "has day=1/a.parquet, whose folder is named after the value of a column"),
        (
            ("dataset_dict.json", "train/state.json", "test/state.json"),
            "has several splits, test, train; give the folder",
        ),
    ],
)
def test_a_folder_that_is_no_table_is_told_as_what_it_is(bench: Any, names: tuple[str, ...], expected: str) -> None:
    (bench.folder / "many").mkdir()
    for name in names:
        (bench.folder / "many" / name).parent.mkdir(exist_ok=True)
        (bench.folder / "many" / name).touch()
    error = bench.refusal(bench.folder / "many", label="kind")
    assert f"many' {expected}" in str(error)
    assert error.exit_code == EXIT_INPUT_MISSING


def test_what_save_to_disk_wrote_is_a_table_whose_classes_have_their_names(bench: Any) -> None:
    table = read(fetched(Source(uri=str(SAVED))), ())
    assert table.frame.height == 60
    assert table.frame["size"].null_count() == 1
    assert table.frame["label"].to_list() == ["good", "poor"] * 30
    assert table.place(30) == f"row 31 (row 1 of '{SECOND}')"
    prepared = bench.prepared(SAVED, label="label", features=["size"])
    assert prepared.classes == ("good", "poor")
    assert bench.document()["counts"]["missingDropped"] == 1


def test_init_looks_at_folders_and_json_lines(tmp_path: Path) -> None:
    found = inspect_table(Source(uri=str(SAVED)), "mlp", None)
    assert (found.rows, found.label, found.task) == (60, "label", "classification")
    assert [column.name for column in found.columns if not column.left_out] == ["size"]
    (tmp_path / "d.jsonl").write_text(
        "".join(f'{{"x": {i}, "kind": {"true" if i % 2 else "false"}}}\n' for i in range(60))
    )
    of_lines = inspect_table(Source(uri=str(tmp_path / "d.jsonl")), "mlp", None)
    assert (of_lines.rows, of_lines.label, of_lines.columns[0].kind) == (60, "kind", "number")


def test_its_column_text_is_a_document_a_row() -> None:
    documents = read_documents(opened(Source(uri=str(SAVED))))
    assert len(documents.found) == 60
    assert documents.found[30].place == f"{SECOND}, row 1"
    assert documents.found[30].text == "The day number 30 was good."


def changed(saved: Path, file: str, **fields: Any) -> None:
    document = json.loads((saved / file).read_text())
    (saved / file).write_text(json.dumps({**document, **fields}))


@pytest.mark.parametrize(
    ("break_it", "expected"),
    [
        (lambda s: (s / SECOND).unlink(), f"state.json names '{SECOND}', which is not there; copy the whole folder"),
        (lambda s: (s / SECOND).write_bytes((s / SECOND).read_bytes()[:-8]), f"'{SECOND}' is cut off after 2176 bytes"),
        (lambda s: (s / SECOND).write_bytes(bytes(90) + b"\xff" * 4 + bytes(4)), f"'{SECOND}' is no readable Arrow"),
        (lambda s: (s / "state.json").write_text("{"), "state.json is no JSON; copy the folder again"),
        (lambda s: (s / "state.json").write_text("{}"), "state.json names no files (_data_files); save the data set"),
        (lambda s: changed(s, "state.json", _data_files=[]), "so there are no rows"),
        (lambda s: changed(s, "state.json", _indices_files=[{"filename": "i.arrow"}]), "call flatten_indices()"),
        (lambda s: changed(s, "dataset_info.json", features={"label": {"_type": "ClassLabel", "names": ["good"]}}),
         "holds the class 1, of which dataset_info.json has no name (there are 1)"),
    ],
)  # fmt: skip
def test_a_damaged_folder_is_told_with_its_file_and_a_remedy(
    bench: Any, saved: Path, break_it: Any, expected: str
) -> None:
    break_it(saved)
    error = bench.refusal(saved, label="label", features=["size"])
    assert expected in str(error)
    assert error.exit_code == EXIT_BAD_DATA


def test_without_dataset_info_classes_are_their_numbers(bench: Any, saved: Path) -> None:
    (saved / "dataset_info.json").unlink()
    assert bench.prepared(saved, label="label", features=["size"]).classes == (0, 1)


def test_a_folder_without_texts_is_told_which_columns_it_has(bench: Any, saved: Path) -> None:
    for path in saved.glob("*.arrow"):
        pl.read_ipc_stream(path).rename({"text": "review"}).write_ipc_stream(path)
    error = bench.refusal(saved, recipe={"name": "gpt"})
    assert 'has no column "text" of texts, but review, size, label; rename the column' in str(error)
