"""A folder of more large files than a process may have open as it starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from wattrain_api.names import ENV_DATA_DIR, ENV_SPEC

FILES = 600
"""Each is open twice, and a process starts with a limit of 1,024 on most systems."""
PREPARES = """
import resource, sys
from wattrain_worker.data import prepare_table
from wattrain_worker.data.__main__ import main
resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:])))
prepare_table.MOST_HELD_BYTES = 0  # every file is a large one
sys.exit(main())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("many")
    (folder / "parts").mkdir()
    rows = pl.DataFrame({"a": [1.0, 2.0, 3.0], "kind": ["x", "y", "x"]})
    for number in range(FILES):
        rows.with_columns(pl.col("a") + number).write_parquet(folder / f"parts/{number:03}.parquet")
    return folder


def prepared(folder: Path, into: Path, soft: int, hard: int) -> subprocess.CompletedProcess[str]:
    data = {"source": {"uri": str(folder / "parts")}, "label": "kind"}
    spec = {"recipe": {"name": "mlp"}, "data": data, "training": {"epochs": 1}}
    (into / "spec.json").write_text(json.dumps(spec))
    told = {ENV_SPEC: str(into / "spec.json"), ENV_DATA_DIR: str(into / "data")}
    return subprocess.run(
        [sys.executable, "-c", PREPARES, str(soft), str(hard)],
        env={**os.environ, **told}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_a_folder_of_600_large_files_is_prepared_where_a_process_starts_with_1024(folder: Path, tmp_path: Path) -> None:
    done = prepared(folder, tmp_path, 1024, 4096)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"prepared: rows {3 * FILES}" in done.stdout


def test_a_folder_with_more_files_than_the_system_allows_is_refused_with_the_limit(
    folder: Path, tmp_path: Path
) -> None:
    done = prepared(folder, tmp_path, 256, 512)
    assert done.returncode == 66
    assert done.stderr.startswith("error: spec.data.source: '")
    assert done.stderr.endswith("raise its limit (ulimit -n), or write the table in fewer files\n")
