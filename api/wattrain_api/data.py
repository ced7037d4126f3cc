"""`spec.data`: where the samples come from and how they are prepared."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wattrain_api.base import Model, Rule, exactly_one
from wattrain_api.claim_source import ClaimSource

Column = Annotated[str, Field(min_length=1, max_length=253)]

DEFAULT_MISSING_VALUES = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null")


Missing = Literal["drop", "mean", "indicator", "fail"]


class Source(Model):
    """Where the samples come from: exactly one of the three."""

    RULES: ClassVar = (exactly_one("builtin", "uri", "claim"),)

    builtin: Literal["digits"] | None = None
    """A data set that the worker brings: `digits` has 1,797 images of 8x8 pixels in ten classes."""
    uri: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """A path, or an address that fsspec understands (file, http, s3, gs, ...), of a .csv, .jsonl, .npz or .parquet
    file, or of a folder of Parquet files or one that save_to_disk of Hugging Face's datasets wrote; of pictures a
    folder that has a folder for each class, or a .tar, .tar.gz or .tgz of one. The address of a folder ends in /.
    Credentials of an address are variables of workers.env, such as AWS_ACCESS_KEY_ID; so is AWS_ENDPOINT_URL."""
    claim: ClaimSource | None = None
    """A file or folder on a PersistentVolumeClaim."""


class ColumnSchema(Model):
    """What must hold for every value of a column."""

    type: Literal["float", "integer", "string", "boolean", "date"] = "float"
    """Type of the column's values. As a feature, a column of type `string` is a category: each text of the training
    split is a column of 0 and 1 for the model. A `date` is one in ISO 8601, with a time or without, or the same
    with slashes, as in 2026/03/01. As a feature it is the number of days since 1970, in UTC where it names no zone,
    and, where they differ in the training split, the time of the day, the day of the week and the time of the year."""
    min: float | None = None
    """Smallest value that is allowed."""
    max: float | None = None
    """Largest value that is allowed."""
    nullable: bool = True
    """Whether values may be missing."""


class Outliers(Model):
    """Rows that lie far from the rest. Thresholds are fitted on the training split only."""

    method: Literal["none", "zscore", "mad", "iqr"] = "none"
    """`zscore`: distance from the mean in standard deviations; `mad`: from the median in scaled median absolute
    deviations; `iqr`: from the quartiles in interquartile ranges."""
    threshold: Annotated[float, Field(gt=0, le=1e6)] = 4.0
    """Distance from which a value counts as an outlier, in units of the method."""
    action: Literal["drop", "clip"] = "drop"
    """What happens in the training split; the other splits are always clipped, so that no sample is lost there."""


class Clean(Model):
    """What is removed or mended before the split."""

    drop_duplicates: bool = False
    """What a row is that repeats an earlier one in its features and its label. False: another sample, dealt on its own.
    True: the same sample once more, which is removed before the split; rows of equal features stay together."""
    outliers: Outliers = Outliers()
    """What to do with outliers."""
    missing: Missing = "drop"
    """Rows with missing values: drop them, fill in the training split's mean, do that and tell the model by a column of
    0 and 1 for each column that lacks values in the training split, or refuse the data. A missing text is not filled
    in: with `mean` and `indicator` it is a category of its own."""
    label_issues: Literal["off", "report"] = "off"
    """`report` counts training rows whose label a cross-validated linear model finds improbable. None is changed."""


class Split(Model):
    """How rows are dealt to training, validation and test."""

    RULES: ClassVar = (
        Rule(
            "self.train + self.validation + self.test > 0.999 && self.train + self.validation + self.test < 1.001",
            "train, validation and test must add up to 1",
            lambda s: abs(s.train + s.validation + s.test - 1) < 1e-3,
        ),
        Rule(
            "!(self.method in ['group', 'time']) || has(self.column)",
            "split by group or time needs column",
            lambda s: s.method not in ("group", "time") or s.column is not None,
        ),
    )

    method: Literal["hash", "stratified", "group", "time"] = "hash"
    """`hash`: by a hash of the row's features, so that appending rows moves none; `stratified`: the same shares in
    every class; `group`: rows with the same value of column stay together; `time`: in the order of column, oldest for
    training."""
    column: Column | None = None
    """Column for `group` and `time`."""
    train: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the rows for training."""
    validation: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the rows for validation while training."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the rows for the test at the end."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Another seed deals the rows differently."""


class Image(Model):
    """How pictures are prepared."""

    size: Annotated[int, Field(ge=32, le=1024)] = 64
    """Width and height of what a model sees, in pixels: the square in the middle of each picture, made smaller or
    larger."""
    max_corrupt: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the pictures that may be unreadable. They are left out and counted; one more ends the preparation."""


