"""Whether a label is a class or a number: as the spec says, as the recipe does, or as the values show."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import polars as pl

from wattrain_api.data import ColumnSchema, Data
from wattrain_api.recipe_parameters import ClassifierParameters, RecipeParameters, TaskKind
from wattrain_worker.data.columns import LABEL
from wattrain_worker.data.table import Table
from wattrain_worker.data.words import as_floats, is_missing, is_truths, stripped
from wattrain_worker.errors import BadSpec

MOST_CLASSES: Final = 50
"""More different whole numbers than this are taken for numbers: an age or a count rather than a class."""

_WHOLE: Final = r"^(0|-?[1-9][0-9]*)([.]0+)?$"
"""A whole number as programs write it, also those that write all numbers with a point: 151.0."""


class Task(NamedTuple):
    """What is predicted, and why this was chosen."""

    kind: TaskKind
    why: str


def choose_task(table: Table, label: str, data: Data, recipe: str, params: RecipeParameters | None) -> Task:
    """The task of `label` with the recipe called `recipe`. BadSpec where that does not do what `data` asks for."""
    tasks = params.TASKS if params is not None else ()
    if data.task is not None:
        if tasks and data.task not in tasks:
            raise BadSpec(
                f"spec.data.task: {data.task}, but the recipe {recipe} does {tasks[0]} alone; choose another recipe, "
                "or leave spec.data.task out"
            )
        task = Task(data.task, "spec.data.task says so")
    elif len(tasks) == 1:
        task = Task(tasks[0], f"the recipe {recipe} does nothing else")
    elif isinstance(params, ClassifierParameters) and params.classes is not None:
        task = Task("classification", "spec.recipe.params.classes is given")
    else:
        task = _by_label(table.column(label, LABEL), table.missing_values, data.column_schema.get(label))
    if task.kind == "regression":
        _demand_no_classes(data, params)
    return task


def _by_label(series: pl.Series, words: tuple[str, ...], schema: ColumnSchema | None) -> Task:
    if schema is not None and schema.type in ("boolean", "string", "date"):
        return Task("classification", f"spec.data.schema says that its type is {schema.type}")
    if is_truths(series, words):
        return Task("classification", "its values are true and false")
    present = series.filter(pl.Series(~is_missing(series, words)))
    values = as_floats(present) if series.dtype == pl.String or series.dtype.is_numeric() else np.array([np.nan])
    if np.isnan(values).any():
        return Task("classification", "its values are no numbers")
    if (values != np.floor(values)).any():
        return Task("regression", "its values are numbers with fractions")
    if series.dtype == pl.String and not stripped(present).str.contains(_WHOLE).all():
        return Task("classification", "its values are texts such as 007 or 1E2")
    different = len(np.unique(values))
    many = different > MOST_CLASSES
    which = f"more than {MOST_CLASSES}" if many else f"{different}"
    return Task("regression" if many else "classification", f"it has {which} different whole numbers")


def _demand_no_classes(data: Data, params: RecipeParameters | None) -> None:
    """BadSpec for what needs classes, which a regression has not."""
    other = "or spec.data.task to classification"
    if data.split.method == "stratified":
        raise BadSpec(
            f"spec.data.split.method: stratified needs classes, and this is a regression; set it to hash, {other}"
        )
    if data.clean.label_issues != "off":
        raise BadSpec(
            f"spec.data.clean.labelIssues: report needs classes, and this is a regression; set it to off, {other}"
        )
    if isinstance(params, ClassifierParameters) and params.classes is not None:
        raise BadSpec(f"spec.recipe.params.classes: {params.classes}, but this is a regression; leave it out, {other}")
