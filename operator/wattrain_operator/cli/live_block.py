"""What the live view redraws: a job as a block of lines, or several jobs with a line each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wattrain_api.contract.phases import PHASES_WITHOUT_SPEED
from wattrain_api.contract.progress import Progress
from wattrain_api.training import EvaluationMetric
from wattrain_operator.cli import figures
from wattrain_operator.cli.braille_plot import braille
from wattrain_operator.cli.shown_metrics import metrics
from wattrain_operator.cli.status_line import status_line
from wattrain_operator.core.roles import Role
from wattrain_operator.local.view_model import Opening, ViewModel

_PLOT_ROWS = 6
_LOG_RATIO = 50
COLORS = {"Running": "green", "Complete": "green", "Failed": "red", "Restarting": "yellow", "Suspending": "yellow"}


def frame(seen: ViewModel, opening: Opening, width: int) -> RenderableType:
    """The block for a terminal `width` columns wide."""
    return Group(*head(seen, width, tells_phase(opening)), pairs(_details(seen, opening)))


def frame_of_several(jobs: Sequence[tuple[str, ViewModel, Opening]], width: int) -> RenderableType:
    """The block for several jobs that are not over: for each a line with its name, and the bar of what it has done; the
    curve of the one that trains, if it is the only one."""
    name_width = max((len(name) for name, _, _ in jobs), default=0)
    trains = [seen for _, seen, _ in jobs if seen.status.state == "Running" and len(seen.losses) > 1]
    lines: list[RenderableType] = []
    for name, seen, opening in jobs:
        line = Text(f"{name:<{name_width}}  ", style=f"bold {_color(seen)}")
        lines.append(
            line.append(
                status_line(seen.status, tells_phase(opening), opening.directory is not None, opening.watched),
                style="not bold",
            )
        )
        progress = seen.status.progress
        if seen.status.state == "Running" and progress is not None and progress.total_steps:
            lines.append(_bar(progress.step, progress.total_steps, width))
        if trains == [seen]:
            lines.append(_plot(seen, width))
    return Group(*lines, pairs([pair for _, _, opening in jobs[:1] for pair in opening.addresses]))


def tells_phase(opening: Opening) -> bool:
    """Whether the ranks say when they train; a script does not."""
    return opening.job.spec.script is None


def head(seen: ViewModel, width: int, tells_phase: bool) -> list[RenderableType]:
    """How far the job is. `tells_phase`: whether the ranks say when they train."""
    state, preparing = seen.status.state, figures.preparing(seen.status)
    starting = figures.starting(state, _phase(seen)) if tells_phase else ""
    if starting or state in figures.STATES_BEFORE_TRAINING:  # what is there is of a generation that is dead
        seen = replace(seen, progress=None, status=replace(seen.status, progress=None))
    lines: list[RenderableType] = [_headline(seen, starting, preparing)]
    if seen.progress is not None and seen.progress.total_steps:
        lines.append(_bar(seen.progress.step, seen.progress.total_steps, width))
    if len(seen.losses) > 1:
        lines.append(_plot(seen, width))
    return lines


def _phase(seen: ViewModel) -> str:
    """What the workers of the current attempt do; empty where they have not spoken yet, whatever others said last."""
    progress = seen.progress
    if progress is None or progress.role == Role.PREPARE or progress.attempt not in (None, seen.status.attempt):
        return ""
    return str(progress.phase or "")


def _headline(seen: ViewModel, starting: str, preparing: str) -> Text:
    status, progress = seen.status, seen.progress
    shown = f"{status.state} ({starting})" if starting else status.state
    text = Text(shown, style=f"bold {_color(seen)}")
    if progress is not None and (progress.step or progress.total_steps):
        total = f" of {progress.total_steps}" if progress.total_steps else ""
        text.append(f"  step {progress.step}{total}", style="not bold")
        if progress.epochs:
            text.append(f"  epoch {progress.epoch or 0} of {progress.epochs}", style="not bold")
    elif status.message:
        text.append(f"  {'  '.join(figures.queued(status)) or preparing or status.message}", style="not bold")
    left = None if status.progress is None else status.progress.eta_seconds
    if left and status.state == "Running":
        text.append(f"  {figures.seconds(left)} left", style="not bold")
    return text


def _color(seen: ViewModel) -> str:
    return COLORS.get(seen.status.state, "cyan")


def _bar(done: int, total: int, width: int) -> RenderableType:
    line = Table.grid()  # a bar by itself ends without a new line
    line.add_row(ProgressBar(total=total, completed=done, width=min(width, 72)))
    return line


def _plot(seen: ViewModel, width: int) -> RenderableType:
    """The loss over the steps, with the smallest and the largest value at its axis. Logarithmic where the loss falls so
    far that a linear axis would show nothing but its beginning."""
    values = [value for _, value in seen.losses]
    logarithmic = 0 < _LOG_RATIO * min(values) < max(values)
    points = [(step, math.log(value)) for step, value in seen.losses] if logarithmic else seen.losses
    labels = [f"{max(values):.4g}", *[""] * (_PLOT_ROWS - 2), f"{min(values):.4g}"]
    margin = max(len(label) for label in labels)
    columns = max(10, min(width, 72) - margin - 2)
    rows = braille(points, columns, _PLOT_ROWS)
    text = Text()
    for label, row in zip(labels, rows, strict=True):
        text.append(f"{label:>{margin}} ", style="dim").append(row, style="cyan").append("\n")
    first = f"step {seen.losses[0][0]}" + (", log scale" if logarithmic else "")
    last = str(seen.losses[-1][0])
    text.append(f"{'loss':>{margin}} {first}{last:>{max(1, columns - len(first))}}", style="dim")
    return text


def _details(seen: ViewModel, opening: Opening) -> list[tuple[str, str]]:
    status = seen.status
    found = [] if seen.progress is None else list(_progress_details(seen.progress, opening.watched))
    if status.energy.meters:
        found.append(("energy", figures.energy(status.energy)))
    if status.checkpoint is not None:
        found.append(("checkpoint", f"step {status.checkpoint.step}"))
    if status.restarts:
        found.append(("restarts", f"{status.restart_count}, the last: {figures.restart(status.restarts[-1])}"))
    return [*found, *opening.addresses]


def _progress_details(progress: Progress, watched: EvaluationMetric | None) -> Iterator[tuple[str, str]]:
    if progress.loss is not None:
        yield "loss", figures.loss(progress.loss)
    validation, group = progress.validation, progress.group
    if validation is not None:
        shown = metrics(validation, watched)
        yield "validation", ", ".join([f"loss {figures.loss(validation.loss)}", *shown])
    if group is None:
        return
    if group.samples_per_second is not None and progress.phase not in PHASES_WITHOUT_SPEED:
        yield "speed", f"{group.samples_per_second:,.0f} samples/s"
    watts = [f"worker {w.worker} {figures.watts(w.watts)} {figures.source(w.source)}" for w in group.workers]
    if watts:
        more = ", ..." if len(watts) > 4 else ""
        yield "power", f"{figures.watts(group.watts)}: {', '.join(watts[:4])}{more}"
    elif group.watts is not None:  # a job's status has no watts of single workers
        yield "power", figures.watts(group.watts)


def pairs(labelled: list[tuple[str, str]]) -> Table:
    """Labels and their texts, in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, text in labelled:
        table.add_row(label, Text(text))
    return table
