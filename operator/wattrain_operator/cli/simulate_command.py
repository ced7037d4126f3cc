"""`wattrain simulate`: what policies make of a trace of jobs under the cap of a power domain."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic.alias_generators import to_camel

from wattrain_api.carbon_format import read_series
from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.load import InvalidInput, load_files
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.support import unsupported_domain
from wattrain_operator.cli.refusal import say_no
from wattrain_operator.dashboard.shipped import drawing_code
from wattrain_operator.local.refused import EXIT_BAD_INPUT
from wattrain_operator.policies.compared_page import Compared, to_html
from wattrain_operator.policies.compared_rows import rows_of
from wattrain_operator.policies.comparing import Setting, simulate
from wattrain_operator.policies.job_trace import TraceError, TraceJob, read_trace
from wattrain_operator.policies.outcome import bound_of
from wattrain_operator.policies.registry import POLICIES, Policy


class Comparison(StrEnum):
    """How the policies are shown."""

    TABLE = "table"
    JSON = "json"
    HTML = "html"


def simulate_policies(
    trace: Annotated[Path, typer.Option(help="Jobs, one JSON object a line: docs/simulation.md.", show_default=False)],
    domain: Annotated[Path, typer.Option(help="YAML file with one PowerDomain.", show_default=False)],
    carbon: Annotated[
        Path | None, typer.Option(help="CSV file `time,gramsPerKWh`; it is what is forecast, too.", show_default=False)
    ] = None,
    policies: Annotated[
        list[str] | None,
        typer.Option("--policy", help=f"{', '.join(p.name for p in POLICIES)}; again for another. Default: all."),
    ] = None,
    start: Annotated[datetime, typer.Option(help="When the trace begins, in UTC, for tariff and carbon.")] = datetime(
        2026, 1, 1
    ),
    bound: Annotated[
        float, typer.Option(min=1.0, help="Jobs have an activeDeadlineSeconds of so many times their duration.")
    ] = 2.0,
    output: Annotated[
        Comparison, typer.Option(help="json: one object. html: a page with plots, in one file.")
    ] = Comparison.TABLE,
) -> None:
    """Compare policies on a trace of jobs, in virtual time, by the rules that a PowerDomain follows.

    Exit code: 0, 2 bad input.
    """
    chosen, jobs = _chosen(policies), _jobs(trace)
    named, series = _domain(domain), None if carbon is None else _series(carbon)
    spec = named.spec
    setting = Setting(spec, series, start.replace(tzinfo=UTC), bound)
    results = [simulate(jobs, policy, setting, time.perf_counter) for policy in chosen]
    outcomes = [outcome for outcome, _ in results]
    usable, currency = spec.usable_watts, "" if spec.tariff is None else spec.tariff.currency
    cap = inf if usable is None else usable
    least = bound_of(jobs, cap)
    if output is Comparison.JSON:
        told = {to_camel(name): value for name, value in asdict(least).items()}
        typer.echo(json.dumps({"bound": told, "policies": [outcome.to_json_object() for outcome in outcomes]}))
    elif output is Comparison.HTML:
        found = Compared(trace.name, named.metadata.name, jobs, results, least, cap, currency)
        typer.echo(to_html(found, drawing_code()), nl=False)
    else:
        for line in _table(rows_of(outcomes, least, len(jobs), currency)):
            typer.echo(line)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def _chosen(names: list[str] | None) -> list[Policy]:
    known = {policy.name: policy for policy in POLICIES}
    for name in names or ():
        if name not in known:
            _refuse(f"--policy: there is no {name!r}; write one of {', '.join(known)}")
    return [known[name] for name in names or known]


def _jobs(path: Path) -> list[TraceJob]:
    try:
        with path.open(encoding="utf-8") as lines:
            return read_trace(lines)
    except TraceError as error:
        _refuse(f"{path}: {error}")
    except (OSError, UnicodeDecodeError) as error:
        _refuse(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}; name a file of jobs")


def _domain(path: Path) -> PowerDomain:
    try:
        found = load_files([path], wanted="PowerDomain").domains
    except InvalidInput as error:
        _refuse(*(str(problem) for problem in error.problems))
    if len(found) != 1:
        _refuse(f"{path}: has {len(found)} PowerDomains; give a file with one")
    if gaps := unsupported_domain(found[0].spec):
        _refuse(*(f"{path}: {field}: {sentence}" for field, sentence in gaps))
    return found[0]


def _series(path: Path) -> CarbonSeries:
    try:
        return read_series(path.read_bytes(), "", "Average", str(path))
    except ValueError as error:
        _refuse(f"{path}: {error}")
    except OSError as error:
        _refuse(f"{path}: cannot be read: {error.strerror}; name a CSV file")


def _refuse(*lines: str) -> NoReturn:
    say_no(list(lines), EXIT_BAD_INPUT, as_json=False)
    raise typer.Exit(EXIT_BAD_INPUT)
