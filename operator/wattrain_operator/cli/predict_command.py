"""`wattrain predict`: becomes the worker's process that predicts, which alone imports torch."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from wattrain_operator.local.preflight import missing_packages
from wattrain_operator.local.refused import EXIT_BAD_INPUT

PREDICT = (sys.executable, "-P", "-m", "wattrain_worker.predict")
"""-P: a module of the user's in the current directory must not stand in for one of the standard library."""


class Form(StrEnum):
    """How predictions are written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"


class SplitName(StrEnum):
    """A part of the prepared data."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def predict(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="Directory of a run that is complete, or its model/; or the model.onnx in that, which ONNX Runtime "
            "then computes.",
            show_default=False,
        ),
    ],
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="What a training takes: path or address of a .csv, .jsonl, .npz or .parquet file or of a folder that "
            "is one table, or `digits`; for a model of pictures one picture, a folder or a tar; for one of texts a "
            ".txt or .jsonl file, a folder or a tar.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        SplitName | None,
        typer.Option(help="Instead of FILE: the rows of this split of the run's own data.", show_default=False),
    ] = None,
    output: Annotated[
        Form,
        typer.Option(
            help="text: a class or number a line, then the metrics. json: one object. csv: a table; metrics go to "
            "standard error."
        ),
    ] = Form.TEXT,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="How probable each class is by the model; in text form of its choice."),
    ] = False,
) -> None:
    """Predict the class, or the number, of every row of FILE with a model that `wattrain run` has trained, on the CPU.

    FILE is read, checked and transformed as the training's file was. Where it has the label, the metrics over its
    rows follow; those of --split test are the ones in the receipt. A row that lacks a value has no prediction where the
    training dropped such rows.
    Exit code: 0 predicted, 1 failed, 2 bad input.
    """
    if (file is None) == (split is None):
        _refuse("give either a FILE, or --split for rows of the run's own data")
    if missing := missing_packages():
        _refuse(missing)
    asked = f"--file={file}" if file is not None else f"--split={split}"
    options = [f"--output={output}", *(["--probabilities"] if probabilities else []), asked]
    command = [*PREDICT, *options, "--", str(model)]
    sys.stdout.flush()
    os.execv(command[0], command)


def _refuse(line: str) -> NoReturn:
    typer.echo(f"error: {line}", err=True)
    raise typer.Exit(EXIT_BAD_INPUT)
