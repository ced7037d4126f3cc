"""The preparation as a process: the same bytes every time, nothing done twice, nothing half-done trusted."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import polars as pl
import pytest

from wattrain_worker.data.prepared_data import load_prepared
from wattrain_worker.data.remote_files import without_credentials
from wattrain_worker.data.sources import DIGITS
from wattrain_worker.errors import BadData, InputMissing

DIGITS_SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"
SHARDS = ("test.safetensors", "train.safetensors", "validation.safetensors")


def _run(bench: Any, spec: dict[str, Any] | str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = bench.write(spec if isinstance(spec, str) else json.dumps(spec), name="spec.json")
    environment = {"WATTRAIN_SPEC": str(path), "WATTRAIN_DATA_DIR": str(bench.folder / "prepared"), **environment}
    return subprocess.run(
        [sys.executable, "-m", "wattrain_worker.data"],
        env={**os.environ, **environment},
        cwd=bench.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_digits_are_prepared_by_the_command_and_reported(bench: Any) -> None:
    address = str(bench.folder / "s")
    spec = {"recipe": {"name": "mlp"}, "training": {"epochs": 1}, "data": {"source": {"builtin": "digits"}}, "new": 1}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(address)
        receiver.settimeout(10)
        done = _run(bench, spec, WATTRAIN_REPORT_SOCKET=address, RANK="0")
        assert (done.returncode, done.stderr) == (0, "")
        reports = [json.loads(receiver.recv(8192))]
        while "prepare" not in reports[-1]:  # how far it is comes before
            reports.append(json.loads(receiver.recv(8192)))
    prepared = load_prepared(bench.folder / "prepared")
    shards = (prepared.train, prepared.validation, prepared.test)
    assert reports[0] == {"rank": 0, "phase": "preparing"}
    counts = reports[-1]["prepare"]
    assert counts["rows"] == 1797 == counts["training"] + counts["validation"] + counts["test"]
    assert [counts[name] for name in ("training", "validation", "test")] == [len(shard.labels) for shard in shards]
    assert counts["duplicates"] == 0
    assert prepared.columns[0] == "pixel_0_0"
    assert len(prepared.columns) == 64
    assert prepared.classes == tuple(range(10))
    histograms = np.array(list(prepared.document["labelHistogram"].values()))
    lines = gzip.decompress(DIGITS.read_bytes()).decode().splitlines()
    targets = [int(line.rsplit(",", 1)[1]) for line in lines]
    assert histograms.sum(axis=0).tolist() == np.bincount(targets).tolist()


def test_the_digits_are_the_bytes_that_their_origin_names() -> None:
    assert hashlib.sha256(DIGITS.read_bytes()).hexdigest() == DIGITS_SHA256
    assert DIGITS_SHA256 in DIGITS.with_name("README.md").read_text()


@pytest.mark.parametrize(
    ("spec", "exit_code", "line"),
    [
        ({"script": {"command": ["true"]}}, 64, "error: spec.data: not given"),
        ({"data": {"source": {}}}, 64, "error: spec.data.source: Value error, give exactly one of builtin, uri and"),
        ("{", 64, "error: spec: Invalid JSON"),
        (
            {"script": {"command": ["true"]}, "data": {"source": {"uri": "a.csv"}}},
            66,
            "'a.csv' cannot be read",
        ),
        (
            {"script": {"command": ["true"]}, "data": {"source": {"uri": "spec.csv"}, "label": "b"}},
            65,
            "line 3: 1 val",
        ),
    ],
)
def test_errors_are_one_line_with_an_exit_code(bench: Any, spec: Any, exit_code: int, line: str) -> None:
    bench.write("a,b\n1,2\n1\n", name="spec.csv")
    done = _run(bench, spec)
    assert done.returncode == exit_code
    assert done.stderr.startswith("error: ")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


def test_settings_that_are_not_there_are_named(bench: Any) -> None:
    assert "error: WATTRAIN_SPEC: not set" in _run(bench, "", WATTRAIN_SPEC="").stderr
    missing = _run(bench, "", WATTRAIN_SPEC=str(bench.folder / "nowhere.json"))
    assert missing.returncode == 66


def test_the_same_table_gives_the_same_shards_from_every_format(bench: Any, flowers: pl.DataFrame) -> None:
    flowers.write_csv(bench.folder / "flowers.csv")
    flowers.write_parquet(bench.folder / "flowers.parquet")
    np.savez(bench.folder / "columns.npz", **{name: flowers[name].to_numpy().astype(t) for name, t in
                                              (("length", float), ("width", float), ("kind", str))})  # fmt: skip
    np.savez(bench.folder / "matrix.npz", X=flowers.select("length", "width").to_numpy(), y=flowers["kind"].to_list())
    flowers.with_columns(pl.col("kind").cast(pl.Categorical)).write_parquet(bench.folder / "categories.parquet")
    found = {}
    for name in ("flowers.csv", "flowers.parquet", "columns.npz", "matrix.npz", "categories.parquet"):
        label = None if name == "matrix.npz" else "kind"
        bench.prepare(bench.folder / name, into=name[:-2], label=label)
        found[name] = [bench.shards(name[:-2])[shard] for shard in SHARDS]
    assert all(shards == found["flowers.csv"] for shards in found.values())
    assert bench.document("matrix.n")["columns"] == ["X_0", "X_1"]
    assert bench.document("matrix.n")["classes"] == ["iris", "lily", "rose"]


@pytest.mark.parametrize(
    ("cells", "classes"),
    [
        (["10", "9", "-1"], (-1, 9, 10)),
        (["True", "false", "true"], (False, True)),
        (["10", "9", "b"], ("10", "9", "b")),
        (["None", "b", "c"], ("None", "b", "c")),
    ],
)
def test_labels_are_whole_numbers_truths_or_texts(bench: Any, cells: list[str], classes: tuple[Any, ...]) -> None:
    path = bench.write("a,kind\n" + "".join(f"{i},{cells[i % 3]}\n" for i in range(90)))
    prepared = bench.prepared(path, label="kind", normalize="none")
    assert prepared.classes == classes
    assert [type(value) for value in prepared.classes] == [type(value) for value in classes]
    names = [str(value).lower() for value in prepared.classes]
    for value, label in zip(prepared.train.features[:, 0], prepared.train.labels, strict=True):
        assert names[label] == cells[int(value) % 3].lower()


def test_preparing_anew_gives_the_same_bytes(bench: Any, flowers_csv: Path) -> None:
    options: dict[str, Any] = {"label": "kind", "clean": {"labelIssues": "report", "outliers": {"method": "mad"}}}
    bench.prepare(flowers_csv, into="one", **options)
    bench.prepare(flowers_csv, into="two", **options)
    assert bench.shards("one") == bench.shards("two")
    assert sorted(bench.shards("one")) == ["prepare.json", *SHARDS]


def test_what_lies_there_is_not_done_again(bench: Any, flowers_csv: Path) -> None:
    assert not bench.prepare(flowers_csv, label="kind").was_there
    before = {path: path.stat().st_ino for path in (bench.folder / "prepared").iterdir()}
    again = bench.prepare(flowers_csv, label="kind")
    assert again.was_there
    assert again.document == bench.document()
    assert {path: path.stat().st_ino for path in (bench.folder / "prepared").iterdir()} == before


def _change_the_source(bench: Any, path: Path) -> None:
    path.write_text(path.read_text() + "1.0,1.0,iris\n")


def _tear_a_shard(bench: Any, path: Path) -> None:
    shard = bench.folder / "prepared" / "train.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])


def _flip_a_bit(bench: Any, path: Path) -> None:
    shard = bench.folder / "prepared" / "test.safetensors"
    content = bytearray(shard.read_bytes())
    content[-20] ^= 1
    shard.write_bytes(bytes(content))


def _remove_a_shard(bench: Any, path: Path) -> None:
    (bench.folder / "prepared" / "validation.safetensors").unlink()


def _garble_the_document(bench: Any, path: Path) -> None:
    bench.write("{", name="prepared/prepare.json")


@pytest.mark.parametrize(
    "damage", [_change_the_source, _tear_a_shard, _flip_a_bit, _remove_a_shard, _garble_the_document]
)
def test_what_does_not_match_is_done_again(bench: Any, flowers_csv: Path, damage: Any) -> None:
    bench.prepare(flowers_csv, label="kind")
    damage(bench, flowers_csv)
    if damage is not _change_the_source:
        with pytest.raises((BadData, InputMissing), match=r"prepare it anew with python -m wattrain_worker\.data"):
            load_prepared(bench.folder / "prepared")
    assert not bench.prepare(flowers_csv, label="kind").was_there
    repaired = bench.shards()
    bench.prepare(flowers_csv, into="fresh", label="kind")
    assert repaired == bench.shards("fresh")


def test_another_spec_or_recipe_is_prepared_anew(bench: Any, flowers_csv: Path) -> None:
    bench.prepare(flowers_csv, label="kind")
    other = {"label": "kind", "recipe": {"name": "logistic-regression"}}
    assert not bench.prepare(flowers_csv, **other).was_there
    assert bench.prepare(flowers_csv, **other).was_there
    assert not bench.prepare(flowers_csv, **other, normalize="none").was_there


def test_more_workers_than_rows_are_refused_although_the_data_lies_there(bench: Any, flowers_csv: Path) -> None:
    assert not bench.prepare(flowers_csv, label="kind").was_there
    training = bench.document()["counts"]["training"]
    options = {"label": "kind", "workers": {"replicas": training + 1}, "training": {"epochs": 1, "batchSize": 1000}}
    with pytest.raises(BadData, match=f"{training} training rows are fewer than the {training + 1} ranks"):
        bench.prepare(flowers_csv, **options)


def test_a_claim_is_found_where_it_is_mounted(bench: Any, flowers: pl.DataFrame) -> None:
    (bench.folder / "claims" / "garden" / "2026").mkdir(parents=True)
    flowers.write_parquet(bench.folder / "claims" / "garden" / "2026" / "flowers.parquet")
    source = {"claim": {"name": "garden", "path": "/2026/flowers.parquet"}}
    prepared = bench.prepared("unused", source=source, label="kind")
    assert prepared.document["counts"]["read"] == 200
    assert prepared.document["source"]["name"] == "garden:/2026/flowers.parquet"


def test_a_remote_source_is_fetched_and_leaves_no_copy(bench: Any, flowers_csv: Path) -> None:
    uri = f"memory://{bench.folder.name}/flowers.csv"
    with fsspec.open(uri, "wb") as file:
        file.write(flowers_csv.read_bytes())
    try:
        bench.prepare(uri, into="remote", label="kind")
    finally:
        fsspec.filesystem("memory").rm(f"/{bench.folder.name}", recursive=True)
    bench.prepare(f"file://{flowers_csv}", into="local", label="kind")
    assert sorted(bench.shards("remote")) == ["prepare.json", *SHARDS]
    assert [bench.shards("remote")[name] for name in SHARDS] == [bench.shards("local")[name] for name in SHARDS]


def test_credentials_of_an_address_are_not_kept() -> None:
    signed = "https://anne:secret@host:8443/a/b.csv?X-Amz-Signature=abc"
    assert without_credentials(signed) == "https://host:8443/a/b.csv"


def test_a_split_without_a_share_is_there_and_empty(bench: Any, flowers_csv: Path) -> None:
    prepared = bench.prepared(flowers_csv, label="kind", split={"train": 1, "validation": 0, "test": 0})
    assert prepared.train.features.shape == (200, 2)
    assert prepared.validation.features.shape == (0, 2)
    assert prepared.test.labels.shape == (0,)
