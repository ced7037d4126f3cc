"""`PYTHONPATH=benchmarks python -m table_models FOLDER`: see --help."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

import yaml
from threadpoolctl import threadpool_limits
from wattrain_calls import wattrain

from table_models.known_tables import TABLES, KnownTable
from table_models.scikit_models import Rows, boosting_metrics, linear_metrics, rows_of
from wattrain_api.trainingjob import TrainingJobSpec

_CLOSE: Final = 0.02
_SHARES: Final = ("accuracy", "rocAuc", "r2")
"""Metrics whose best is 1."""
_MODELS: Final = ("wattrain", "boosting", "linear")


class Compared(NamedTuple):
    """Test metrics of the three models on one table, means over the splits."""

    table: str
    rows: int
    """Of the test split, over all splits."""
    metrics: dict[str, dict[str, float]]
    """By model, then by metric; the first metric is the one that decides."""


def main() -> int:
    """Compare, and print a Markdown table. 1 where a table is neither close to boosting nor better than the linear
    model."""
    told = _arguments()
    print("| table | splits | test rows | metric | Wattrain | gradient boosting | linear | to boosting |")
    print("|---|---|---|---|---|---|---|---|")
    behind = []
    with threadpool_limits(1):  # threads that wait for each other spin, which other load makes many times slower
        for table in TABLES:
            if told.tables and table.name not in told.tables:
                continue
            splits = told.splits or table.splits
            found = _compared(table, told.folder, splits)
            for line in _lines(found, splits):
                print(line, flush=True)
            if not _is_good(found):
                behind.append(table.name)
    print(f"\nmore than {_CLOSE} behind boosting, and not better than the linear model: {', '.join(behind) or 'none'}")
    return 1 if behind else 0


def _compared(table: KnownTable, folder: Path, splits: int) -> Compared:
    each: list[dict[str, dict[str, float]]] = []
    tested = 0
    with tempfile.TemporaryDirectory(prefix="wattrain-table-models-") as place:
        job = Path(place) / "job.yaml"
        wattrain("init", str((folder / f"{table.name}.csv").absolute()), "--label", table.label, "--out", str(job))
        for seed in range(splits):
            rows = rows_of(_spec(job, seed))
            tested += len(rows.labels["test"])
            own = _trained(job, seed, Path(place) / f"run-{seed}", rows)
            each.append({"wattrain": own, "boosting": boosting_metrics(rows), "linear": linear_metrics(rows)})
    metrics = {
        model: {name: fmean(one[model][name] for one in each) for name in each[0]["linear"]} for model in _MODELS
    }
    return Compared(table.name, tested, metrics)


def _spec(job: Path, seed: int) -> TrainingJobSpec:
    spec = yaml.safe_load(job.read_text())["spec"]
    spec["data"]["split"]["seed"] = seed
    return TrainingJobSpec.model_validate(spec)


def _trained(job: Path, seed: int, run: Path, rows: Rows) -> dict[str, float]:
    """Test metrics of `wattrain run`, by its receipt."""
    wattrain("run", str(job), "--set", f"data.split.seed={seed}", "--dir", str(run), "--output", "json")
    counts = json.loads((run / "data" / "prepare.json").read_text())["counts"]
    if (counts["training"], counts["test"]) != (len(rows.labels["train"]), len(rows.labels["test"])):
        raise RuntimeError(f"{job}: the job had other rows than scikit-learn")
    test = json.loads((run / "receipt.json").read_text())["test"]
    return {name: float(value) for name, value in test.items()}


def _lines(found: Compared, splits: int) -> list[str]:
    lines = []
    for name in found.metrics["linear"]:
        own, boosting, linear = (found.metrics[model][name] for model in _MODELS)
        to_boosting = f"{own - boosting:+.4f}" if name in _SHARES else f"x {own / boosting:.3f}"
        values = " | ".join(f"{value:.4f}" if name in _SHARES else f"{value:.4g}" for value in (own, boosting, linear))
        lines.append(f"| {found.table} | {splits} | {found.rows:,} | {name} | {values} | {to_boosting} |")
    return lines


def _is_good(found: Compared) -> bool:
    """By accuracy or R2."""
    name = next(iter(found.metrics["linear"]))
    own, boosting, linear = (found.metrics[model][name] for model in _MODELS)
    return own >= boosting - _CLOSE or own > linear


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m table_models",
        description="Models by `wattrain init` and `wattrain run`, beside scikit-learn's with its defaults on the same "
        "rows.",
    )
    parser.add_argument("folder", type=Path, help="where the CSV files are: docs/tables.md says where they come from")
    parser.add_argument("--tables", nargs="+", choices=[table.name for table in TABLES], help="only these")
    parser.add_argument("--splits", type=int, help="other splits of each table (default 5, of large tables 1)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
