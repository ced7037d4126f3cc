"""How a command says no."""

from __future__ import annotations

import json
import tempfile
import traceback

import typer


def say_no(lines: list[str], exit_code: int, *, as_json: bool) -> None:
    """Each line on standard error; `as_json`: before them an object for programs on standard output."""
    if as_json:
        typer.echo(json.dumps({"type": "error", "lines": lines, "exitCode": exit_code}))
    for line in lines:
        typer.echo(f"error: {line}", err=True)


def crash(error: Exception) -> str:
    """Keep the traceback where somebody can find it, and say what happened in a line."""
    with tempfile.NamedTemporaryFile("w", prefix="wattrain-crash-", suffix=".log", delete=False) as file:
        file.write("".join(traceback.format_exception(error)))
    return f"unexpected {type(error).__name__}: {error}; the traceback is in {file.name}"
