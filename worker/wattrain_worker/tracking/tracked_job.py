"""What a tracker knows of its job: who it is, and what it was to do."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from wattrain_api import names

_PARAMETERS: Final = ("recipe", "training", "parallelism", "checkpoint")
_WORKERS: Final = ("replicas", "processesPerWorker", "launcher")
"""No more of a spec than this: a script's arguments, and addresses of data, may hold secrets."""
_LONGEST_VALUE: Final = 500


@dataclass(frozen=True)
class TrackedJob:
    """A job as it is tracked."""

    name: str
    namespace: str
    uid: str
    attempt: int
    metrics_file: Path
    options: Mapping[str, Any]
    """What `spec.tracking` says of this tracker."""
    parameters: Mapping[str, str]
    """By their path in the spec, as in `training.optimizer.lr`."""


def read_job(tracker_field: str) -> TrackedJob:
    """The job of this process's environment, for the tracker that `tracker_field` of `spec.tracking` describes."""
    spec = json.loads(Path(os.environ[names.ENV_SPEC]).read_text(encoding="utf-8"))
    workers = {key: value for key, value in (spec.get("workers") or {}).items() if key in _WORKERS}
    told = {**{part: spec[part] for part in _PARAMETERS if part in spec}, "workers": workers}
    return TrackedJob(
        name=os.environ.get(names.ENV_JOB, ""),
        namespace=os.environ.get(names.ENV_NAMESPACE, ""),
        uid=os.environ.get(names.ENV_JOB_UID, ""),
        attempt=int(os.environ.get(names.ENV_ATTEMPT) or 1),
        metrics_file=Path(os.environ[names.ENV_METRICS_FILE]),
        options=spec["tracking"][tracker_field],
        parameters=dict(_flat(told)),
    )


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{key}.")
        elif inner is not None:
            text = inner if isinstance(inner, str) else json.dumps(inner)
            yield f"{prefix}{key}", text[:_LONGEST_VALUE]
