"""`wattrain init`: a job for a table, or for a recipe."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from wattrain_api.atomic_file import write_atomically
from wattrain_api.data import Source
from wattrain_api.folder_files import folder_files
from wattrain_api.inspected import Inspected
from wattrain_api.local_path import local_path
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.table_folders import table_folder
from wattrain_operator.cli.starter_job import job_text
from wattrain_operator.cli.worker_answer import ask_worker
from wattrain_operator.local.preflight import missing_packages
from wattrain_operator.local.refused import EXIT_BAD_INPUT

_INSPECT = "wattrain_worker.data.inspection"
_DEFAULT_RECIPE = "mlp"
_STANDARD_OUTPUT = "-"


def init(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Path or address of a .csv, .jsonl, .npz or .parquet file, or of a folder that is one table, or "
            "`digits`; or the name of a recipe, for a job on data that Wattrain brings.",
            show_default=False,
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column to predict. Default: label, target, class or y, else the last.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[str, typer.Option(metavar="FILE", help="Where to write the job; -: standard output.")] = "job.yaml",
    force: Annotated[bool, typer.Option("--force", help="Replace the file where it is there already.")] = False,
) -> None:
    """Look at a file, and write a job that trains on it.

    Comments in the job say what was seen in the file, what was chosen and what may be changed. The proposal is prepared
    once for a try, so `wattrain validate` and `wattrain run` take it as it is.
    Exit code: 0 written, 1 failed, 2 bad input.
    """
    is_recipe = file in RECIPE_PARAMETERS and not Path(file).exists()
    recipe = file if is_recipe else _DEFAULT_RECIPE
    parameters = RECIPE_PARAMETERS[recipe]
    if out != _STANDARD_OUTPUT:
        _demand_place(Path(out), force=force)
    if parameters.SAMPLES != "table":
        _refuse(
            f"{file}: trains on samples of the kind {parameters.SAMPLES}, and init writes jobs for tables; start from "
            "the example of the recipe in examples/"
        )
    if missing := missing_packages():
        _refuse(missing)
    source = _source(file, is_recipe=is_recipe)
    asked = ["--source", json.dumps(source.to_json_object()), "--recipe", recipe]
    seen = ask_worker(_INSPECT, [*asked, *([] if label is None else [f"--label={label}"])], Inspected)
    text = job_text(file, recipe, parameters(), seen, "job.yaml" if out == _STANDARD_OUTPUT else out)
    if out == _STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        write_atomically(Path(out), text.encode())
    except OSError as error:
        _refuse(f"--out {out}: {error.strerror or error}; choose a directory that you may write to")
    for warning in seen.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{out}: a job that predicts {seen.label} ({seen.task}) from {file}; start it: wattrain run {out}")


def _source(file: str, *, is_recipe: bool) -> Source:
    if is_recipe or (file == "digits" and not Path(file).exists()):
        return Source(builtin="digits")
    try:
        file.encode()
        path = local_path(file)
    except UnicodeEncodeError:
        _refuse(f"{file!r}: a name that is not UTF-8, which a job cannot write; rename the file")
    except ValueError as error:
        _refuse(str(error))
    if path is not None and path.is_dir():
        _demand_table(file, path)
    if path is not None and not path.exists():
        _refuse(
            f"{file}: there is no such file, and no recipe of that name (there are {', '.join(RECIPE_PARAMETERS)}); "
            "give the path of a .csv, .jsonl, .npz or .parquet file"
        )
    try:
        return Source(uri=file)
    except ValueError:
        _refuse(f"{file[:60]!r}: is no address of a file; give a path of at most 2,048 characters")


def _demand_table(file: str, folder: Path) -> None:
    try:
        table_folder(name for name, _ in folder_files(folder))
    except ValueError as error:
        others = [f"{name} ({each.SAMPLES})" for name, each in RECIPE_PARAMETERS.items() if each.SAMPLES != "table"]
        _refuse(f"{file}: {error}; for other folders start from the examples of {', '.join(others)}")
    except OSError as error:
        _refuse(f"{error.filename}: cannot be read: {error.strerror}; change its permissions")


def _demand_place(out: Path, *, force: bool) -> None:
    """Before anything is looked at: whether the job may be written there."""
    if out.is_dir():
        _refuse(f"--out {out}: is a directory; give the path of a file")
    if out.exists() and not force:
        _refuse(f"--out {out}: is there already; choose another file with --out, or replace it with --force")
    if not out.parent.is_dir():
        _refuse(f"--out {out}: there is no directory {out.parent}; make it first")


def _refuse(line: str) -> NoReturn:
    typer.echo(f"error: {line}", err=True)
    raise typer.Exit(EXIT_BAD_INPUT)
