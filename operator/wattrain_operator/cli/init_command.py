"""`wattrain init`: a job for a table, for pictures, for texts, or for a recipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from wattrain_api.atomic_file import write_atomically
from wattrain_api.data import Source
from wattrain_api.folder_files import folder_files
from wattrain_api.inspected import LABEL_NAMES, FolderNames, Inspected, InspectedFolder
from wattrain_api.local_path import local_path
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.table_folders import table_folder
from wattrain_operator.cli.starter_folder_job import folder_job_text
from wattrain_operator.cli.starter_job import job_text
from wattrain_operator.cli.worker_answer import ask_worker
from wattrain_operator.local.preflight import missing_packages
from wattrain_operator.local.refused import EXIT_BAD_INPUT

_INSPECT = "wattrain_worker.data.inspection"
_INSPECT_FOLDER = "wattrain_worker.data.folder_inspection"
_LIST_FOLDER = "wattrain_worker.data.address_listing"
_DEFAULT_RECIPE = "mlp"
_STANDARD_OUTPUT = "-"
_LINES = ".jsonl"
_NO_TABLES = (".txt", ".tar", ".tar.gz", ".tgz")
_OF_TABLE_FOLDERS = (".parquet", ".arrow")
_OF_TABLE_FILES = (".csv", ".jsonl", ".ndjson", ".npz", ".parquet")
_FEWEST_WORDS = 5


def init(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Path or address of a .csv, .jsonl, .npz or .parquet file, or of a folder that is one table, or "
            "`digits`; or of a folder or tar of pictures or of texts, or of a .txt file; or the name of a recipe, for "
            "a job on data that Wattrain brings.",
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
    """Look at a file or folder, and write a job that trains on it.

    Comments in the job say what was seen there, what was chosen and what may be changed. The proposal is prepared
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
            f"{file}: trains on samples of the kind {parameters.SAMPLES}, which Wattrain does not bring; give a "
            "folder of pictures or of texts, or start from the example of the recipe in examples/"
        )
    if missing := missing_packages():
        _refuse(missing)
    source = _source(file, is_recipe=is_recipe)
    written_to = "job.yaml" if out == _STANDARD_OUTPUT else out
    if source.builtin is None and not _is_table(file, source, label):
        if label is not None:
            _refuse(f"--label {label}: names a column of a table, and {file} is none; leave it out")
        folder = ask_worker(_INSPECT_FOLDER, ["--source", json.dumps(source.to_json_object())], InspectedFolder)
        text, warnings = folder_job_text(file, folder, written_to), folder.warnings
        what = f"tells {len(folder.classes):,} classes of pictures apart, by"
        what = what if folder.recipe.name == "resnet" else "predicts the next token of texts, trained on"
        _write(out, text, warnings, f"a job that {what} {file}")
        return
    asked = ["--source", json.dumps(source.to_json_object()), "--recipe", recipe]
    seen = ask_worker(_INSPECT, [*asked, *([] if label is None else [f"--label={label}"])], Inspected)
    text = job_text(file, recipe, parameters(), seen, written_to)
    _write(out, text, seen.warnings, f"a job that predicts {seen.label} ({seen.task}) from {file}")


def _write(out: str, text: str, warnings: tuple[str, ...], what: str) -> None:
    if out == _STANDARD_OUTPUT:
        sys.stdout.write(text)
        return
    try:
        write_atomically(Path(out), text.encode())
    except OSError as error:
        _refuse(f"--out {out}: {error.strerror or error}; choose a directory that you may write to")
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(f"{out}: {what}; start it: wattrain run {out}")


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
    if path is not None and not path.exists():
        _refuse(
            f"{file}: there is no such file, and no recipe of that name (there are {', '.join(RECIPE_PARAMETERS)}); "
            "give the path of a .csv, .jsonl, .npz or .parquet file, or of a folder of pictures or of texts"
        )
    try:
        return Source(uri=file)
    except ValueError:
        _refuse(f"{file[:60]!r}: is no address of a file; give a path of at most 2,048 characters")


def _is_table(file: str, source: Source, label: str | None) -> bool:
    """Whether it is looked at as a table: not where it is a folder, tar or file of pictures or texts."""
    path = local_path(file)
    if path is not None and path.is_dir():
        return _is_table_folder(file, path.name, _names_below(path))
    if path is None and file.endswith("/"):
        listed = ask_worker(_LIST_FOLDER, ["--source", json.dumps(source.to_json_object())], FolderNames)
        return _is_table_folder(file, file.rstrip("/"), listed.names)
    name = file.lower()
    if name.endswith(_LINES):
        return label is not None or path is None or not _has_texts(path)
    return not name.endswith(_NO_TABLES)


def _names_below(folder: Path) -> list[str]:
    try:
        return [name for name, _ in folder_files(folder)]
    except OSError as error:
        _refuse(f"{error.filename}: cannot be read: {error.strerror}; change its permissions")


def _is_table_folder(file: str, folder_name: str, names: Sequence[str]) -> bool:
    try:
        table_folder(names)
    except ValueError as error:
        if folder_name.lower().endswith(_OF_TABLE_FILES) or any(
            name.lower().endswith(_OF_TABLE_FOLDERS) for name in names
        ):
            _refuse(f"{file}: {error}")
        return False
    return True


def _has_texts(file: Path) -> bool:
    """Whether a line of a .jsonl file is a text to read: it has a `text` of some words, and no field that is named like
    a label."""
    try:
        with file.open("rb") as lines:
            line = json.loads(next((line for line in lines if line.strip()), b"null"))
    except (OSError, ValueError):
        return False  # whoever reads the table says what is wrong
    if not isinstance(line, dict) or not isinstance(line.get("text"), str):
        return False
    return len(line["text"].split()) >= _FEWEST_WORDS and not any(name.lower() in LABEL_NAMES for name in line)


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
