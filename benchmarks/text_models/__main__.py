"""`PYTHONPATH=benchmarks python -m text_models`: see --help."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, Final

import yaml
from seed_means import cells, heading, is_less
from wattrain_calls import wattrain

from text_models.jobs import JOBS, Job, document_of
from wattrain_api.trainingjob import TrainingJobSpec

_EVALUATED: Final = ("validation", "test")


def main() -> int:
    """Compare, and print a Markdown table. 1 where a metric is worse than that of transformers by more than noise."""
    told = _arguments()
    missing = [name for name in ("transformers", "tokenizers") if find_spec(name) is None]
    if missing:
        print(f"text_models: {' and '.join(missing)}: not installed; pip install {' '.join(missing)}", file=sys.stderr)
        return 2
    os.environ["OMP_NUM_THREADS"] = "1"
    print(heading("recipe | beside | seeds | split", "transformers"))
    worse = []
    for job in JOBS:
        if told.recipes and job.recipe not in told.recipes:
            continue
        own, others = _trained(job, told.seeds)
        for split in _EVALUATED:
            worse += _compared(job, split, [one[split] for one in own], [one[split] for one in others])
    print(f"\nworse than transformers by more than noise: {', '.join(worse) or 'none'}")
    return 1 if worse else 0


def _trained(job: Job, seeds: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Metrics of each split, a seed of the training each, of both."""
    from text_models.transformers_models import trained  # only here: it is asked before whether transformers is there

    own, others = [], []
    with tempfile.TemporaryDirectory(prefix="wattrain-text-models-") as place:
        folder = Path(place)
        text = folder / "topics.jsonl"
        text.write_text("".join(json.dumps({"text": topics[name]}) + "\n" for name in sorted(topics)))
        for seed in range(seeds):
            document, run = document_of(job, text, seed), folder / f"run-{seed}"
            (folder / "job.yaml").write_text(yaml.safe_dump(document))
            wattrain("run", str(folder / "job.yaml"), "--dir", str(run), "--output", "json")
            receipt = json.loads((run / "receipt.json").read_text())
            own.append({"validation": receipt["training"]["validation"], "test": receipt["test"]})
            spec = TrainingJobSpec.model_validate(document["spec"])
            others.append(trained(run / "data", spec))
            for who, last in (("wattrain", own[-1]), ("transformers", others[-1])):
                found = ", ".join(f"{split} {m} {last[split][m]:.4f}" for split in _EVALUATED for m in job.metrics)
                print(f"{job.recipe}, seed {seed}, {who}: {found}", file=sys.stderr, flush=True)
    return own, others


def _compared(job: Job, split: str, own: list[dict[str, float]], others: list[dict[str, float]]) -> list[str]:
    """Print a line for each metric; those that are worse."""
    worse = []
    for metric in job.metrics:
        mine, theirs = ([float(one[metric]) for one in each] for each in (own, others))
        print(
            f"| {job.recipe} | {job.beside} | {len(mine)} | {split} | {cells(metric, mine, theirs)} |",
            flush=True,
        )
        if is_less(theirs, mine) if metric in _LESS_IS_BETTER else is_less(mine, theirs):
            worse.append(f"{job.recipe}'s {metric} of the {split} split")
    return worse


_LESS_IS_BETTER: Final = ("bitsPerByte",)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m text_models",
        description="gpt and bert by `wattrain run`, beside GPT2LMHeadModel and BertForPreTraining of the package "
        "transformers: of the same size, on the same prepared data, with the same optimizer, schedule and steps. "
        "A run takes a minute or two of one core.",
    )
    parser.add_argument("--recipes", nargs="+", choices=[job.recipe for job in JOBS], help="only these")
    parser.add_argument(
        "--seeds", type=int, default=3, help="trainings of each model (default 3; of 1 no noise is known)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
