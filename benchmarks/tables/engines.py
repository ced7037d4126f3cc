"""`PYTHONPATH=benchmarks python -m tables.engines`: see --help."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from tables.memory_limit import has_ended, memory_limit, watched
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data import blocks_in_order
from wattrain_worker.data.prepare import prepare

_MIB: Final = 1 << 20
_BLOCK_ROWS: Final = 50_000


class Way(NamedTuple):
    """To prepare the table."""

    engine: str
    processes: int
    """Of Dask."""
    threads: int
    """Of polars, in each process."""
    polars: Path | None = None
    """Where another polars is installed (`pip install --target`); None: that of this Python."""


class Found(NamedTuple):
    """What preparing it in one way took."""

    polars: str
    seconds: float
    anonymous_mib: float
    """At most, of all processes together; page cache does not count."""
    shards: dict[str, str]
    """SHA-256 by name."""


def main() -> int:
    """Prepare one table in every way, and print a Markdown table. 1 where a shard differs."""
    told = _arguments()
    if told.way is not None:
        return _prepare(told.folder, Way(*json.loads(told.way)))
    ways = [Way("local", 1, 1), Way("local", 1, 2), *(Way("dask", processes, 1) for processes in (1, 2, 4))]
    ways += [Way("local", 1, 2, folder) for folder in told.polars]
    with tempfile.TemporaryDirectory(prefix="wattrain-engines-", dir=told.folder) as place:
        folder = Path(place)
        rows = _make_table(folder / "table.csv", told.mib * _MIB, told.seed)
        print(f"{(folder / 'table.csv').stat().st_size / 1e6:.0f} MB of CSV, {rows:,} rows, 77 columns and a label\n")
        print("| engine | processes | threads of polars | polars | seconds | MiB at most | SHA-256 of train |")
        print("|---|---|---|---|---|---|---|")
        shards = []
        for way in ways:
            found = _measured(folder, way)
            shards.append(found.shards)
            print(
                f"| {way.engine} | {way.processes} | {way.threads} | {found.polars} | {found.seconds:.0f} | "
                f"{found.anonymous_mib:.0f} | {found.shards['train.safetensors'][:12]} |",
                flush=True,
            )
    are_equal = all(each == shards[0] for each in shards)
    print(f"\n{len(shards[0])} shards in {len(ways)} ways: {'all bytes equal' if are_equal else 'bytes DIFFER'}")
    return int(not are_equal)


def _make_table(path: Path, size: int, seed: int) -> int:
    """Numbers, of which some are missing, categories and days; `size` bytes or a block more. How many rows."""
    random, rows = np.random.default_rng(seed), 0
    cities = np.array([f"city {i}" for i in range(40)])
    with path.open("wb") as file:
        while file.tell() < size:
            numbers = random.standard_normal((_BLOCK_ROWS, 70), np.float32)
            numbers[random.random(numbers.shape, np.float32) < 0.01] = np.nan
            days = np.datetime64("2020-01-01") + random.integers(0, 2000, (_BLOCK_ROWS, 2)).astype("timedelta64[D]")
            frame = pl.DataFrame(numbers, schema=[f"x{i}" for i in range(70)], orient="row").fill_nan(None)
            frame = frame.with_columns(
                *(pl.Series(f"city{i}", cities[random.integers(0, 40, _BLOCK_ROWS)]) for i in range(5)),
                *(pl.Series(f"day{i}", days[:, i]) for i in range(2)),
                pl.Series("label", random.integers(0, 3, _BLOCK_ROWS)),
            )
            frame.write_csv(file, include_header=rows == 0, float_precision=4)
            rows += _BLOCK_ROWS
    return rows


def _measured(folder: Path, way: Way) -> Found:
    """In processes of its own, since polars makes its threads once."""
    paths = [*([str(way.polars.absolute())] if way.polars else []), *sys.path]
    environment = os.environ | {
        "POLARS_MAX_THREADS": str(way.threads),
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }
    words = ["--folder", str(folder), "--way", json.dumps([way.engine, way.processes, way.threads])]
    with memory_limit(None) as limit:
        process = subprocess.Popen(
            [sys.executable, "-m", "tables.engines", *words],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=limit.enter,
        )
        most = watched(limit, lambda seconds: has_ended(process, seconds))
        told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{way}: exit code {process.returncode}")
    polars, seconds, shards = json.loads(told)
    return Found(polars, seconds, most / _MIB, shards)


def _prepare(folder: Path, way: Way) -> int:
    """As a worker with so many CPUs does; says what came of it."""
    blocks_in_order.usable_cpus = lambda root=Path("/"): way.processes
    data = {"source": {"uri": str(folder / "table.csv")}, "label": "label", "engine": way.engine}
    data |= {"clean": {"missing": "indicator", "dropDuplicates": True}}
    job = {"recipe": {"name": "mlp"}, "data": data, "training": {"epochs": 1}, "workers": {}}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as into:
        prepare(TrainingJobSpec.model_validate(job), Path(into))
        files = json.loads((Path(into) / "prepare.json").read_text())["files"]
    shards = {name: each["sha256"] for name, each in files.items()}
    print(json.dumps([pl.__version__, time.perf_counter() - began, shards]))
    return 0


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        prog="tables.engines",
        description="Prepare one table by the local engine with 1 and 2 threads of polars and by Dask with 1, 2 and 4 "
        "processes, and compare times, memory (by a cgroup, which needs root) and the bytes of the shards.",
    )
    parser.add_argument("--mib", type=int, default=300, help="of CSV")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--polars", type=Path, nargs="*", default=[], help="folders with another polars each")
    parser.add_argument("--folder", type=Path, help="where the files are written; the machine's temporary folder")
    parser.add_argument("--way", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
