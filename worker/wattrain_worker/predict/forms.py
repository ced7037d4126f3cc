"""Predictions as text for people, as CSV and as JSON for programs."""

from __future__ import annotations

import csv
import json
from typing import Final, Protocol, TextIO

from wattrain_worker.predict.predictions import Predictions


def write_text(found: Predictions, out: TextIO, err: TextIO, *, probabilities: bool) -> None:
    """A class or number a line, as the training's file writes it, and an empty line where there is none; then the
    metrics. With `probabilities` that of the class follows it."""
    for row, answer in enumerate(found.predicted):
        sure = f" {found.probabilities[row].max():.6f}" if probabilities and found.probabilities is not None else ""
        out.write("\n" if answer is None else f"{answer}{sure}\n")
    out.writelines(f"{line}\n" for line in _metrics(found))
    _write_notes(found, err)


def write_csv(found: Predictions, out: TextIO, err: TextIO, *, probabilities: bool) -> None:
    """A header, and a row a row: its line, row or file, the prediction, the label where there is one, and with
    `probabilities` a column `p_...` for each class. The metrics go to `err`."""
    table = csv.writer(out, lineterminator="\n")
    header = [found.place_word, "prediction", *(["label"] if found.labels is not None else [])]
    table.writerow([*header, *([f"p_{name}" for name in found.classes] if probabilities else [])])
    for row, (place, answer) in enumerate(zip(found.places, found.predicted, strict=True)):
        label = [] if found.labels is None else [found.labels[row]]
        table.writerow([place, answer, *label, *(_cells(found, row) if probabilities else ())])
    err.writelines(f"{line}\n" for line in _metrics(found))
    _write_notes(found, err)


def write_json(found: Predictions, out: TextIO, err: TextIO, *, probabilities: bool) -> None:
    """One object: `predictions` (each with its `line`, `row` or `file`, its `prediction`, null: none, its `label`
    where there are labels, and with `probabilities` an object of these by class), `metrics` by name, and `notes`."""
    rows: list[dict[str, object]] = [
        {found.place_word: place, "prediction": answer}
        for place, answer in zip(found.places, found.predicted, strict=True)
    ]
    for row, label in zip(rows, found.labels or (), strict=False):
        row["label"] = label
    if probabilities:
        for number, row in enumerate(rows):
            known = _probabilities(found, number)
            row["probabilities"] = None if known is None else dict(zip(found.classes, known, strict=True))
    document = {"predictions": rows, "metrics": found.metrics, "notes": list(found.notes)}
    out.write(json.dumps(document, ensure_ascii=False) + "\n")


class Write(Protocol):
    """Writes predictions in one form, and to the second stream what is for a person beside it."""

    def __call__(self, found: Predictions, out: TextIO, err: TextIO, *, probabilities: bool) -> None:
        """`probabilities`: with those of the classes."""


WRITERS: Final[dict[str, Write]] = {"text": write_text, "json": write_json, "csv": write_csv}


def _probabilities(found: Predictions, row: int) -> list[float] | None:
    """[classes], to six places; None where nothing is predicted."""
    if found.probabilities is None or found.predicted[row] is None:
        return None
    return [round(value, 6) for value in found.probabilities[row].tolist()]


def _cells(found: Predictions, row: int) -> list[float] | list[str]:
    return _probabilities(found, row) or [""] * len(found.classes)


def _metrics(found: Predictions) -> list[str]:
    """The metrics for people, in the recipe's order: errors to five digits; others, whose best is 1, to four places."""
    forms = {name: ".5g" if name in ("mse", "mae", "perplexity") else ".4f" for name in found.metrics}
    return [f"{name} {found.metrics[name]:{form}}" for name, form in forms.items()]


def _write_notes(found: Predictions, err: TextIO) -> None:
    err.writelines(f"note: {note}\n" for note in found.notes)
