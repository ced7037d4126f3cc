"""`PYTHONPATH=benchmarks python -m tables`: see --help."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare


def main() -> int:
    """Measure one table after the other, and print."""
    told = _arguments()
    with tempfile.TemporaryDirectory(prefix="wattrain-tables-", dir=told.folder) as folder:
        for rows, columns in told.sizes:
            _say(rows, columns, told.times, Path(folder))
    return 0


def _say(rows: int, columns: int, times: int, folder: Path) -> None:
    path = folder / f"{rows}x{columns}.csv"
    with path.open("w") as file:
        file.writelines(_lines(rows, columns))
    compared: dict[str, Callable[[], None]] = {
        "polars": lambda: _with_polars(path, folder),
        "prepare": lambda: _prepare(path, folder),
    }
    seconds: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(times + 1):  # in turn, since a machine's speed varies; the first round warms the file cache
        for name, work in compared.items():
            begin = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - begin)
    middle = {name: median(each[1:]) for name, each in seconds.items()}
    print(
        f"{rows:,} rows x {columns:,} columns, {path.stat().st_size / 1e6:.0f} MB, polars {pl.__version__}: "
        f"prepared in {middle['prepare']:.2f} s, {middle['prepare'] / middle['polars']:.2f} times the "
        f"{middle['polars']:.2f} s in which polars reads, deduplicates and writes Parquet",
        flush=True,
    )


def _lines(rows: int, columns: int) -> Iterator[str]:
    random = np.random.default_rng(0)
    yield ",".join([*(f"x{i}" for i in range(columns - 1)), "y"]) + "\n"
    for row in range(rows):
        yield ",".join(map("{:.4f}".format, random.normal(size=columns - 1))) + f",{row % 3}\n"


def _with_polars(path: Path, folder: Path) -> None:
    pl.read_csv(path, glob=False).unique(maintain_order=True).write_parquet(folder / "unique.parquet")


def _prepare(path: Path, folder: Path) -> None:
    spec = TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"uri": str(path)}, "label": "y", "clean": {"dropDuplicates": True}},
            "training": {"epochs": 1},
            "workers": {},
        }
    )
    with tempfile.TemporaryDirectory(dir=folder) as into:
        prepare(spec, Path(into))


def _arguments() -> Any:
    parser = argparse.ArgumentParser(prog="tables", description=__doc__)
    parser.add_argument("--sizes", type=_size, nargs="+", default=[(300_000, 20), (40, 20_000)], metavar="ROWSxCOLUMNS")
    parser.add_argument("--times", type=int, default=5, help="rounds; the median counts")
    parser.add_argument("--folder", type=Path, help="where the files are written; the machine's temporary folder")
    return parser.parse_args()


def _size(text: str) -> tuple[int, int]:
    rows, columns = text.split("x")
    return int(rows), int(columns)


if __name__ == "__main__":
    raise SystemExit(main())
