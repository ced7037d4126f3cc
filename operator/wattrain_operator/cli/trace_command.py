"""`wattrain trace`: traces of jobs for `wattrain simulate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wattrain_api.atomic_file import write_atomically
from wattrain_operator.cli.refusal import say_no
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_FAILED
from wattrain_operator.policies.job_trace import TraceError, to_line
from wattrain_operator.policies.published_traces import convert

trace = typer.Typer(
    name="trace", help="Traces of jobs for `wattrain simulate`.", no_args_is_help=True, rich_markup_mode=None
)


class Origin(StrEnum):
    """Whose trace it is."""

    PHILLY = "philly"
    HELIOS = "helios"
    ALIBABA_2020 = "alibaba-2020"
    ALIBABA_2023 = "alibaba-2023"


@trace.callback()
def _root() -> None:
    pass


@trace.command("convert")
def convert_trace(
    file: Annotated[Path, typer.Argument(help="File as it was published.", show_default=False)],
    publisher: Annotated[Origin, typer.Option("--from", help="Whose trace it is.", show_default=False)],
    watts_per_gpu: Annotated[
        float,
        typer.Option(min=0.1, help="What a GPU draws, with its share of the machine: no such trace says it.",
                     show_default=False),
    ],
    deadline_hours: Annotated[
        float | None,
        typer.Option(min=0.0, help="Hours after its submission by which a job must have ended. Default: none must.",
                     show_default=False),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="File to write. Default: standard output.", show_default=False)
    ] = None,
) -> None:  # fmt: skip
    """Write a published trace of a GPU cluster as one that `wattrain simulate` takes.

    philly: cluster_job_log. helios: cluster_log.csv. alibaba-2020: pai_task_table.csv. alibaba-2023:
    openb_pod_list_default.csv. Jobs without a GPU, and those that never ran or have no end, are left out and counted.
    Exit code: 0, 1 failed, 2 bad input.
    """
    deadline = None if deadline_hours is None else deadline_hours * 3600
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            found = convert(lines, publisher.value, watts_per_gpu, deadline)
    except (OSError, UnicodeDecodeError, TraceError) as error:
        reason = f"cannot be read: {(error.strerror or str(error)).lower()}" if isinstance(error, OSError) else error
        say_no([f"{file}: {reason}"], EXIT_BAD_INPUT, as_json=False)
        raise typer.Exit(EXIT_BAD_INPUT) from None
    text = "".join(f"{to_line(job)}\n" for job in found.jobs)
    left_out = ", ".join(f"{count:,} {why.value}" for why, count in found.left_out.items())
    if to is None:
        typer.echo(text, nl=False)
    else:
        try:
            write_atomically(to, text.encode())
        except OSError as error:
            say_no([f"{to}: cannot be written: {(error.strerror or str(error)).lower()}"], EXIT_FAILED, as_json=False)
            raise typer.Exit(EXIT_FAILED) from None
    typer.echo(f"{to or file}: {len(found.jobs):,} jobs; left out: {left_out or 'none'}", err=to is None)
