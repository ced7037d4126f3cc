"""A job in a line."""

from __future__ import annotations

from collections.abc import Iterator

from wattrain_api.contract.phases import PHASES_WITHOUT_SPEED
from wattrain_api.status import Progress, TrainingJobStatus
from wattrain_api.training import EvaluationMetric
from wattrain_operator.cli import figures
from wattrain_operator.cli.shown_metrics import metrics_in_a_line


def status_line(
    status: TrainingJobStatus,
    tells_phase: bool = True,
    is_here: bool = True,
    watched: EvaluationMetric | None = None,
) -> str:
    """State, step, loss, speed, power and energy in a line; what is not known yet is left out.

    `tells_phase`: whether the ranks say when they train; a script does not. `is_here`: whether it runs on this machine,
    where Ctrl-C stops it. `watched`: what the job watches of its evaluations.
    """
    return "  ".join(_parts(status, tells_phase, is_here, watched))


def _parts(
    status: TrainingJobStatus, tells_phase: bool, is_here: bool, watched: EvaluationMetric | None
) -> Iterator[str]:
    energy, progress = status.energy, status.progress
    starting = figures.starting(status.state, "" if progress is None else progress.phase) if tells_phase else ""
    if starting or status.state in figures.STATES_BEFORE_TRAINING:
        progress = None  # what is there is of a generation that is dead
    yield f"{status.state} ({starting})" if starting else status.state
    if status.state == "Suspending":  # a program that does not listen is given minutes to save
        yield "the workers save and stop" + ("; Ctrl-C again ends them now" if is_here else "")
    yield from figures.queued(status)
    if prepared := figures.preparing(status):
        yield prepared
    if progress is not None and (progress.step or progress.total_steps):
        yield from _progress(progress, watched)
    if energy.meters:
        yield f"{figures.watts(energy.watts)}, {figures.joules(energy.joules)} {figures.known_by(energy)}"
    if status.budget is not None and energy.meters:
        yield figures.budget_used(status.budget, energy.currency)
    if status.restart_count:
        yield f"{status.restart_count} restart{'s' if status.restart_count > 1 else ''}"
    if progress is not None and progress.eta_seconds and status.state == "Running":
        yield f"{figures.seconds(progress.eta_seconds)} left"


def _progress(progress: Progress, watched: EvaluationMetric | None) -> Iterator[str]:
    yield f"step {progress.step}/{progress.total_steps}" if progress.total_steps else f"step {progress.step}"
    if progress.epoch:
        yield f"epoch {progress.epoch}"
    yield f"loss {figures.loss(progress.shown_loss)}"
    if progress.validation is not None:
        yield from (f"validation {text}" for text in metrics_in_a_line(progress.validation, watched))
    if progress.samples_per_second is not None and progress.phase not in PHASES_WITHOUT_SPEED:
        yield f"{progress.samples_per_second:,.0f} samples/s"
