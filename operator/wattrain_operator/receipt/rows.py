"""The tables of a receipt as plain text, the same for Markdown and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wattrain_api.facts import units
from wattrain_api.facts.data_tables import classes_table, data_table
from wattrain_api.facts.metric_rows import metric_rows
from wattrain_api.facts.prepared import sample_nouns
from wattrain_api.facts.titled_rows import Row, Table
from wattrain_api.status import BudgetStatus, Cause, CleanHoursStatus, Restart, budget_unit
from wattrain_operator.receipt.contents import (
    CarbonFacts,
    CostFacts,
    EnergyFacts,
    RateFacts,
    Receipt,
    TrainingFacts,
)
from wattrain_operator.receipt.point_rows import best_point_table
from wattrain_operator.receipt.repeat import repeat_rows

_SOURCES = {"model": "modelled", "nvml": "measured (nvml)", "rapl": "measured (rapl), divided by CPU time"}


def tables(receipt: Receipt) -> tuple[Table, ...]:
    """All tables that have something to say, in the order of a page."""
    made = (
        _result,
        cost_table,
        _energy,
        _causes,
        best_point_table,
        _rates,
        _restarts,
        _damaged,
        _log,
        _data,
        _classes,
        _repeat,
        _not_known,
    )
    found = (make(receipt) for make in made)
    return tuple(table for table in found if table.rows)


def summary(receipt: Receipt) -> str:
    """The job in one sentence."""
    job = receipt.job
    ranks = "1 rank" if job.ranks == 1 else f"{job.ranks} ranks"
    paused = receipt.duration.paused_seconds
    pause = f", paused {units.seconds(paused)}" if paused else ""
    seconds = receipt.duration.active_seconds
    how_long = ", not finished" if seconds is None else f" after {units.seconds(seconds)}"
    return f"{job.what}, {ranks}: {job.state}{how_long}{pause}."


def _result(receipt: Receipt) -> Table:
    training = receipt.training
    rows: list[Row] = []
    rows += metric_rows("Test", receipt.test)
    if receipt.exported:
        rows.append(("Exported model", receipt.exported))
    if training is not None:
        rows += _training(training, receipt.data)
    if receipt.job.reason and receipt.job.state != "Complete":
        rows.append(("Why", f"{receipt.job.reason}: {receipt.job.message}"))
    return Table("Result", ("", ""), tuple(rows))


def _training(training: TrainingFacts, data: dict[str, Any] | None) -> list[Row]:
    rows: list[Row] = []
    rows += metric_rows("Validation", training.validation)
    if training.shown_loss is not None:
        rows.append(("Last training loss", units.number(training.shown_loss)))
    of_all = f" of {training.total_steps:,}" if training.total_steps else ""  # a script need not say how many
    rows.append(("Steps", f"{training.step:,}{of_all}"))
    if training.non_finite_steps:
        rows.append(("Steps without a finite loss and gradient", f"{training.non_finite_steps:,}, which left no trace"))
    if training.overflow_steps:
        rows.append(("Steps that overflowed in fp16", f"{training.overflow_steps:,}, which were left out"))
    if training.samples_per_second is not None:
        sample = sample_nouns(data)[1] if data else "samples"
        rows.append((f"{sample.capitalize()} per second", f"{training.samples_per_second:,.0f}"))
    if training.flops_per_second is not None:
        rows.append(("Operations per second", _operations(training)))
    if training.tuning:
        rows.append(("Chosen by measuring", training.tuning))
    return rows


def _operations(training: TrainingFacts) -> str:
    """`3.2e+10, 21 % of what its processors do at most (measured)`."""
    said = f"{training.flops_per_second:.2g}"
    if training.flops_utilization is None:
        return said
    return f"{said}, {_percent(training.flops_utilization)} of what its processors do at most ({training.peak_source})"


def cost_table(receipt: Receipt) -> Table:
    """What the energy was, what it stands for, and how far it is known."""
    energy, carbon = receipt.energy, receipt.carbon
    kind = energy.provenance
    rows: list[Row] = [("Energy", _joules(energy, energy.joules), kind)]
    if energy.pue != 1.0:
        rows.append(
            ("Energy with cooling and losses", _joules(energy, energy.facility_joules), f"{kind}; PUE {energy.pue:g}")
        )
    if energy.wasted_joules > 0:
        rows.append(("Of this lost in restarts", _joules(energy, energy.wasted_joules), kind))
    if not energy.waste_is_known:
        rows.append(("Of this lost in the last restart", "not known", "the script reported no step since"))
    if energy.joules_per_sample is not None:
        rows.append(("Energy a sample", _joules(energy, energy.joules_per_sample), kind))
    if carbon is not None:
        source = f"{kind}; {carbon.basis}, {_intensity(receipt, carbon)}"
        rows.append(("CO2 equivalent", units.grams(carbon.grams, carbon.low_grams, carbon.high_grams), source))
    if receipt.clean_hours is not None and receipt.clean_hours.compared_joules > 0:
        rows.append(_saved(receipt.clean_hours, receipt.energy))
    rows += [_cost_row(receipt, cost, kind) for cost in receipt.costs]
    if receipt.budget is not None:
        rows.append(_budget_row(receipt.budget, receipt.energy, receipt.cost))
    return Table("What it cost", ("", "Amount (low to high)", "How it is known"), tuple(rows))


def _intensity(receipt: Receipt, carbon: CarbonFacts) -> str:
    intensities = {rate.grams_per_kwh for rate in receipt.rates}
    if len(intensities) > 1 or None in intensities:
        return f"mean of {carbon.grams_per_kwh:.4g} g/kWh"
    return f"{carbon.grams_per_kwh:g} g/kWh, zone {carbon.zone} ({carbon.source})"


def _saved(hours: CleanHoursStatus, energy: EnergyFacts) -> Row:
    """What waiting for clean hours has saved, beside a start at once."""
    share = hours.compared_joules / energy.facility_joules if energy.facility_joules else 0.0
    of = "" if share > 0.999 else f"of {_percent(share)} of the energy, whose hours the series knows; "
    saved, waited = hours.at_once_grams - hours.grams, units.seconds(hours.held_seconds)
    known = (
        f"{hours.basis.lower()} intensity: {units.grams(hours.grams)} in place of {units.grams(hours.at_once_grams)}"
    )
    return "Saved by waiting for clean hours", units.grams(saved), f"{of}{known} of a start at once, {waited} earlier"


def _budget_row(budget: BudgetStatus, energy: EnergyFacts, cost: CostFacts | None) -> Row:
    unit = budget_unit(budget.limit_by, "" if cost is None else cost.currency)
    used = f"{100 * budget.used_ratio:.1f} % of {budget.limit:g}{unit}"
    return "Of its budget", used, f"{energy.provenance}; {budget.limit_by} is used most of its limits"


def _cost_row(receipt: Receipt, cost: CostFacts, kind: str) -> Row:
    """Of energy that was priced in part, it says how much of it that was, and from when on."""
    known = f"{kind}; "
    shares = [rate.share for rate in receipt.rates if rate.currency == cost.currency]
    if receipt.rates and len(shares) < len(receipt.rates):
        known += f"of {_percent(sum(shares))} of the energy"
        known += f", priced since {cost.since:%Y-%m-%d %H:%M:%S} UTC; " if cost.since else "; "
    spread = receipt.energy.spread_joules
    if spread:
        known += f"{units.joules(spread)} were used in gaps without reports and are spread evenly over their prices; "
    amount = units.money(cost.amount, cost.currency, cost.low, cost.high)
    return "Cost of the energy", amount, known.removesuffix("; ")


def _rates(receipt: Receipt) -> Table:
    """By share of the energy: what it was multiplied by."""
    rows: list[Row] = [
        (
            _percent(rate.share),
            "several" if rate.pue is None else f"{rate.pue:g}",
            "several" if rate.grams_per_kwh is None else f"{rate.grams_per_kwh:g}",
            rate.zone,
            _price(rate),
        )
        for rate in receipt.rates
    ]
    missing = 1 - sum(rate.share for rate in receipt.rates)
    if rows and missing > 1e-3:
        rows.append((_percent(missing), *["not recorded"] * 4))
    columns = ("Share of the energy", "PUE", "CO2 equivalent in g/kWh", "Zone", "Price per kWh")
    return Table("Prices and intensities", columns, tuple(rows))


def _price(rate: RateFacts) -> str:
    if rate.price_per_kwh is not None:
        return f"{rate.currency} {rate.price_per_kwh:g}"
    return "none" if rate.pue is not None else "several"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


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
    rows += [(gap.component, "not counted", gap.reason) for gap in receipt.energy.incomplete]
    return Table("Energy by component", ("Component", "Energy (low to high)", "Source"), tuple(rows))


_CAUSES: Final[Mapping[Cause, str]] = {
    "prepare": "Preparing the data", "start": "Starting", "restore": "Reading a checkpoint", "training": "Training",
    "data_wait": "Waiting for data", "slowest_rank": "Waiting for the slowest rank",
    "paused": "Pauses to draw less power", "evaluation": "Evaluation", "checkpoint": "Checkpoints", "export": "Export",
    "computed_again": "Steps that were computed again", "hang": "Hanging", "idle": "A place was held, and nothing ran",
    "queue": "Waiting for the power domain",
}  # fmt: skip


def _causes(receipt: Receipt) -> Table:
    """What time and energy went to, the most energy first."""
    energy = receipt.energy
    found = sorted(energy.causes, key=lambda totals: (-totals.joules, -totals.seconds))
    rows = tuple(
        (
            _CAUSES[totals.cause],
            units.seconds(totals.seconds),
            _joules(energy, totals.joules),
            _percent(totals.joules / energy.joules if energy.joules else 0.0),
        )
        for totals in found
        if totals.seconds or totals.joules
    )
    columns = ("What it went to", "Time", "Energy (low to high), divided by that time", "Share")
    return Table("Where time and energy went", columns, rows)


def _restarts(receipt: Receipt) -> Table:
    shown, kind = len(receipt.restarts), receipt.energy.provenance
    of_all = f", the last {shown} of {receipt.restart_count}" if shown < receipt.restart_count else ""
    columns = ("When", "Why", "Who", "Step", "Went on from", "Down", f"Energy lost, with the restart itself, {kind}")
    return Table(f"Restarts{of_all}", columns, tuple(_restart(r, receipt.energy) for r in receipt.restarts))


def _damaged(receipt: Receipt) -> Table:
    rows = tuple(
        ("" if d.time is None else f"{d.time:%Y-%m-%d %H:%M:%S} UTC", f"step {d.step:,}", d.damage,
         f"step {d.resumed_from_step:,}" if d.resumed_from_step else "the beginning")
        for d in receipt.damaged_checkpoints
    )  # fmt: skip
    return Table("Damaged checkpoints", ("Found", "Checkpoint", "Damage", "Went on from"), rows)


def _log(receipt: Receipt) -> Table:
    lines = tuple((line,) for line in receipt.last_lines)
    return Table("Last lines of its log", ("",), lines)


def _restart(restart: Restart, energy: EnergyFacts) -> Row:
    why = restart.reason if restart.exit_code is None else f"{restart.reason} (exit code {restart.exit_code})"
    return (
        f"{restart.time:%Y-%m-%d %H:%M:%S} UTC",
        f"{why}: {restart.last_line}" if restart.last_line else why,
        restart.who,
        f"{restart.step:,}",
        f"step {restart.resumed_from_step:,}",
        "" if restart.recovery_seconds is None else units.seconds(restart.recovery_seconds),
        "not known by itself" if restart.joules_lost is None else _joules(energy, restart.joules_lost),
    )


def _data(receipt: Receipt) -> Table:
    return data_table(receipt.data or {})


def _classes(receipt: Receipt) -> Table:
    return classes_table(receipt.data or {})


def _repeat(receipt: Receipt) -> Table:
    return Table("To repeat it", ("", ""), repeat_rows(receipt))


def _not_known(receipt: Receipt) -> Table:
    return Table("What this receipt does not tell", ("",), tuple((sentence,) for sentence in receipt.not_known))
