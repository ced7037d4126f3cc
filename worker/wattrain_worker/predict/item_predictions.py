"""What a recommender recommends to the users of a file."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from wattrain_api.data import DEFAULT_MISSING_VALUES, Source
from wattrain_worker.data.columns import OF_MODEL
from wattrain_worker.data.readers import read
from wattrain_worker.data.sources import fetched
from wattrain_worker.data.table import listed
from wattrain_worker.data.words import is_missing, stripped
from wattrain_worker.predict.predictions import Predictions
from wattrain_worker.train.exported import ExportedModel

_BEST: Final = 10
_BETWEEN: Final = "\t"
"""Items may have blanks and commas in their names."""


def predict_items(model: ExportedModel, source: Source) -> Predictions:
    """For each user in `source`, in the order in which they come, the ten items with the highest scores, the best first
    and tabs between them. What the file says that a user turned to is not recommended, if it has the column of items.

    A user that the training has not seen has no prediction. BadData where the column of users is not there.
    """
    document, words = model.document, tuple(model.document.get("missingValues", DEFAULT_MISSING_VALUES))
    table = read(fetched(source), words)
    user = table.column(document["user"], OF_MODEL)
    there = ~is_missing(user, words)
    names = stripped(user.cast(pl.String)).filter(pl.Series(there))
    items = names.clear() if document["label"] not in table.frame.columns else table.column(document["label"], OF_MODEL)
    seen = stripped(items.cast(pl.String)).filter(pl.Series(there)) if len(items) else None
    turned_to: dict[str, set[str]] = {name: set() for name in names.to_list()}
    if seen is not None:
        for name, item in zip(names.to_list(), seen.to_list(), strict=True):
            turned_to[name].add(item)
    codes = {name: code for code, name in enumerate(document["users"])}
    known = [name for name in turned_to if name in codes]
    best = _best(model, [codes[name] for name in known], [turned_to[name] for name in known])
    of_user = dict(zip(known, best, strict=True))
    return Predictions(
        place_word="user",
        places=tuple(turned_to),
        predicted=tuple(of_user.get(name) for name in turned_to),
        labels=None,
        metrics={},
        notes=_notes([name for name in turned_to if name not in codes]),
    )


def _best(model: ExportedModel, users: list[int], seen: list[set[str]]) -> list[str]:
    if not users:
        return []
    codes = {item: code for code, item in enumerate(model.document["items"], 1)}
    rows = [sorted(codes[item] for item in items if item in codes) for items in seen]
    features: npt.NDArray[np.int64] = np.zeros((len(users), 1 + max(map(len, rows))), np.int64)
    features[:, 0] = users
    for number, row in enumerate(rows):
        features[number, 1 : 1 + len(row)] = row
    scores = model.outputs(features)[:, 1:]
    found = scores.topk(min(_BEST, scores.shape[1]))
    return [
        _BETWEEN.join(model.document["items"][item] for item in places[torch.isfinite(values)].tolist())
        for values, places in zip(found.values, found.indices, strict=True)
    ]


def _notes(unknown: list[str]) -> tuple[str, ...]:
    if not unknown:
        return ()
    return (f"users that the training has not seen have no prediction; there are {len(unknown):,}: {listed(unknown)}",)
