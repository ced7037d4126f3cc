"""Commands that need what only the worker imports: they ask a process of it, and take its answer from its output."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import TypeVar

import typer

from wattrain_api.base import Model

_M = TypeVar("_M", bound=Model)


def ask_worker(module: str, arguments: Sequence[str], answer: type[_M]) -> _M:
    """What `python -m MODULE ARGUMENTS` answers. Where it fails it has said why on standard error, and the command ends
    with its exit code."""
    # -P: a module of the user's in the current directory must not stand in for one of the standard library.
    command = [sys.executable, "-P", "-m", module, *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise typer.Exit(done.returncode if done.returncode > 0 else 1)
    return answer.model_validate_json(done.stdout)
