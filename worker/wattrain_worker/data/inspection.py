"""The process behind `wattrain init`: looks at a table, proposes the data of a job, and tries it.

    python -m wattrain_worker.data.inspection --source '{"uri": "a.csv"}' --recipe mlp [--label COLUMN]

The proposal is prepared as the job's training prepares it, in a directory that is thrown away: what would be refused
there is not proposed.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from wattrain_api.data import DEFAULT_MISSING_VALUES, Clean, ColumnSchema, Data, Source, Split
from wattrain_api.inspected import LABEL_NAMES, Inspected, SeenClass
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_worker.data.column_choice import ReadColumn, read_columns, words_for_missing
from wattrain_worker.data.inspection_command import answered
from wattrain_worker.data.labels import MISSING_LABEL, Labels, read_labels, read_numbers
from wattrain_worker.data.readers import read
from wattrain_worker.data.sources import fetched
from wattrain_worker.data.table import Table
from wattrain_worker.data.task_choice import Task, choose_task
from wattrain_worker.data.trial import tried, with_shares
from wattrain_worker.errors import BadData

_OPTION: Final = "--label"
_FEW_ROWS: Final = 2000
_FEW_OF_A_CLASS: Final = 50
_MOST_FEATURES: Final = 4096


@dataclass(frozen=True)
class _Label:
    name: str
    why: str
    task: Task
    labels: Labels

    @property
    def class_rows(self) -> list[int]:
        """Rows by class; of a regression none."""
        present = self.labels.codes[self.labels.codes != MISSING_LABEL]
        return np.bincount(present, minlength=len(self.labels.classes)).tolist() if self.labels.classes else []


def inspect_table(source: Source, recipe: str, label: str | None) -> Inspected:
    """What is in `source`, and the data of a job that trains `recipe` on it. A WorkerError where there is none."""
    file = fetched(source)
    table = read(file, DEFAULT_MISSING_VALUES)
    name, why = _label_name(table, label)
    words = words_for_missing(table, name)
    table = replace(table, missing_values=(*DEFAULT_MISSING_VALUES, *words))
    chosen = _label(table, name, why, recipe)
    columns = read_columns(table, name)
    data = _proposal(source, table, chosen, columns, words)
    data, document = tried(with_shares(data, len(table.places)), recipe)
    trained_on = document.get("labelHistogram", {}).get("train") or [0]
    return Inspected(
        rows=len(table.places),
        label=name,
        label_why=why,
        label_missing=int((chosen.labels.codes == MISSING_LABEL).sum()),
        columns=tuple(column.seen for column in columns),
        task=chosen.task.kind,
        task_why=chosen.task.why,
        classes=tuple(
            SeenClass(name=written, rows=rows)
            for written, rows in zip(chosen.labels.written, chosen.class_rows, strict=True)
        ),
        data=data,
        training_rows=document["counts"]["training"],
        validation_rows=document["counts"]["validation"],
        test_rows=document["counts"]["test"],
        fewest_in_training=min(filter(None, trained_on), default=0),
        most_in_training=max(trained_on),
        words_for_missing=words,
        warnings=tuple(document["warnings"]),
    )


def _label_name(table: Table, wanted: str | None) -> tuple[str, str]:
    """The label, and why that; empty where the user named it."""
    if wanted is not None:
        return table.column(wanted, _OPTION).name, ""
    if table.default_label is not None:
        return table.default_label, "what such a file calls its label"
    names = table.frame.columns
    lower = [name.lower() for name in names]
    for known in LABEL_NAMES:
        if known in lower and not (known == "y" and "z" in lower):  # beside x and z it is a place, or a length
            return names[lower.index(known)], f"it is called {known}"
    return names[-1], "it is the last column, and none is called " + ", ".join(LABEL_NAMES)


def _label(table: Table, name: str, why: str, recipe: str) -> _Label:
    """BadData where no training could learn to tell it."""
    another = f"name another column with {_OPTION}" + (f" ({name} was taken: {why})" if why else "")
    task = choose_task(table, name, Data(source=Source(builtin="digits")), recipe, RECIPE_PARAMETERS[recipe]())
    try:
        labels = (read_numbers if task.kind == "regression" else read_labels)(table, name, None)
    except BadData as error:
        raise BadData(f"{error}; or {another}") from error
    found = _Label(name, why, task, labels)
    present = labels.codes[labels.codes != MISSING_LABEL]
    if not len(present):
        raise BadData(f'data: column "{name}" has no value in any of the {len(table.places)} rows; {another}')
    if (present == present[0]).all():
        raise BadData(f'data: column "{name}" has the same value in all {len(present)} rows; {another}')
    if labels.classes and 2 * len(labels.classes) > len(present) and len(labels.classes) > 2:
        raise BadData(
            f'data: column "{name}" has {len(labels.classes):,} classes in {len(present):,} rows, too few to learn a '
            f"class from; {another}"
        )
    return found


def _proposal(source: Source, table: Table, label: _Label, columns: list[ReadColumn], words: tuple[str, ...]) -> Data:
    features = [column.seen for column in columns if not column.seen.left_out]
    if not features:
        reasons = "; ".join(f"{each.seen.name}: {each.seen.left_out}" for each in columns[:5])
        raise BadData(
            f'data: no column is left to predict "{label.name}" from{f" ({reasons})" if reasons else ""}; give columns '
            f"of numbers, dates or categories, or name another label with {_OPTION}"
        )
    left_out = len(columns) - len(features)
    if left_out and len(features) > _MOST_FEATURES:
        raise BadData(
            f"data: {left_out} of {len(columns):,} columns cannot be features, and a job names at most "
            f"{_MOST_FEATURES:,} of the others; remove them from the file: "
            f"{', '.join(each.seen.name for each in columns if each.seen.left_out)[:200]}"
        )
    kinds = {"text": "string", "date": "date", "boolean": "boolean"}
    schema = {each.name: ColumnSchema(type=kinds[each.kind]) for each in features if each.kind in kinds}
    rarest = min(filter(None, label.class_rows), default=0)
    is_stratified = label.task.kind == "classification" and (len(table.places) < _FEW_ROWS or rarest < _FEW_OF_A_CLASS)
    return Data(
        source=source,
        label=label.name,
        features=tuple(each.name for each in features) if left_out else (),
        column_schema=schema if len(schema) <= _MOST_FEATURES else {},
        missing_values=(*DEFAULT_MISSING_VALUES, *words),
        clean=Clean(missing="indicator" if any(each.missing for each in features) else "drop"),
        split=Split(method="stratified" if is_stratified else "hash"),
    )


def main(arguments: list[str]) -> int:
    """Look, and answer."""
    parser = argparse.ArgumentParser(prog="python -m wattrain_worker.data.inspection")
    parser.add_argument("--source", required=True)
    parser.add_argument("--recipe", required=True)
    parser.add_argument(_OPTION)
    chosen = parser.parse_args(arguments)
    return answered(lambda source: inspect_table(source, chosen.recipe, chosen.label), chosen.source)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
