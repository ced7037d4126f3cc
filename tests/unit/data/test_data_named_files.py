"""Whatever is wrong with data, the refusal names the file, says where, and what to do: of a training and of `init`."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.data import Source
from wattrain_worker.data import folder_inspection, inspection
from wattrain_worker.data.naming import naming, naming_source
from wattrain_worker.errors import BadData, BadSpec

CSV = "a,b,kind\n" + "".join(f"{row},{row % 7},{'xy'[row % 2]}\n" for row in range(60))
LINES = "".join(json.dumps({"a": row, "kind": "xy"[row % 2]}) + "\n" for row in range(60))


def parquet(rows: int = 60) -> bytes:
    out = io.BytesIO()
    pl.DataFrame({"a": range(rows), "kind": ["xy"[row % 2] for row in range(rows)]}).write_parquet(out)
    return out.getvalue()


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


SQUARE = np.arange(120.0).reshape(60, 2)
BAD_FILES: dict[str, tuple[str, bytes, str]] = {
    "no UTF-8": ("a.csv", CSV.encode() + b"1,2,\xe9\n", "line 62: not UTF-8; save the CSV file as UTF-8"),
    "a column twice": ("a.csv", CSV.replace("a,b", "a,a").encode(), 'line 1: column "a" is there twice; give'),
    "empty CSV": ("a.csv", b"", "the file is empty; give a CSV file"),
    "a header alone": ("a.csv", b"a,kind\n", "holds no rows; give a file"),
    "a short line": ("a.csv", CSV.encode() + b"1,2\n", "line 62: 2 values, but 3 columns"),
    "one class": ("a.csv", CSV.replace(",y", ",x").encode(), 'column "kind" has '),
    "one number": ("a.csv", CSV.replace(",x", ",1.5").replace(",y", ",1.5").encode(), 'column "kind" '),
    "cut Parquet": ("a.parquet", parquet()[:-30], "it is cut off after "),
    "empty Parquet": ("a.parquet", b"", "it is empty; write it anew"),
    "Parquet without rows": ("a.parquet", parquet(0), "holds no rows; give a file"),
    "damaged Parquet": ("a.parquet", parquet()[:20] + bytes(200) + parquet()[220:], "not a readable Parquet file ("),
    "cut NPZ": ("a.npz", npz(X=SQUARE, y=SQUARE[:, 0] % 4)[:600], "it is cut off after 600 bytes, its end is not"),
    "empty NPZ": ("a.npz", b"", "it is empty; write it anew"),
    "a cube": ("a.npz", npz(X=np.zeros((60, 2, 2)), y=SQUARE[:, 0]), 'array "X" has the shape (60, 2, 2); reshape'),
    "a cut line": ("a.jsonl", LINES[:-12].encode(), "line 60: no JSON (Unterminated string"),
    "lines that are no UTF-8": ("a.jsonl", LINES.encode() + b'{"a": "\xe9"}\n', "line 61: not UTF-8; save the file"),
    "empty lines": ("a.jsonl", b"\n\n", "holds no rows; give a file"),
}
"""By what is wrong: the file's name, its content, and what is said besides the name."""


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_training_and_init_name_the_bad_file(what: str, bench: Any, capsys: pytest.CaptureFixture[str]) -> None:
    name, content, expected = BAD_FILES[what]
    path = bench.folder / name
    path.write_bytes(content)
    label = {} if what == "a cube" else {"label": "kind"}
    told = str(bench.refusal(path, **label))
    source = json.dumps({"uri": str(path)})
    assert inspection.main(["--source", source, "--recipe", "mlp"]) == 2
    for each in (told, capsys.readouterr().err):
        assert each.removeprefix("error: ").startswith(f"data: {str(path)!r}")
        assert expected in each
        assert "; " in each  # a remedy


def test_a_folder_of_tables_is_named_with_the_file_in_it(bench: Any) -> None:
    (bench.folder / "parts").mkdir()
    (bench.folder / "parts/a.parquet").write_bytes(parquet())
    (bench.folder / "parts/b.parquet").write_bytes(parquet()[:-30])
    told = str(bench.refusal(bench.folder / "parts", label="kind"))
    assert told.startswith(f"data: '{bench.folder}/parts': 'b.parquet': not a readable Parquet file: it is cut off")


def test_a_tar_that_ends_early_is_named_by_init(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "pictures.tar"
    with tarfile.open(path, "w") as tar:
        for number in range(4):
            member = tarfile.TarInfo(f"{number}.txt")
            member.size = 2000
            tar.addfile(member, io.BytesIO(bytes(2000)))
    path.write_bytes(path.read_bytes()[:6000])
    assert folder_inspection.main(["--source", json.dumps({"uri": str(path)})]) == 2
    assert f"data: {str(path)!r} is no whole tar" in capsys.readouterr().err


def test_arrays_of_other_names_are_told_which_names_say_more(bench: Any) -> None:
    path = bench.folder / "a.npz"
    path.write_bytes(npz(images=SQUARE, kinds=SQUARE[:, 0]))
    rule = "(a 2-D array X has the columns X_0, X_1, ...; the label is y or labels, if there is such an array)"
    told = bench.refusal(path)
    assert isinstance(told, BadSpec)
    assert str(told).endswith(f"name the column to predict, one of images_0, images_1, kinds {rule}")
    assert str(bench.refusal(path, label="kinds", features=["X_0"])).endswith(f"images_0, images_1, kinds {rule}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: line 3: no", "data: 'of/a.csv': line 3: no"),
        ("data: 'of/a.csv' holds nothing", "data: 'of/a.csv' holds nothing"),
        ("data: 'a.csv', line 3: no", "data: 'a.csv', line 3: no"),
        ("/data/prepare.json: damaged", "/data/prepare.json: damaged"),
    ],
)
def test_a_refusal_that_names_its_file_is_left_as_it_is(text: str, told: str) -> None:
    with pytest.raises(BadData) as caught, naming_source(Source(uri="of/a.csv")):
        raise BadData(text)
    assert str(caught.value) == told


def test_other_errors_than_of_data_pass() -> None:
    with pytest.raises(BadSpec, match=r"^spec\.data\.label: no$"), naming("a.csv"):
        raise BadSpec("spec.data.label: no")
