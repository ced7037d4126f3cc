"""Figures as people read them, always with their unit, and with their source where it matters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from wattrain_api.status import EnergyStatus, Restart, TrainingJobStatus
from wattrain_operator.core.observed import STARTING_PHASES
from wattrain_operator.local.look import Result
from wattrain_operator.local.receipt import duration

_SOURCES = {"model": "modelled", "rapl": "measured by RAPL", "nvml": "measured by NVML"}

PHASES_WITHOUT_SPEED = ("starting", "compiling", "exporting", "stopping", "done")
"""The rate is a mean over the last seconds: where nothing is trained any more it only fades."""

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


def loss(value: float | None) -> str:
    """Four significant digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def source(names: str) -> str:
    """What the sources of a figure (`model`, `nvml+model`, ...) mean: measured or modelled."""
    return " and ".join(_SOURCES.get(name, name) for name in names.split("+") if name)


def energy(status: EnergyStatus) -> str:
    """`88 J (31 J to 194 J), modelled`."""
    if not status.meters:
        return "not known yet"
    text = f"{joules(status.joules)} ({joules(status.low)} to {joules(status.high)}), {source(status.source)}"
    if 0 < status.measured_ratio < 1:
        text += f", {status.measured_ratio:.0%} of it measured"
    return text


def restart(last: Restart) -> str:
    """One restart in a line."""
    who = "a worker" if last.rank is None else f"rank {last.rank}"
    code = "" if last.exit_code is None else f", exit code {last.exit_code}"
    down = "" if last.recovery_seconds is None else f", down for {last.recovery_seconds} s"
    went_on = f"at step {last.step}, went on from step {last.resumed_from_step}"
    return f"{who}: {last.reason}{code} {went_on}{down}, {joules(last.joules_lost)} lost"


def starting(state: str, phase: str) -> str:
    """What a group that runs does before it trains (`starting`, `compiling`); empty where it trains or does not run."""
    return (phase or "starting") if state == "Running" and phase in STARTING_PHASES else ""


def prepared(counts: Mapping[str, int]) -> str:
    """`178 rows read, 2 duplicates, 1 dropped: 123 for training, ...`; empty where nothing is known of the rows."""
    if "read" not in counts:
        return ""
    dropped = counts.get("missingDropped", 0) + counts.get("outliersDropped", 0)
    parts = [f"{counts['read']:,} rows read", f"{counts.get('duplicates', 0):,} duplicates", f"{dropped:,} dropped"]
    if counts.get("outliersClipped"):
        parts.append(f"{counts['outliersClipped']:,} with clipped outliers")
    splits = ", ".join(f"{counts.get(name, 0):,} for {name}" for name in ("training", "validation", "test"))
    return f"{', '.join(parts)}: {splits}"


def summary(result: Result) -> list[tuple[str, str]]:
    """What a finished run amounts to, as label and text."""
    return [(label, text) for label, text in _summary(result) if text]


def _summary(result: Result) -> Iterable[tuple[str, str]]:
    status = result.status
    progress = status.progress
    if progress is not None and progress.step:
        total = f" of {progress.total_steps}" if progress.total_steps else ""
        yield "steps", f"{progress.step}{total}" + (f", {progress.epoch} epochs" if progress.epoch else "")
        yield "loss", loss(progress.loss)
    test = None if status.model is None else status.model.metrics
    if test is not None:
        yield "test", _evaluation(test.accuracy, test.loss)
    yield "time", _time(status)
    if status.energy.meters:
        yield "energy", energy(status.energy)
        yield "carbon", "" if status.energy.carbon_grams is None else f"{status.energy.carbon_grams:.3g} g CO2e"
        yield "cost", "" if status.energy.cost is None else f"{status.energy.cost:.3g} {status.energy.currency}"
    if status.restart_count:
        wasted = joules(status.energy.wasted_joules)
        yield "restarts", f"{status.restart_count}, {wasted} lost; the last: {restart(status.restarts[-1])}"
    yield "model", "" if status.model is None else _model(status.model.uri, result.receipt)
    yield "receipt", "" if result.receipt is None else str(result.receipt)


def _evaluation(accuracy: float | None, test_loss: float | None) -> str:
    shown = [] if accuracy is None else [f"accuracy {accuracy:.4f}"]
    return ", ".join([*shown, f"loss {loss(test_loss)}"])


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
