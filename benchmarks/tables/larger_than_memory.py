"""`PYTHONPATH=benchmarks python -m tables.larger_than_memory`: see --help."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from tables.memory_limit import MemoryLimit, has_ended, memory_limit, watched

_MIB: Final = 1 << 20
_BLOCK_ROWS: Final = 20_000
_INFORMATIVE: Final = 16
"""Columns that the label depends on."""
_NOISE: Final = 0.5
"""Deviation of what is added to the score of a row, whose own is 1, before its sign makes the label."""
BEST_ACCURACY: Final = 1 - math.atan(_NOISE) / math.pi
"""Of a model that knows the score: how often the noise leaves its sign."""


def main() -> int:
    """Make a table, prepare it and train one epoch on it under the limit, and print. 1 where a process was killed or
    the job is not complete."""
    told = _arguments()
    folder = Path(tempfile.mkdtemp(prefix="wattrain-larger-than-memory-", dir=told.folder))
    try:
        table = told.table.absolute() if told.table else folder / "table.csv"
        if told.table is None:
            make_table(table, int(told.times * told.limit * _MIB), told.columns, told.seed)
        _leave_page_cache(table)
        size = table.stat().st_size / _MIB
        print(f"{size:,.0f} MiB of CSV, {size / told.limit:.2f} times the limit", flush=True)
        with memory_limit(told.limit) as limit:
            code = _run(folder, table, limit, told)
            print(f"{limit.killed()} processes killed by the kernel, exit code {code}")
            return int(code != 0 or limit.killed() > 0)
    finally:
        if not told.keep:
            shutil.rmtree(folder)


def make_table(path: Path, size: int, columns: int, seed: int) -> None:
    """Write `columns` columns of normal numbers with four decimals and a label, `size` bytes or a block more. A row's
    score is a weighted sum of some of its columns. Of one seed a shorter table is the beginning of a longer one."""
    random = np.random.default_rng(seed)
    weights = np.zeros(columns)
    weights[:_INFORMATIVE] = random.normal(size=_INFORMATIVE)
    weights /= np.linalg.norm(weights)
    rows = 0
    with path.open("wb") as file:
        while file.tell() < size:
            values = random.standard_normal((_BLOCK_ROWS, columns), np.float32)
            is_high = values @ weights + random.normal(scale=_NOISE, size=_BLOCK_ROWS) > 0
            frame = pl.DataFrame(values, schema=[f"x{i}" for i in range(columns)], orient="row")
            label = pl.Series("label", np.where(is_high, "high", "low"))
            frame.with_columns(label).write_csv(file, include_header=rows == 0, float_precision=4)
            rows += _BLOCK_ROWS


def _leave_page_cache(path: Path) -> None:
    """Pages that are there already would be counted to no cgroup, and read by all."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _run(folder: Path, table: Path, limit: MemoryLimit, told: Any) -> int:
    job, run = folder / "job.yaml", folder / "run"
    job.write_text(json.dumps(_job(table, told)))
    main = "from wattrain_operator.cli import main; main()"
    command = [sys.executable, "-c", main, "run", str(job), "--dir", str(run), "--output", "plain"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, preexec_fn=limit.enter)
    most = watched(limit, lambda seconds: has_ended(process, seconds))
    if process.returncode:
        sys.stderr.write((folder / "log").read_text()[-4000:])
        return process.returncode
    for line in _told(json.loads((run / "receipt.json").read_text()), _shard_bytes(run), most, told.limit):
        print(line)
    return 0


def _job(table: Path, told: Any) -> dict[str, Any]:
    return {
        "apiVersion": "wattrain.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "larger-than-memory"},
        "spec": {
            "recipe": {"name": "mlp"},
            "data": {"source": {"uri": str(table)}, "label": "label", "engine": told.engine},
            "training": {"epochs": 1, "batchSize": told.batch_size, "seed": 1},
            "workers": {"replicas": 1, "processesPerWorker": told.ranks},
            "policy": {"startDeadlineSeconds": 7200, "progressDeadlineSeconds": 3600, "maxRestarts": 0},
        },
    }


def _shard_bytes(run: Path) -> int:
    return sum(path.stat().st_size for path in (run / "data").glob("*.safetensors"))


def _told(receipt: Any, shard_bytes: int, most_anonymous: int, limit_mib: int) -> list[str]:
    phases = {each["phase"]: each["seconds"] for each in receipt["status"]["phases"]}
    training, data = receipt["training"], receipt["data"]
    return [
        f"{data['counts']['read']:,} rows x {len(data['columns'])} columns, limit {limit_mib} MiB, most anonymous "
        f"{most_anonymous / _MIB:.0f} MiB, shards {shard_bytes / _MIB:,.0f} MiB",
        f"prepared in {phases['Preparing']} s, started in {phases['Starting']} s, trained in {phases['Running']} s: "
        f"{training['step']} of {training['totalSteps']} steps, "
        f"{data['counts']['training'] / max(1, phases['Running']):,.0f} samples/s with the evaluations",
        f"accuracy on the test split {receipt['test']['accuracy']}, at best {BEST_ACCURACY:.4f}",
    ]


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        prog="tables.larger_than_memory",
        description="Prepare a table of several times a limit of memory that the kernel enforces (by a cgroup, which "
        "needs root), and train one epoch on it.",
    )
    parser.add_argument("--limit", type=int, default=700, help="MiB for all processes together, page cache included")
    parser.add_argument("--times", type=float, default=5.0, help="size of the CSV file, in limits")
    parser.add_argument("--columns", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--engine", choices=("local", "dask"), default="local")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the files are written; the machine's temporary folder")
    parser.add_argument("--table", type=Path, help="a table that this has made before")
    parser.add_argument("--keep", action="store_true", help="leave the files there")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
