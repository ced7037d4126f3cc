"""The tables of a receipt as plain text, the same for Markdown and HTML."""

from __future__ import annotations

import json
from typing import NamedTuple

from wattrain_api.status import Restart
from wattrain_operator.local.receipt import units
from wattrain_operator.local.receipt.contents import EnergyFacts, Receipt

Row = tuple[str, ...]
_SOURCES = {"model": "modelled", "nvml": "measured (nvml)", "rapl": "measured (rapl), divided by CPU time"}


class Table(NamedTuple):
    """A title, the names of the columns, and the rows."""

    title: str
    columns: Row
    rows: tuple[Row, ...]


def tables(receipt: Receipt) -> tuple[Table, ...]:
    """All tables that have something to say, in the order of a page."""
    found = (_result(receipt), _cost(receipt), _energy(receipt), _restarts(receipt), _data(receipt), _repeat(receipt))
    return tuple(table for table in found if table.rows)


def summary(receipt: Receipt) -> str:
    """The job in one sentence."""
    job = receipt.job
    ranks = "1 rank" if job.ranks == 1 else f"{job.ranks} ranks"
    return f"{job.what}, {ranks}: {job.state} after {units.seconds(receipt.duration.seconds)}."


def _result(receipt: Receipt) -> Table:
    test, progress = receipt.test, receipt.status.get("progress", {})
    rows: list[Row] = []
    if test is not None and test.accuracy is not None:
        rows.append(("Test accuracy", f"{100 * test.accuracy:.1f} %"))
    if test is not None and test.loss is not None:
        rows.append(("Test loss", units.number(test.loss)))
    if progress.get("loss") is not None:
        rows.append(("Last training loss", units.number(progress["loss"])))
    if progress.get("step"):
        rows.append(("Steps", f"{progress['step']:,} of {progress.get('totalSteps', 0):,}"))
    if receipt.job.reason and receipt.job.state != "Complete":
        rows.append(("Why", f"{receipt.job.reason}: {receipt.job.message}"))
    return Table("Result", ("", ""), tuple(rows))


def _cost(receipt: Receipt) -> Table:
    energy, carbon, cost = receipt.energy, receipt.carbon, receipt.cost
    kind = units.provenance(energy.measured_ratio)
    rows = [("Energy", _joules(energy, energy.joules), kind)]
    if energy.pue != 1.0:
        rows.append(
            ("Energy with cooling and losses", _joules(energy, energy.facility_joules), f"{kind}; PUE {energy.pue:g}")
        )
    if energy.wasted_joules > 0:
        rows.append(("Of this lost in restarts", _joules(energy, energy.wasted_joules), kind))
    if energy.joules_per_sample is not None:
        rows.append(("Energy a sample", _joules(energy, energy.joules_per_sample), kind))
    if carbon is not None:
        source = f"{kind}; {carbon.basis}, {carbon.grams_per_kwh:g} g/kWh, zone {carbon.zone} ({carbon.source})"
        rows.append(("CO2 equivalent", units.grams(carbon.grams, carbon.low_grams, carbon.high_grams), source))
    if cost is not None:
        rows.append(("Cost of the energy", units.money(cost.amount, cost.currency, cost.low, cost.high), kind))
    return Table("What it cost", ("", "Amount (low to high)", "How it is known"), tuple(rows))


def _joules(energy: EnergyFacts, part: float) -> str:
    """A part of the energy, with its share of the range."""
    return units.joules(part, *energy.bounds(part))


def _energy(receipt: Receipt) -> Table:
    rows = [
        (
            meter.component,
            units.joules(meter.joules, meter.low_joules, meter.high_joules),
            _SOURCES.get(meter.source, meter.source),
        )
        for meter in receipt.energy.meters
    ]
    return Table("Energy by component", ("Component", "Energy (low to high)", "Source"), tuple(rows))


def _restarts(receipt: Receipt) -> Table:
    shown, kind = len(receipt.restarts), units.provenance(receipt.energy.measured_ratio)
    of_all = f", the last {shown} of {receipt.restart_count}" if shown < receipt.restart_count else ""
    columns = ("When", "Why", "Rank", "Step", "Went on from", f"Energy lost, {kind}")
    return Table(f"Restarts{of_all}", columns, tuple(_restart(r, receipt.energy) for r in receipt.restarts))


def _restart(restart: Restart, energy: EnergyFacts) -> Row:
    why = restart.reason if restart.exit_code is None else f"{restart.reason} (exit code {restart.exit_code})"
    return (
        f"{restart.time:%Y-%m-%d %H:%M:%S} UTC",
        f"{why}: {restart.last_line}" if restart.last_line else why,
        "" if restart.rank is None else str(restart.rank),
        f"{restart.step:,}",
        f"step {restart.resumed_from_step:,}",
        _joules(energy, restart.joules_lost),
    )


def _data(receipt: Receipt) -> Table:
    """The counts of prepare.json; what is nested is shown as it is."""
    shown = {k: v for k, v in (receipt.data or {}).items() if isinstance(v, int | str) or _is_counts(v)}
    rows = ((key, json.dumps(v)[1:-1].replace('"', "") if isinstance(v, dict) else str(v)) for key, v in shown.items())
    return Table("Data", ("", ""), tuple(rows))


def _is_counts(value: object) -> bool:
    return isinstance(value, dict) and 0 < len(value) <= 8 and all(isinstance(v, int) for v in value.values())


def _repeat(receipt: Receipt) -> Table:
    rows = [(name, version) for name, version in receipt.versions.items()]
    if receipt.seed is not None:
        rows.insert(0, ("seed", str(receipt.seed)))
    return Table("To repeat it", ("", ""), tuple(rows))
