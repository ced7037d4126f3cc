"""Interactions, of which the last of each user is left out for the test, and the one before for validation.

What a user turned to before is not recommended again in an evaluation. Items that no training row has are one item,
which is never recommended.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from wattrain_api.data import Data
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.interactions.read_interactions import Pairs, read_pairs
from wattrain_worker.data.prepared_data import SPLITS, Shard, shard_name, write_shard
from wattrain_worker.data.preparer import (
    COUNT_NAMES,
    Document,
    Folders,
    SampleSource,
    demand_rows_for_ranks,
    versions_of,
)
from wattrain_worker.data.readers import read
from wattrain_worker.data.sources import SourceFile, fetched
from wattrain_worker.data.split import TEST, TRAIN, VALIDATION, Deal
from wattrain_worker.errors import BadData

_FEWEST: Final = 3
"""Of a user with fewer interactions all are for training: none could be left out and still be predicted."""
UNKNOWN_ITEM: Final = 0
"""The code of an item that no training row has; those that have one follow."""
Codes = npt.NDArray[np.int64]


def prepare_interactions(spec: TrainingJobSpec, data: Data, folders: Folders) -> SampleSource:
    """The rows of one file."""
    source = fetched(data.source, folders.claims)
    return SampleSource(source.to_json_object, functools.partial(_prepared, spec, data, source))


def _prepared(spec: TrainingJobSpec, data: Data, source: SourceFile, data_dir: Path) -> Document:
    pairs = read_pairs(read(source, data.missing_values), data.interactions)
    dealt = _without_last(pairs)
    items, codes = _coded(pairs, dealt)
    shards = {"train": _training(pairs, codes, dealt), **_left_out(pairs, codes, dealt)}
    counts = {"read": pairs.counts.read, "missingDropped": pairs.counts.missing, "duplicates": pairs.counts.repeats}
    counts |= {COUNT_NAMES[split]: len(shard) for split, shard in shards.items()}
    _demand_enough(counts, items, spec)
    return {
        "samples": "interactions",
        "task": "ranking",
        "taskChosen": "the recipe does nothing else",
        "user": data.interactions.user,
        "label": data.interactions.item,
        "missingValues": list(data.missing_values),
        "users": list(pairs.users),
        "items": items,
        "counts": counts,
        "warnings": _warnings(pairs, shards),
        "versions": versions_of("numpy", "polars"),
        "files": {shard_name(split): write_shard(data_dir, split, shards[split]) for split in SPLITS},
    }


def _without_last(pairs: Pairs) -> Deal:
    """[pairs]: the split of each."""
    rows = np.arange(len(pairs.user))
    ends = np.flatnonzero(np.diff(pairs.user, append=-1))  # the last of each user
    starts = np.concatenate([[0], ends[:-1] + 1])
    ends = ends[ends - starts + 1 >= _FEWEST]
    dealt = np.full(len(rows), TRAIN, np.int8)
    dealt[ends], dealt[ends - 1] = TEST, VALIDATION
    return dealt


def _coded(pairs: Pairs, dealt: Deal) -> tuple[list[str], Codes]:
    """The items of the training split, in order, and [pairs] the code of each one's item: 1 for the first of them."""
    known = np.unique(pairs.item[dealt == TRAIN])
    codes = np.full(len(pairs.items), UNKNOWN_ITEM, np.int64)
    codes[known] = np.arange(1, len(known) + 1)
    return [pairs.items[index] for index in known.tolist()], codes[pairs.item]


def _training(pairs: Pairs, codes: Codes, dealt: Deal) -> Shard:
    mine = dealt == TRAIN
    return Shard({"users": pairs.user[mine], "items": codes[mine]})


def _left_out(pairs: Pairs, codes: Codes, dealt: Deal) -> dict[str, Shard]:
    """Shards of validation and test. `seen`, [rows, items]: what the user turned to before, filled up with
    UNKNOWN_ITEM."""
    starts = np.searchsorted(pairs.user, np.arange(len(pairs.users)))
    found = {}
    for split, code in (("validation", VALIDATION), ("test", TEST)):
        rows = np.flatnonzero(dealt == code)
        before = rows - starts[pairs.user[rows]]
        seen = np.full((len(rows), int(before.max(initial=0))), UNKNOWN_ITEM, np.int32)
        for number, row in enumerate(rows.tolist()):
            seen[number, : before[number]] = codes[row - before[number] : row]
        found[split] = Shard({"users": pairs.user[rows], "items": codes[rows], "seen": seen})
    return found


def _warnings(pairs: Pairs, shards: dict[str, Shard]) -> list[str]:
    found = []
    for split in ("validation", "test"):
        unknown = int((shards[split].tensors["items"] == UNKNOWN_ITEM).sum())
        if unknown:
            found.append(
                f"{unknown:,} of {len(shards[split]):,} rows of the {split} split have an item that no training row "
                "has; none of them can be found"
            )
    few = len(pairs.users) - len(shards["test"])
    if few:
        found.append(f"{few:,} of {len(pairs.users):,} users have fewer than {_FEWEST} items, which are for training")
    return found


def _demand_enough(counts: dict[str, int], items: list[str], spec: TrainingJobSpec) -> None:
    demand_rows_for_ranks(counts["training"], spec)
    if not counts["test"]:
        raise BadData(
            f"data: no user has {_FEWEST} different items in the {counts['read']:,} rows, so nothing can be left out "
            "to test with; give more interactions"
        )
    if len(items) < 2:
        raise BadData("data: the training split has only one item, so there is nothing to choose; give more rows")
