"""Figures as people read them, always with their unit, and with their source where it matters."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from wattrain_api.contract.phases import STARTING_PHASES
from wattrain_api.facts.prepared import PreparedData, counted
from wattrain_api.status import BudgetStatus, EnergyStatus, PreparedSamples, Restart, TrainingJobStatus, budget_unit
from wattrain_api.training import EvaluationMetric
from wattrain_operator.cli.shown_metrics import metrics
from wattrain_operator.local.resume import NAMESPACE
from wattrain_operator.local.view_model import Result
from wattrain_operator.receipt import duration

_SOURCES = {"model": "modelled", "rapl": "measured by RAPL", "nvml": "measured by NVML"}

MANY_REPEATS = 0.1
"""From this share of what was read on, repeats are shown that were not asked to be dropped."""
STATES_BEFORE_TRAINING = ("Pending", "Queued", "Preparing", "Starting", "Restarting")
"""Progress that is told in these states is that of workers that are gone."""


def seconds(value: float) -> str:
    """`0:09`, `12:30`, `3:05:00`."""
    whole = max(0, round(value))
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def joules(value: float) -> str:
    """Joules with the prefix that keeps the number short; kilowatt-hours from 0.1 kWh on."""
    if value >= 3.6e5:
        return f"{value / 3.6e6:.3g} kWh"
    return f"{value / 1e3:.3g} kJ" if value >= 1e3 else f"{value:.3g} J"


def watts(value: float | None) -> str:
    """`3.1 W`, or that it is not known."""
    return "power unknown" if value is None else f"{value:.1f} W"


def loss(value: float | None) -> str:
    """Four significant digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def source(names: str) -> str:
    """What the sources of a figure (`model`, `nvml+model`, ...) mean: measured or modelled."""
    return " and ".join(_SOURCES.get(name, name) for name in names.split("+") if name)


def known_by(status: EnergyStatus) -> str:
    """What the energy's sources mean, and whether something is not in it."""
    return source(status.source) + (", incomplete" if status.incomplete else "")


def energy(status: EnergyStatus) -> str:
    """`88 J (31 J to 194 J), modelled`."""
    if not status.meters:
        return "not known yet"
    text = f"{joules(status.joules)} ({joules(status.low)} to {joules(status.high)}), {source(status.source)}"
    if status.measured_ratio is not None and 0 < status.measured_ratio < 1:
        text += f", {status.measured_ratio:.0%} of it measured"
    reasons = "; ".join(gap.reason for gap in status.incomplete)
    return f"{text}; incomplete: {reasons}" if reasons else text


def restart(last: Restart) -> str:
    """One restart in a line."""
    code = "" if last.exit_code is None else f", exit code {last.exit_code}"
    down = "" if last.recovery_seconds is None else f", down for {last.recovery_seconds} s"
    went_on = f"at step {last.step}, went on from step {last.resumed_from_step}"
    return f"{last.who}: {last.reason}{code} {went_on}{down}, {_lost(last.joules_lost)}"


def _lost(value: float | None) -> str:
    return "it is not known how much was lost" if value is None else f"{joules(value)} lost"


def starting(state: str, phase: str) -> str:
    """What a group that runs does before it trains (`starting`, `compiling`); empty where it trains or does not run."""
    return (phase or "starting") if state == "Running" and phase in STARTING_PHASES else ""


def preparing(status: TrainingJobStatus) -> str:
    """`reading: 120,000 of 300,000 samples, 40%, 95,000 samples/s`; empty where nothing is prepared, or it is not known
    how far that is."""
    told = status.prepared if status.state == "Preparing" else None
    return "" if told is None else f"{told.stage}: {', '.join(_prepared_parts(told))}"


def _prepared_parts(told: PreparedSamples) -> Iterable[str]:
    yield f"{told.samples:,} samples" if told.total is None else f"{told.samples:,} of {told.total:,} samples"
    if told.percent is not None:
        yield f"{told.percent:.0f}%"
    if told.samples_per_second is not None:
        yield f"{told.samples_per_second:,.0f} samples/s"


def queued(status: TrainingJobStatus) -> list[str]:
    """`position 1`, what a job in the queue waits for, and who has it; nothing for one that is in no queue."""
    if status.state != "Queued":
        return []
    holders = status.queue.held_by.replace(f"{NAMESPACE}/", "")  # here all jobs have the same
    return [f"position {status.queue.position}", status.message, f"held by {holders}"]