class Text(Model):
    """How texts become samples."""

    vocabulary_size: Annotated[int, Field(ge=300, le=65_535)] = 4096
    """Tokens that the tokenizer knows, at most. It is trained on the training split alone."""
    sequence_length: Annotated[int, Field(ge=8, le=4096)] = 128
    """Tokens that the model sees at once."""


class Interactions(Model):
    """Which columns of a table say who turned to what, and when."""

    user: Column = "user"
    """Column of the users, any names or numbers."""
    item: Column = "item"
    """Column of the items."""
    time: Column | None = None
    """Column of numbers or dates by which a user's interactions are ordered; without it the order of the file counts.
    The last one of each user is for the test, the one before for validation."""


class Data(Model):
    """Where the samples come from and how they are prepared."""

    source: Source
    """Where the samples come from."""
    label: Column | None = None
    """Column that is to be predicted; for builtin data it is known. Of texts the field of a .jsonl line that has the
    class; without it the class of a .txt file is its folder."""
    task: Literal["classification", "regression"] | None = None
    """`classification`: each value of the label is a class; `regression`: the label is a number. Default: what the
    recipe does, where it does one alone; else by the label: texts, truth values and at most 50 different whole numbers
    are classes, other numbers are predicted as numbers. prepare.json and the receipt say what was chosen and why."""
    features: Annotated[tuple[Column, ...], Field(max_length=4096)] = ()
    """Columns to predict from, numbers, truth values, dates or texts; empty: all but the label and split.column."""
    column_schema: Annotated[dict[Column, ColumnSchema], Field(alias="schema", max_length=4096)] = {}
    """What must hold, checked before anything else, by column."""
    missing_values: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=63)], ...], Field(max_length=64)] = (
        DEFAULT_MISSING_VALUES
    )
    """Words that stand for a missing value in every column, besides the empty one: in numbers, texts and labels alike.
    Words that are given replace these. `None` is none of them: many tables have a class of that name."""
    clean: Clean = Clean()
    """What is removed or mended."""
    split: Split = Split()
    """How rows are dealt to training, validation and test."""
    normalize: Literal["standard", "minmax", "none"] = "standard"
    """`standard`: zero mean and unit variance; `minmax`: to [0, 1]. Fitted on the training split only. In a regression
    it holds for the label as well: the loss is of the normalized label, metrics and predictions are in its own unit."""
    image: Image = Image()
    """How pictures are prepared; for recipes whose samples are pictures."""
    text: Text = Text()
    """How texts become samples, for a recipe that is trained on texts: their source is a .txt file, a .jsonl file, each
    line of which is an object with a field `text`, a folder or .tar of such files, or a folder that save_to_disk of
    Hugging Face's datasets wrote, with a column `text`."""
    interactions: Interactions = Interactions()
    """Which columns say who turned to what; for recipes whose samples are interactions."""
    engine: Literal["local", "dask"] = "local"
    """What prepares a table: one process, or Dask with a process for each CPU that the preparing worker may use. The
    shards are the same, byte for byte."""
