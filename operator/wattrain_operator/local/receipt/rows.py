"""The tables of a receipt as plain text, the same for Markdown and HTML."""

from __future__ import annotations

from typing import NamedTuple

from wattrain_api.status import Restart
from wattrain_operator.local.receipt import units
from wattrain_operator.local.receipt.contents import EnergyFacts, Receipt, TrainingFacts
from wattrain_operator.local.receipt.repeat import repeat_rows

Row = tuple[str, ...]
_COUNTS = {
    "read": "Read",
    "duplicates": "Duplicates removed",
    "missingDropped": "Removed for missing values",
    "outliersDropped": "Removed as outliers",
    "outliersClipped": "Clipped as outliers",
    "training": "For training",
    "validation": "For validation",
    "test": "For the test",
}
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
    paused = receipt.duration.paused_seconds
    pause = f", paused {units.seconds(paused)}" if paused else ""
    return f"{job.what}, {ranks}: {job.state} after {units.seconds(receipt.duration.active_seconds)}{pause}."


def _result(receipt: Receipt) -> Table:
    test, training = receipt.test, receipt.training
    rows: list[Row] = []
    if test is not None and test.accuracy is not None:
        rows.append(("Test accuracy", f"{100 * test.accuracy:.1f} %"))
    if test is not None and test.loss is not None:
        rows.append(("Test loss", units.number(test.loss)))
    if training is not None:
        rows += _training(training)
    if receipt.job.reason and receipt.job.state != "Complete":
        rows.append(("Why", f"{receipt.job.reason}: {receipt.job.message}"))
    return Table("Result", ("", ""), tuple(rows))


def _training(training: TrainingFacts) -> list[Row]:
    rows: list[Row] = []
    validation = training.validation
    if validation is not None and validation.accuracy is not None:
        rows.append(("Validation accuracy", f"{100 * validation.accuracy:.1f} %"))
    if validation is not None and validation.loss is not None:
        rows.append(("Validation loss", units.number(validation.loss)))
    if training.loss is not None:
        rows.append(("Last training loss", units.number(training.loss)))
    of_all = f" of {training.total_steps:,}" if training.total_steps else ""  # a script need not say how many
    rows.append(("Steps", f"{training.step:,}{of_all}"))
    if training.samples_per_second is not None:
        rows.append(("Samples per second", f"{training.samples_per_second:,.0f}"))
    return rows


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
    columns = ("When", "Why", "Rank", "Step", "Went on from", "Down", f"Energy lost, with the restart itself, {kind}")
    return Table(f"Restarts{of_all}", columns, tuple(_restart(r, receipt.energy) for r in receipt.restarts))


def _restart(restart: Restart, energy: EnergyFacts) -> Row:
    why = restart.reason if restart.exit_code is None else f"{restart.reason} (exit code {restart.exit_code})"
    return (
        f"{restart.time:%Y-%m-%d %H:%M:%S} UTC",
        f"{why}: {restart.last_line}" if restart.last_line else why,
        "" if restart.rank is None else str(restart.rank),
        f"{restart.step:,}",
        f"step {restart.resumed_from_step:,}",
        "" if restart.recovery_seconds is None else units.seconds(restart.recovery_seconds),
        _joules(energy, restart.joules_lost),
    )


def _data(receipt: Receipt) -> Table:
    """Where the rows came from and what became of them; counts of 0 say nothing and are left out."""
    data = receipt.data or {}
    source, counts = data.get("source"), data.get("counts")
    rows: list[Row] = []
    if isinstance(source, dict):
        rows.append(
            ("Source", str(source.get("name") or source.get("uri") or source.get("path") or source.get("kind")))
        )
    if isinstance(counts, dict):
        rows += [(_COUNTS.get(name, name), f"{n:,}") for name, n in _in_order(counts) if isinstance(n, int) and n]
    return Table("Data", ("", ""), tuple(rows))


def _in_order(counts: dict[str, object]) -> list[tuple[str, object]]:
    order = list(_COUNTS)
    return sorted(counts.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))


def _repeat(receipt: Receipt) -> Table:
    return Table("To repeat it", ("", ""), repeat_rows(receipt))
