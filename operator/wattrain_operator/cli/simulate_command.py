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
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.support import unsupported_domain
from wattrain_operator.cli.refusal import say_no
from wattrain_operator.local.refused import EXIT_BAD_INPUT
from wattrain_operator.policies.comparing import Setting, simulate
from wattrain_operator.policies.job_trace import TraceError, TraceJob, read_trace
from wattrain_operator.policies.outcome import Bound, Outcome, bound_of
from wattrain_operator.policies.registry import POLICIES, Policy


class Comparison(StrEnum):
    """How the policies are shown."""

    TABLE = "table"
    JSON = "json"


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
    output: Annotated[Comparison, typer.Option(help="json: one object.")] = Comparison.TABLE,
) -> None:
    """Compare policies on a trace of jobs, in virtual time, by the rules that a PowerDomain follows.

    Exit code: 0, 2 bad input.
    """
    chosen, jobs = _chosen(policies), _jobs(trace)
    spec, series = _domain(domain), None if carbon is None else _series(carbon)
    setting = Setting(spec, series, start.replace(tzinfo=UTC), bound)
    outcomes = [simulate(jobs, policy, setting, time.perf_counter)[0] for policy in chosen]
    least = bound_of(jobs, inf if spec.usable_watts is None else spec.usable_watts)
    if output is Comparison.JSON:
        told = {to_camel(name): value for name, value in asdict(least).items()}
        typer.echo(json.dumps({"bound": told, "policies": [outcome.to_json_object() for outcome in outcomes]}))
        return
    for line in _table(outcomes, least, len(jobs), spec):
        typer.echo(line)


def _table(outcomes: list[Outcome], least: Bound, jobs: int, spec: PowerDomainSpec) -> list[str]:
    currency = "" if spec.tariff is None else f"COST, {spec.tariff.currency}"
    head = ("POLICY", "JOBS", "MAKESPAN, H", "MEAN COMPLETION, H", "P95, H", "MEAN WAIT, H", "KWH", "KG CO2E", currency,
            "OVERSHOOT, W S", "LATE")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for each in outcomes:
        hours = (each.makespan_seconds, each.mean_completion_seconds, each.p95_completion_seconds,
                 each.mean_wait_seconds)  # fmt: skip
        cost = "" if each.cost is None else f"{each.cost:.2f}"
        rows.append((each.policy, str(each.jobs), *(f"{seconds / 3600:.2f}" for seconds in hours),
                     f"{each.energy_kwh:.1f}", f"{each.carbon_kg:.1f}", cost,
                     f"{each.cap_overshoot_watt_seconds:g}", str(each.deadlines_missed)))  # fmt: skip
    perfect = (least.makespan_seconds / 3600, least.mean_completion_seconds / 3600)
    rows.append(("(bound)", str(jobs), f"{perfect[0]:.2f}", f"{perfect[1]:.2f}", *[""] * 7))
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in kept]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in zip(*kept)]  # noqa: B905
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


def _domain(path: Path) -> PowerDomainSpec:
    try:
        found = load_files([path], wanted="PowerDomain").domains
    except InvalidInput as error:
        _refuse(*(str(problem) for problem in error.problems))
    if len(found) != 1:
        _refuse(f"{path}: has {len(found)} PowerDomains; give a file with one")
    if gaps := unsupported_domain(found[0].spec):
        _refuse(*(f"{path}: {field}: {sentence}" for field, sentence in gaps))
    return found[0].spec


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
