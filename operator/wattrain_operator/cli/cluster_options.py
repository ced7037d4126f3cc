"""The options that all commands for a cluster share, and how such a command ends."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

import typer

from wattrain_api.load import InvalidInput
from wattrain_operator.cli.completion import complete_context, complete_job
from wattrain_operator.cli.refusal import crash, say_no
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_COMPLETE, EXIT_FAILED, EXIT_INTERRUPTED, Refused

if TYPE_CHECKING:
    from wattrain_operator.remote.connection import Connection, Place

_T = TypeVar("_T")
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")


class ReceiptForm(StrEnum):
    """How a receipt is written."""

    MD = "md"
    JSON = "json"
    HTML = "html"


class Told(StrEnum):
    """How a command says what it did."""

    PLAIN = "plain"
    JSON = "json"
    NAME = "name"


Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="Namespace of the job. Default: the context's.", show_default=False)
]
Context = Annotated[
    str,
    typer.Option(
        help="Context of the kubeconfig. Default: the current one.", show_default=False, autocompletion=complete_context
    ),
]
Kubeconfig = Annotated[
    str, typer.Option(help="Kubeconfig file. Default: $KUBECONFIG, else ~/.kube/config.", show_default=False)
]
ToldAs = Annotated[
    Told, typer.Option("--output", "-o", help="name: trainingjob.wattrain.dev/NAME, for other commands.")
]
JobName = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the job.", show_default=False, autocompletion=complete_job)
]
JobNames = Annotated[
    list[str],
    typer.Argument(metavar="NAME...", help="Names of the jobs.", show_default=False, autocompletion=complete_job),
]
Files = Annotated[list[Path], typer.Argument(help="YAML files with TrainingJobs.", show_default=False)]


def read_seconds(text: str) -> float:
    """`90`, `90s`, `10m` or `1h30m` in seconds."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise typer.BadParameter(f"{text!r} is no duration; write one such as 90s, 10m or 1h30m")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


Timeout = Annotated[
    float | None,
    typer.Option(
        parser=read_seconds, metavar="DURATION", help="Such as 90s, 10m, 1h30m. Default: no limit.", show_default=False
    ),
]


def place_of(namespace: str, context: str, kubeconfig: str) -> Place:
    """Where the options say that the command is to work."""
    from wattrain_operator.remote.connection import Place

    return Place(kubeconfig, context, namespace)


def or_refused(action: Callable[[], _T], *, as_json: bool) -> _T:
    """What `action` returns; or the end of the command, where it refuses the input or fails."""
    try:
        return action()
    except InvalidInput as error:
        code, lines = EXIT_BAD_INPUT, [str(problem) for problem in error.problems]
    except Refused as error:
        code, lines = error.exit_code, list(error.lines)
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_COMPLETE) from None
    except Exception as error:
        code, lines = EXIT_FAILED, [crash(error)]
    say_no(lines, code, as_json=as_json)
    raise typer.Exit(code)


def in_cluster(
    place: Place, action: Callable[[Connection], Coroutine[Any, Any, int]], *, as_json: bool, interrupted: str
) -> NoReturn:
    """Do `action`, whose result is the exit code, and end. `as_json`: a refusal is told to programs too. `interrupted`:
    what Ctrl-C means for the job."""
    from wattrain_operator.remote.connection import connected

    async def act() -> int:
        async with connected(place) as connection:
            return await action(connection)

    try:
        code = or_refused(lambda: asyncio.run(act()), as_json=as_json)
    except KeyboardInterrupt:
        if interrupted:
            typer.echo(interrupted, err=True)
        code = EXIT_INTERRUPTED
    raise typer.Exit(code)
