"""`python -m wattrain_worker.self_test`: whether the worker's image is what it is meant to be."""

from __future__ import annotations

import sys

from wattrain_api.image_check import modules_of, problems, tell

LIBRARIES = ("torch", "numpy", "polars", "fsspec", "safetensors.torch", "prometheus_client", "pynvml", "pydantic")
OURS = ("wattrain_worker.supervisor", "wattrain_worker.power", "wattrain_worker.data", "wattrain_worker.train")
ABSENT = ("kopf", "kubernetes", "aiohttp", "typer", "pytest", "mypy", "hypothesis", "pip")


def main() -> int:
    """Check, and return the exit code."""
    found = problems([*LIBRARIES, *modules_of(OURS)], ABSENT)
    if "wattrain_operator" in sys.modules:
        found.append("the worker has imported the operator")
    return tell(found)


if __name__ == "__main__":
    sys.exit(main())
