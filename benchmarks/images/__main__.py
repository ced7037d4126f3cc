"""`PYTHONPATH=benchmarks python -m images`: see --help."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import yaml
from seed_means import cells, heading, is_less
from wattrain_calls import wattrain

from wattrain_api.training import Training

_ROOT: Final = Path(__file__).resolve().parents[2]
_METRIC: Final = "accuracy"


def main() -> int:
    """Compare, and print a Markdown table. 1 where the recipe is worse than the bare loop by more than noise."""
    told = _arguments()
    if find_spec("torchvision") is None:
        print("images: torchvision: not installed; pip install 'wattrain[images]'", file=sys.stderr)
        return 2
    os.environ["OMP_NUM_THREADS"] = "1"
    own, others = _accuracies(told.seeds, told.epochs)
    print(heading("recipe | seeds | epochs | split", "bare loop"))
    print(f"| resnet | {told.seeds} | {told.epochs} | test | {cells(_METRIC, own, others)} |")
    return 1 if is_less(own, others) else 0


def _accuracies(seeds: int, epochs: int) -> tuple[list[float], list[float]]:
    """On the test split, a seed each, of both."""
    from images.bare_loop import accuracy  # only here: it is asked before whether torchvision is there

    own: list[float] = []
    others: list[float] = []
    with tempfile.TemporaryDirectory(prefix="wattrain-images-") as place:
        folder = Path(place)
        maker, pictures = _ROOT / "examples/data/digits_pictures.py", folder / "pictures"
        subprocess.run([sys.executable, str(maker), str(pictures)], stdout=subprocess.DEVNULL, check=True)
        for seed in range(seeds):
            document, run = _document(pictures, seed, epochs), folder / f"run-{seed}"
            (folder / "job.yaml").write_text(yaml.safe_dump(document))
            wattrain("run", str(folder / "job.yaml"), "--dir", str(run), "--output", "json")
            own.append(json.loads((run / "receipt.json").read_text())["test"][_METRIC])
            others.append(accuracy(run / "data", Training.model_validate(document["spec"]["training"])))
            print(f"seed {seed}: wattrain {own[-1]:.4f}, bare loop {others[-1]:.4f}", file=sys.stderr, flush=True)
    return own, others


def _document(pictures: Path, seed: int, epochs: int) -> dict[str, Any]:
    """examples/digits-resnet.yaml with one worker, of which `seed` decides initial weights, crops and order."""
    document: dict[str, Any] = yaml.safe_load((_ROOT / "examples/digits-resnet.yaml").read_text())
    spec = document["spec"]
    spec["data"]["source"]["uri"] = str(pictures)
    spec["training"] |= {"seed": seed, "epochs": epochs}
    spec["workers"]["replicas"] = 1
    return document


def _arguments() -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m images",
        description="examples/digits-resnet.yaml by `wattrain run` with one worker, beside torchvision's resnet18 in a "
        "bare loop on the same prepared pictures with the same settings. A training takes some minutes of one core.",
    )
    parser.add_argument(
        "--seeds", type=int, default=3, help="trainings of each model (default 3; of 1 no noise is known)"
    )
    parser.add_argument("--epochs", type=int, default=10, help="passes over the pictures (default 10)")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
