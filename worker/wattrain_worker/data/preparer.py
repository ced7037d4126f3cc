"""What a preparation of one kind of samples is. `preparers.py` lists them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from wattrain_api.data import Data, Split
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.errors import BadData

Document = dict[str, Any]
"""prepare.json: JSON, whose fields each kind defines, besides those that `prepare.py` writes for all of them."""
COUNT_NAMES: Final = {"train": "training", "validation": "validation", "test": "test"}
"""Of each split in `counts`."""


@dataclass(frozen=True)
class SampleSource:
    """The samples of a job where they come from, looked at and not yet prepared."""

    identity: Callable[[], dict[str, str | int]]
    """What prepare.json says of it: kind, name without credentials, SHA-256 of all its bytes, and how many. Data that
    was prepared from a source of this identity, by the same spec, is not prepared anew."""
    write: Callable[[Path], Document]
    """Writes the shards of all splits into a directory, and says what prepare.json is to hold: `samples`, `task`,
    `counts` (of each split, by COUNT_NAMES, and what became of the rest), `warnings`, `versions`, `files` (entries of
    each file, by name), and what the kind needs. The same input gives the same bytes. BadData, BadSpec."""


class Folders(NamedTuple):
    """Directories that a preparation reads from and writes into."""

    claims: Path
    shards: Path
    """Where large files may lie meanwhile."""


Prepare = Callable[[TrainingJobSpec, Data, Folders], SampleSource]
"""From a spec whose data is given. A WorkerError where there is no such source."""


def demand_rows_for_ranks(training_rows: int, spec: TrainingJobSpec) -> None:
    """BadData where some rank would have nothing to train on."""
    ranks = spec.workers.replicas * spec.workers.processes_per_worker
    if training_rows < ranks:
        raise BadData(
            f"data: {training_rows} training rows are fewer than the {ranks} ranks (spec.workers.replicas x "
            "processesPerWorker); lower them, or give more rows"
        )


def demand_rows_in_splits(counts: Mapping[str, int], split: Split) -> None:
    """BadData where a split that is to have a share of the samples got none. `counts` are those of prepare.json."""
    dealt = sum(counts[name] for name in COUNT_NAMES.values())
    for name, share in (("validation", split.validation), ("test", split.test)):
        if share > 0 and counts[name] == 0:
            raise BadData(
                f"data: the {name} split is empty: {dealt} rows are left, and spec.data.split.{name} is {share:g}; "
                "give more rows, raise the share, or set it to 0"
            )


def versions_of(*libraries: str) -> dict[str, str]:
    """The versions of what the bytes of the shards may depend on."""
    return {library: importlib.metadata.version(library) for library in ("wattrain", *libraries, "safetensors")}
