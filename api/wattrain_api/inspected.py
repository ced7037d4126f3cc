"""What a look at data came to, and what it proposes: the worker's answer to `wattrain init`."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from wattrain_api.base import Model
from wattrain_api.data import Data
from wattrain_api.recipe_parameters import TaskKind
from wattrain_api.registered import GptRecipe, ResnetRecipe

LABEL_NAMES: Final = ("label", "target", "class", "y")
"""Columns that are taken for the label by their name, in this order, in upper or lower case."""


class SeenColumn(Model):
    """A column of the table that is not the label."""

    name: str
    kind: Literal["number", "boolean", "date", "text", "other"]
    """What a training takes it for; `other`: nothing."""
    missing: int
    """Rows that lack it."""
    different: int
    """Different values, the missing one not counted."""
    left_out: str = ""
    """Why it is no feature; empty: it is one."""


class SeenClass(Model):
    """A class of the label."""

    name: str
    """As the file writes it."""
    rows: int
    """In all splits together."""


class Inspected(Model):
    """A table, and the data of a job that trains on it: the proposal has been prepared, and not refused."""

    rows: int
    label: str
    label_why: str
    """Why this column was taken for the label; empty: the user named it."""
    label_missing: int
    """Rows without a label, which are not used."""
    columns: tuple[SeenColumn, ...]
    """All but the label, in the order of the file."""
    task: TaskKind
    task_why: str
    classes: tuple[SeenClass, ...]
    """None in a regression."""
    data: Data
    """The proposal."""
    training_rows: int
    validation_rows: int
    test_rows: int
    fewest_in_training: int
    """Training rows of the rarest class; 0 in a regression."""
    most_in_training: int
    """Training rows of the most frequent class; 0 in a regression."""
    words_for_missing: tuple[str, ...]
    """Words of the file that the proposal takes for no value, besides those that every training does."""
    warnings: tuple[str, ...]
    """What the preparation warned of, a sentence each."""


class FolderNames(Model):
    """What is in a folder at an address."""

    names: tuple[str, ...]
    """Of its files, with `/` between folders."""


class InspectedFolder(Model):
    """Pictures or texts, and the recipe and the data of a job that trains on them."""

    recipe: Annotated[ResnetRecipe | GptRecipe, Field(discriminator="name")]
    """The proposal: `resnet` for pictures, `gpt` for texts."""
    data: Data
    """The proposal."""
    found: int
    """Pictures or documents."""
    classes: tuple[SeenClass, ...] = ()
    """Of pictures, with their number as rows."""
    shorter_sides: tuple[int, int, int] = (0, 0, 0)
    """Of the pictures that were decoded, in pixels: the least, the median and the largest one. Of texts 0."""
    looked_at: int = 0
    """Pictures that were decoded, or that it was tried with."""
    unreadable: int = 0
    """How many of these could not be decoded."""
    text_bytes: int = 0
    """Of all documents, in UTF-8."""
    training: int
    """Samples of the training split: pictures, or windows of tokens."""
    validation: int
    test: int
    warnings: tuple[str, ...] = ()
    """What the preparation warned of, a sentence each."""
