"""`wattrain carbon`: series of carbon intensity for PowerDomains."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from wattrain_api.atomic_file import write_atomically
from wattrain_api.carbon_format import write_csv
from wattrain_api.carbon_sources import convert
from wattrain_operator.cli.refusal import say_no
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_FAILED

carbon = typer.Typer(
    name="carbon", help="Series of carbon intensity for PowerDomains.", no_args_is_help=True, rich_markup_mode=None
)


class Source(StrEnum):
    """Who has published the file."""

    ELECTRICITY_MAPS = "electricity-maps"
    WATTTIME = "watttime"


@carbon.callback()
def _root() -> None:
    pass


@carbon.command("convert")
def convert_file(
    file: Annotated[Path, typer.Argument(help="CSV file as it was downloaded.", show_default=False)],
    publisher: Annotated[Source, typer.Option("--from", help="Who has published it.", show_default=False)],
    zone: Annotated[str, typer.Option(help="Name of its zone, where the file has none.", show_default=False)] = "",
    to: Annotated[
        Path | None, typer.Option(help="File to write. Default: standard output.", show_default=False)
    ] = None,
) -> None:
    """Write a CSV file of Electricity Maps or WattTime as one that spec.carbon of a PowerDomain takes.

    That of Electricity Maps is average, life cycle; that of WattTime marginal, which only chooses times and counts
    nothing. Exit code: 0, 1 failed, 2 bad input.
    """
    try:
        series = convert(file.read_text(encoding="utf-8"), publisher.value, zone)
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {(error.strerror or str(error)).lower()}" if isinstance(error, OSError) else error
        say_no([f"{file}: {reason}"], EXIT_BAD_INPUT, as_json=False)
        raise typer.Exit(EXIT_BAD_INPUT) from None
    text = write_csv(series)
    if to is None:
        typer.echo(text, nl=False)
        return
    try:
        write_atomically(to, text.encode())
    except OSError as error:
        say_no([f"{to}: cannot be written: {(error.strerror or str(error)).lower()}"], EXIT_FAILED, as_json=False)
        raise typer.Exit(EXIT_FAILED) from None
    typer.echo(
        f"{to}: {len(series.intervals):,} intensities, {series.basis.lower()}, of zone {series.zone or 'unnamed'}"
    )
