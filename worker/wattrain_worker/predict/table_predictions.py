"""What a model predicts of the rows of a file."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from wattrain_api.data import ColumnSchema, Source
from wattrain_worker.data.columns import OF_MODEL, check_schema, shown
from wattrain_worker.data.features import Fitted, fitted_from_json
from wattrain_worker.data.labels import MISSING_LABEL, Labels, read_labels, read_numbers
from wattrain_worker.data.prepared_data import Label, label_scaling_of
from wattrain_worker.data.readers import read
from wattrain_worker.data.samples import as_rows, raw_features
from wattrain_worker.data.sources import fetched
from wattrain_worker.data.table import Table, listed
from wattrain_worker.errors import BadData
from wattrain_worker.predict.predictions import UNKNOWN, Known, Predictions, asked
from wattrain_worker.train.exported import ExportedModel

_TYPES: Final[dict[str, Literal["boolean", "string", "date", "float"]]] = {
    "boolean": "boolean",
    "text": "string",
    "date": "date",
    "number": "float",
}
"""What to read each of prepare.json's types of columns as."""


def predict_rows(model: ExportedModel, source: Source) -> Predictions:
    """Predict every row of `source`, read and checked as for a training.

    BadData at a value that cannot be used. A row that lacks one is refused where the training refused such rows, and
    has no prediction where the training dropped them.
    """
    document, fitted = model.document, fitted_from_json(model.document)
    table = read(fetched(source), tuple(document["missingValues"]))
    schemas = {
        name: ColumnSchema(type=_TYPES[kind])
        for name, kind in zip(document["columns"], document["columnTypes"], strict=True)
    }
    columns = raw_features(table, tuple(schemas), schemas, OF_MODEL)
    raw, texts = as_rows([numbers.values for numbers in columns]), tuple(numbers.texts for numbers in columns)
    features = fitted.apply(raw, texts)
    lacking = np.isnan(raw).any(axis=1) if fitted.policy in ("drop", "fail") else np.isnan(features).any(axis=1)
    whole = np.asarray(~lacking)
    notes = _about_gaps(model, fitted, table, raw, whole)
    notes += _about_texts(model, table, fitted.unseen(raw, texts) & whole[:, np.newaxis])
    _demand_float32(table, model, fitted, raw, features)
    labels = _labels(model, table)
    answers = asked(model, features, whole, None if labels is None else _known(model, labels))
    if labels is not None:
        notes += _about_labels(model, labels, table)
    return Predictions(
        place_word=table.place_word,
        places=tuple(table.places.tolist()),
        predicted=answers.predicted,
        labels=None if labels is None else _written(labels),
        metrics=answers.metrics,
        notes=tuple(notes),
        classes=model.written,
        probabilities=answers.probabilities,
    )


def _written(labels: Labels) -> tuple[str | float | None, ...]:
    """Labels of a file as it writes them; None where there is none."""
    if labels.numbers is not None:
        return tuple(None if number != number else number for number in labels.numbers.tolist())
    return tuple(None if code < 0 else labels.written[code] for code in labels.codes.tolist())


def _known(model: ExportedModel, labels: Labels) -> Known:
    if labels.numbers is None:
        codes = _codes(model, labels)
        return Known(codes, codes != MISSING_LABEL, codes >= 0)
    mean, scale = label_scaling_of(model.document)
    there = ~np.isnan(labels.numbers)
    return Known(((labels.numbers - mean) / scale).astype(np.float32), there, there)


def _labels(model: ExportedModel, table: Table) -> Labels | None:
    """The label column, read as the training read it; None where the file has none."""
    name = model.document["label"]
    if name not in (*table.frame.columns, *table.index.columns):
        return None
    if model.task == "regression":
        return read_numbers(table, name, None)
    kinds = {type(known) for known in model.classes}
    if kinds == {bool}:
        schema = ColumnSchema(type="boolean")
        check_schema(table, name, schema)
        return read_labels(table, name, schema)
    return read_labels(table, name, ColumnSchema(type="string") if kinds == {str} else None)


