"""How long and how data is trained on that nobody has described: rules by the number of samples. Pure.

On two cores the recipe `mlp` makes some hundred steps a second with batches of up to 1024 rows, so that 2000 steps take
seconds; a table with millions of rows takes minutes for its three epochs.
"""

from __future__ import annotations

from typing import NamedTuple

from wattrain_api.inspected import Inspected, InspectedFolder

_STEPS = 2000
_FEWEST_EPOCHS, _MOST_EPOCHS = 3, 100
_SMALLEST_BATCH, _LARGEST_BATCH = 16, 1024
_STEPS_AN_EPOCH = 16
_ROWS_TO_STOP_BY = 50
_IS_UNBALANCED = 5
_FEWEST_OF_A_CLASS = 5
_MOST_WEIGHTED_CLASSES = 100

RULE = (
    f"a batch is the largest power of two that makes {_STEPS_AN_EPOCH} steps an epoch at least, from {_SMALLEST_BATCH} "
    f"to {_LARGEST_BATCH:,}; epochs come to {_STEPS:,} steps, from {_FEWEST_EPOCHS} to {_MOST_EPOCHS} of them"
)


class StarterTraining(NamedTuple):
    """What of `spec.training` depends on the table."""

    epochs: int
    batch_size: int
    patience: int
    """Of early stopping; 0: there is none, for too few rows validate."""
    is_weighted: bool
    """Whether the loss of a sample counts by its class."""


def starter_training(seen: Inspected) -> StarterTraining:
    """The choice for the table `seen`."""
    rows = seen.training_rows
    wanted = min(max(rows // _STEPS_AN_EPOCH, _SMALLEST_BATCH), _LARGEST_BATCH)
    batch = 1 << (wanted.bit_length() - 1)
    steps = -(-rows // batch)
    epochs = min(max(round(_STEPS / steps), _FEWEST_EPOCHS), _MOST_EPOCHS)
    fewest, most = seen.fewest_in_training, seen.most_in_training
    is_unbalanced = fewest >= _FEWEST_OF_A_CLASS and most >= _IS_UNBALANCED * fewest
    return StarterTraining(
        epochs,
        batch,
        max(5, epochs // 10) if seen.validation_rows >= _ROWS_TO_STOP_BY else 0,
        is_unbalanced and len(seen.classes) <= _MOST_WEIGHTED_CLASSES,
    )


class FolderTraining(NamedTuple):
    """What of `spec.training` depends on the number of pictures or texts."""

    epochs: int
    batch_size: int
    rule: str
    """How they were chosen."""


_FOLDER_STEPS = 1000
_FOLDER_EPOCHS = (3, 30)
_FOLDER_BATCHES = (4, 64)
_FOLDER_STEPS_AN_EPOCH = 8


def folder_training(seen: InspectedFolder) -> FolderTraining:
    """The choice for the pictures or texts `seen`: fewer steps than for a table, for each takes much longer."""
    smallest, largest = _FOLDER_BATCHES
    fewest, most = _FOLDER_EPOCHS
    wanted = min(max(seen.training // _FOLDER_STEPS_AN_EPOCH, smallest), largest)
    batch = 1 << (wanted.bit_length() - 1)
    epochs = min(max(round(_FOLDER_STEPS / -(-seen.training // batch)), fewest), most)
    return FolderTraining(
        epochs,
        batch,
        f"a batch is the largest power of two that makes {_FOLDER_STEPS_AN_EPOCH} steps an epoch at least, from "
        f"{smallest} to {largest}; epochs come to {_FOLDER_STEPS:,} steps, from {fewest} to {most} of them",
    )
