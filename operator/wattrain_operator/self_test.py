"""`python -m wattrain_operator.self_test`: whether the operator's image is what it is meant to be."""

from __future__ import annotations

import sys
import zipfile

from wattrain_api.image_check import modules_of, problems, tell
from wattrain_operator.cluster.objects.pods import IMAGE_ARCHIVE

LIBRARIES = ("kopf", "kubernetes.aio.client", "aiohttp", "prometheus_client", "yaml", "pydantic", "tzdata")
OURS = ("wattrain_operator.cluster", "wattrain_operator.core")
"""The command line and the laptop's backend stay outside: they need what the image lacks."""
ABSENT = ("torch", "numpy", "polars", "safetensors", "onnxruntime", "pytest", "mypy", "hypothesis", "pip")


def main() -> int:
    """Check, and return the exit code."""
    found = problems([*LIBRARIES, *modules_of(OURS)], ABSENT)
    if "wattrain_worker" in sys.modules:
        found.append("the operator has imported the worker")
    if not zipfile.is_zipfile(IMAGE_ARCHIVE):
        found.append(f"{IMAGE_ARCHIVE}, the supervisor for foreign images, is missing or damaged")
    return tell(found)


if __name__ == "__main__":
    sys.exit(main())
