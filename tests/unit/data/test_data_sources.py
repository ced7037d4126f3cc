"""The file that is read is the file that is named and hashed, whatever its name holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import polars as pl
import pytest

from wattrain_api.data import Source
from wattrain_api.local_path import local_path
from wattrain_api.reasons import EXIT_BAD_SPEC, EXIT_INPUT_MISSING
from wattrain_worker.data import prepare_table
from wattrain_worker.data.readers import read
from wattrain_worker.data.sources import fetched

NAMED = pl.DataFrame({"named": range(40), "kind": ["a", "b"] * 20})
OTHER = pl.DataFrame({"other": range(40), "kind": ["a", "b"] * 20})


def write(frame: pl.DataFrame, path: Path) -> None:
    if path.suffix == ".npz":
        np.savez(
            path, **{name: frame[name].to_numpy().astype("U" if name == "kind" else int) for name in frame.columns}
        )
    elif path.suffix == ".csv":
        path.write_text(frame.write_csv())
    else:
        with path.open("wb") as file:
            frame.write_parquet(file)


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".parquet"])
@pytest.mark.parametrize(
    ("name", "other"), [("data[1]", "data1"), ("d*", "data"), ("{d,e}", "d"), ("~", "home"), ("%41", "A")]
)
@pytest.mark.parametrize("kind", ["path", "file", "claim", "memory", "chained"])
def test_a_name_is_no_pattern_in_any_format_and_source(
    bench: Any, monkeypatch: pytest.MonkeyPatch, suffix: str, name: str, other: str, kind: str
) -> None:
    folder = bench.folder / "claims" / "pictures"
    folder.mkdir(parents=True)
    write(NAMED, folder / f"{name}{suffix}")
    write(OTHER, folder / f"{other}{suffix}")
    monkeypatch.chdir(folder)
    escaped = f"{name}{suffix}".replace("%", "%25")
    sources = {
        "path": {"uri": f"{name}{suffix}"},
        "file": {"uri": f"file://{folder}/{escaped}"},
        "claim": {"claim": {"name": "pictures", "path": f"/{name}{suffix}"}},
        "memory": {"uri": f"memory://{folder.name}{os.getpid()}/{name}{suffix}"},
        "chained": {"uri": f"simplecache::file://{folder}/{name}{suffix}"},
    }
    if kind == "memory":
        for each, stem in ((NAMED, name), (OTHER, other)):
            write(each, folder / f"copy{suffix}")
            with fsspec.open(f"memory://{folder.name}{os.getpid()}/{stem}{suffix}", "wb") as file:
                file.write((folder / f"copy{suffix}").read_bytes())
    source = fetched(Source.model_validate(sources[kind]), bench.folder / "claims")
    assert read(source, ()).frame.columns[0] == "named"
    assert source.sha256 == hashlib.sha256((folder / f"{name}{suffix}").read_bytes()).hexdigest()
    assert name in source.name.replace("%25", "%")


def test_a_file_that_is_replaced_while_it_is_read_is_hashed_as_it_was_read(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bench.folder / "table.parquet"
    write(NAMED, path)
    before = hashlib.sha256(path.read_bytes()).hexdigest()

    def replaced_then_read(*arguments: Any) -> Any:
        write(OTHER, path)
        return read(*arguments)

    monkeypatch.setattr(prepare_table, "read", replaced_then_read)
    document = bench.prepare(path, label="kind").document
    assert (document["columns"], document["source"]["sha256"]) == (["named"], before)


@pytest.mark.parametrize(
    ("uri", "expected", "exit_code"),
    [
        ("~/table.csv", "~ is not read as the home directory: write the whole path", EXIT_INPUT_MISSING),
        ("local://~/table.csv", "write file:// and the whole path", EXIT_BAD_SPEC),
        ("simplecache::file://~/table.csv", "write file:// and the whole path", EXIT_BAD_SPEC),
        ("file://data/table.csv", "names a file of the machine 'data'; write file:///", EXIT_BAD_SPEC),
        ("file:///table.csv#1.csv", "write %3F and %23", EXIT_BAD_SPEC),
        (".csv/", "none of the formats", EXIT_BAD_SPEC),
    ],
)
def test_an_address_that_would_mean_another_file_is_refused(
    bench: Any, monkeypatch: pytest.MonkeyPatch, uri: str, expected: str, exit_code: int
) -> None:
    write(OTHER, bench.folder / "table.csv")
    monkeypatch.setenv("HOME", str(bench.folder))
    error = bench.refusal(uri, label="kind")
    assert expected in str(error)
    assert error.exit_code == exit_code


def test_a_question_mark_is_a_character_of_a_name(bench: Any) -> None:
    write(NAMED, bench.folder / "d?.csv")
    write(OTHER, bench.folder / "d1.csv")
    for uri in (f"{bench.folder}/d?.csv", f"file://{bench.folder}/d%3F.csv"):
        assert read(fetched(Source(uri=uri)), ()).frame.columns[0] == "named"


@pytest.mark.parametrize(("make", "what"), [(Path.mkdir, "a directory"), (os.mkfifo, "no regular file")])
def test_what_is_no_file_is_told_as_what_it_is(bench: Any, make: Callable[[Path], None], what: str) -> None:
    make(bench.folder / "table.csv")
    error = bench.refusal(bench.folder / "table.csv", label="kind")
    assert f"is {what}" in str(error)
    assert error.exit_code == EXIT_INPUT_MISSING


@pytest.mark.parametrize("uri", ["", "https://host/a.csv", "simplecache::s3://a/b.csv", "s3://bucket/[1].csv"])
def test_an_address_elsewhere_is_no_path_here(uri: str) -> None:
    assert local_path(uri) is None