def _codes(model: ExportedModel, labels: Labels) -> npt.NDArray[np.int64]:
    """[rows]: the model's code of each label, MISSING_LABEL, or UNKNOWN."""
    known: dict[tuple[type, Label], int] = {(type(each), each): code for code, each in enumerate(model.classes)}
    written = {each: code for code, each in enumerate(model.written)}
    of_file = [
        known.get((type(each), each), written.get(text, UNKNOWN))
        for each, text in zip(labels.classes, labels.written, strict=True)
    ]
    return np.array([*of_file, MISSING_LABEL], np.int64)[labels.codes]  # MISSING_LABEL is -1, the last


def _about_labels(model: ExportedModel, labels: Labels, table: Table) -> list[str]:
    if labels.numbers is not None:
        missing = int(np.isnan(labels.numbers).sum())
        return [f"{missing:,} rows have no label, and do not count"] if missing else []
    name, codes = model.document["label"], _codes(model, labels)
    unknown = sorted({labels.written[code] for code in labels.codes[codes == UNKNOWN].tolist()})
    if unknown and not (codes >= 0).any():
        row = int((codes == UNKNOWN).argmax())
        raise BadData(
            f'data: column "{name}", {table.place(row)}: "{labels.written[labels.codes[row]]}" is no class of the '
            f"model, and neither is any other label; classes are {listed(list(model.written))}; correct the column, or "
            "remove it"
        )
    notes = []
    if unknown:
        rows = int((codes == UNKNOWN).sum())
        notes.append(f"labels of {rows:,} rows are no classes of the model, and count as wrong: {listed(unknown)}")
    if missing := int((codes == MISSING_LABEL).sum()):
        notes.append(f"{missing:,} rows have no label, and do not count")
    return notes


def _about_gaps(
    model: ExportedModel,
    fitted: Fitted,
    table: Table,
    raw: npt.NDArray[np.float64],
    whole: npt.NDArray[np.bool_],
) -> list[str]:
    rows = np.flatnonzero(~whole)
    if not len(rows):
        return []
    row = int(rows[0])
    name = model.document["columns"][int(np.isnan(raw[row]).argmax())]
    if fitted.policy == "fail":
        raise BadData(
            f'data: column "{name}", {table.place(row)}: no value, which the training refused as well; give the value, '
            "or train with spec.data.clean.missing: mean"
        )
    return [
        f"{len(rows):,} rows lack a value, the first in column {name!r}, {table.place(row)}, and have no prediction: "
        "the training dropped such rows; train with spec.data.clean.missing: mean to have them predicted"
    ]


def _about_texts(model: ExportedModel, table: Table, unseen: npt.NDArray[np.bool_]) -> list[str]:
    """A note on each column with texts that the training split did not have."""
    notes = []
    for number in np.flatnonzero(unseen.any(axis=0)).tolist():
        name, rows = model.document["columns"][number], np.flatnonzero(unseen[:, number])
        first = shown(table.column(name, OF_MODEL)[int(rows[0])])
        notes.append(
            f"{len(rows):,} rows have a text in column {name!r} that the training rows had not, the first "
            f"{table.place(int(rows[0]))}: {first}"
        )
    return notes


def _demand_float32(
    table: Table,
    model: ExportedModel,
    fitted: Fitted,
    raw: npt.NDArray[np.float64],
    features: npt.NDArray[np.float32],
) -> None:
    beyond = np.argwhere(np.isinf(features))
    if len(beyond):
        row, column = int(beyond[0][0]), int(fitted.origins[beyond[0][1]])
        name = model.document["columns"][column]
        raise BadData(
            f'data: column "{name}", {table.place(row)}: {raw[row, column]:g} is too large for float32 '
            "after normalizing as in the training; correct the value"
        )
