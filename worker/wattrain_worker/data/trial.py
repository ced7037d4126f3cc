"""Proposals of `wattrain init`, prepared as the job's training prepares them, in a directory that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from wattrain_api.data import Data
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.preparer import Document
from wattrain_worker.errors import BadData

_SHARES: Final = ((0.8, 0.1, 0.1), (0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.7, 0.3, 0.0), (1.0, 0.0, 0.0))
"""Of training, validation and test: the later ones are for data with so few samples that a split would be empty."""
SAMPLES_FOR_DEFAULT_SHARES: Final = 500


def with_shares(data: Data, samples: int) -> Iterator[Data]:
    """`data` with shares of the splits, the best ones first."""
    for train, validation, test in _SHARES if samples < SAMPLES_FOR_DEFAULT_SHARES else _SHARES[:1]:
        shares = {"train": train, "validation": validation, "test": test}
        yield data.model_copy(update={"split": data.split.model_copy(update=shares)})


def tried(proposals: Iterable[Data], recipe: str) -> tuple[Data, Document]:
    """The first of `proposals` whose preparation is not refused, and its prepare.json. The last refusal where all are
    refused."""
    refusal: BadData | None = None
    for proposal in proposals:
        try:
            return proposal, _prepared(proposal, recipe)
        except BadData as error:
            refusal = error
    assert refusal is not None  # there is one proposal at least
    raise refusal


def _prepared(data: Data, recipe: str) -> Document:
    spec = TrainingJobSpec.model_validate(
        {"recipe": {"name": recipe}, "data": data.to_json_object(), "training": {"epochs": 1}}
    )
    with tempfile.TemporaryDirectory(prefix="wattrain-init-") as directory:
        return prepare(spec, Path(directory)).document
