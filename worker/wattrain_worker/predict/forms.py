"""Predictions as text for people, as CSV and as JSON for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from typing import Final, TextIO

from wattrain_worker.predict.predictions import Predictions


def write_text(found: Predictions, out: TextIO, err: TextIO) -> None:
    """A class or number a line, as the training's file writes it, and an empty line where there is none; then the
    metrics."""
    out.writelines(f"{'' if answer is None else answer}\n" for answer in found.predicted)
    out.writelines(f"{line}\n" for line in _metrics(found))
    _write_notes(found, err)


def write_csv(found: Predictions, out: TextIO, err: TextIO) -> None:
    """A header, and a row a row: its line, row or file, the prediction, and the label where there is one. The metrics
    go to `err`."""
    table = csv.writer(out, lineterminator="\n")
    if found.labels is None:
        table.writerow((found.place_word, "prediction"))
        table.writerows(zip(found.places, found.predicted, strict=True))
    else:
        table.writerow((found.place_word, "prediction", "label"))
        table.writerows(zip(found.places, found.predicted, found.labels, strict=True))
    err.writelines(f"{line}\n" for line in _metrics(found))
    _write_notes(found, err)


def write_json(found: Predictions, out: TextIO, err: TextIO) -> None:
    """One object: `predictions` (each with its `line`, `row` or `file`, its `prediction`, null: none, and its `label`
    where there are labels), `metrics` by name, and `notes`."""
    rows: list[dict[str, object]] = [
        {found.place_word: place, "prediction": answer}
        for place, answer in zip(found.places, found.predicted, strict=True)
    ]
    for row, label in zip(rows, found.labels or (), strict=False):
        row["label"] = label
    document = {"predictions": rows, "metrics": found.metrics, "notes": list(found.notes)}
    out.write(json.dumps(document, ensure_ascii=False) + "\n")


Write = Callable[[Predictions, TextIO, TextIO], None]
WRITERS: Final[dict[str, Write]] = {"text": write_text, "json": write_json, "csv": write_csv}


def _metrics(found: Predictions) -> list[str]:
    """The metrics for people, in the recipe's order: errors to five digits; others, whose best is 1, to four places."""
    forms = {name: ".5g" if name in ("mse", "mae", "perplexity") else ".4f" for name in found.metrics}
    return [f"{name} {found.metrics[name]:{form}}" for name, form in forms.items()]


def _write_notes(found: Predictions, err: TextIO) -> None:
    err.writelines(f"note: {note}\n" for note in found.notes)