def prepared(data: PreparedData) -> list[str]:
    """`data: 178 rows read, 1 dropped: 123 for training, ...` and the features; nothing where nothing is known."""
    lines = [f"data: {_counts(data)}"] if "read" in data.counts else []
    lines += [f"features: {data.features}"] if data.features else []
    lines += [f"task: {data.task}"] if data.task else []
    return lines + ([f"left out, as the file's index: {data.left_out}"] if data.left_out else [])


def _counts(data: PreparedData) -> str:
    counts = data.counts
    dropped = sum(counts.get(name, 0) for name in ("missingDropped", "unreadable", "outliersDropped"))
    parts = [f"{counted(counts['read'], data.read_as)} read", f"{dropped:,} dropped"]
    if counts.get("duplicates"):
        parts.insert(1, f"{counts['duplicates']:,} duplicates")
    elif counts.get("repeats", 0) > MANY_REPEATS * counts["read"]:
        parts.insert(1, f"{counts['repeats']:,} repeat others")
    if counts.get("outliersClipped"):
        parts.append(f"{counts['outliersClipped']:,} with clipped outliers")
    splits = ", ".join(f"{counts.get(name, 0):,} for {name}" for name in ("training", "validation", "test"))
    of_samples = "" if data.sample == data.read_as else f"{data.sample}: "
    return f"{', '.join(parts)}: {of_samples}{splits}"


def summary(result: Result, watched: EvaluationMetric | None = None) -> list[tuple[str, str]]:
    """What a finished run amounts to, as label and text; of the test the `watched` metric comes first."""
    return [(label, text) for label, text in _summary(result, watched) if text]


def _summary(result: Result, watched: EvaluationMetric | None) -> Iterable[tuple[str, str]]:
    status = result.status
    progress = status.progress
    if progress is not None and progress.step:
        total = f" of {progress.total_steps}" if progress.total_steps else ""
        yield "steps", f"{progress.step}{total}" + (f", {progress.epoch} epochs" if progress.epoch else "")
        left_out = progress.non_finite_steps
        yield "left out", f"{left_out} steps, whose loss or gradient was no finite number" if left_out else ""
        overflows = progress.overflow_steps
        yield "overflows", f"{overflows} steps, left out because their gradient overflowed in fp16" if overflows else ""
        yield "loss", loss(progress.shown_loss)
    test = None if status.model is None else status.model.metrics
    if test is not None:
        yield "test", ", ".join([*metrics(test, watched), f"loss {loss(test.shown_loss)}"])
    yield "exported", "" if status.model is None else status.model.chosen
    yield "time", _time(status)
    if status.energy.meters:
        yield "energy", energy(status.energy)
        yield "carbon", "" if status.energy.carbon_grams is None else f"{status.energy.carbon_grams:.3g} g CO2e"
        yield "cost", _cost(status.energy)
    if status.budget is not None:
        yield "budget", budget_used(status.budget, status.energy.currency)
    if status.restart_count:
        wasted = joules(status.energy.wasted_joules) if status.energy.waste_is_known else "it is not known how much was"
        yield "restarts", f"{status.restart_count}, {wasted} lost; the last: {restart(status.restarts[-1])}"
    yield "model", "" if status.model is None else _model(status.model.uri, result.receipt)
    yield "receipt", "" if result.receipt is None else str(result.receipt)


def budget_used(budget: BudgetStatus, currency: str) -> str:
    """`83.0 % of 2 kWh used`, and what is expected."""
    expected = "" if budget.forecast_ratio is None else f", {100 * budget.forecast_ratio:.0f} % expected at the end"
    return f"{100 * budget.used_ratio:.1f} % of {budget.limit:g}{budget_unit(budget.limit_by, currency)} used{expected}"


def _cost(status: EnergyStatus) -> str:
    if len(status.costs) > 1:
        return " and ".join(f"{cost.cost:.3g} {cost.currency}" for cost in status.costs)
    return "" if status.cost is None else f"{status.cost:.3g} {status.currency}"


def _time(status: TrainingJobStatus) -> str:
    took = duration(status)
    if took.active_seconds is None:
        return ""
    return seconds(took.active_seconds) + (f", paused {seconds(took.paused_seconds)}" if took.paused_seconds else "")


def _model(uri: str, receipt: Path | None) -> str:
    """Where the model is, as the receipt's place is told where both lie in the run's directory."""
    if receipt is not None and Path(uri).is_relative_to(receipt.parent.absolute()):
        return str(receipt.parent / Path(uri).relative_to(receipt.parent.absolute()))
    return uri
