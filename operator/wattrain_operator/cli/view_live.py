"""The live view in a terminal: how far, how well, how fast, and at what power."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from wattrain_api import names, reasons
from wattrain_operator.cli import figures
from wattrain_operator.cli.plot import braille
from wattrain_operator.core.observed import Event
from wattrain_operator.local.look import Look, Opening, Result
from wattrain_operator.local.prepared import read_counts

_FRAME_SECONDS = 0.25
_PLOT_ROWS = 6
_LOG_RATIO = 50
_COLORS = {"Running": "green", "Complete": "green", "Failed": "red", "Restarting": "yellow", "Suspending": "yellow"}


class LiveView:
    """Redraws a block of lines four times a second; what happened stays above it."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(highlight=False)
        self._clock = clock
        self._live = Live(console=self._console, auto_refresh=False)
        self._drawn_at = clock() - _FRAME_SECONDS
        self._opening: Opening | None = None
        self._look: Look | None = None
        self._tells_phase = True

    def begin(self, opening: Opening) -> None:
        """Where everything is; then the live block begins."""
        self._opening, self._tells_phase = opening, opening.job.spec.script is None
        verb = "goes on" if opening.resumed else "starts"
        self._console.print(Text(f"{opening.job.metadata.name} {verb} in {opening.directory}"))
        for note in opening.notes:
            self._console.print(Text(f"note: {note}", style="dim"))
        self._live.start()

    def show(self, look: Look) -> None:
        """Redraw, if the last frame is old enough."""
        if not look.progress and self._look is not None:  # no worker speaks now: what was said last still holds
            look = replace(look, progress=self._look.progress)
        self._look = look
        if self._opening is not None and self._clock() - self._drawn_at >= _FRAME_SECONDS:
            self._drawn_at = self._clock()
            self._live.update(frame(look, self._opening, self._console.width), refresh=True)

    def tell(self, event: Event) -> None:
        """A line that stays."""
        style = "yellow" if event.type == "Warning" else "dim"
        self._console.print(Text(f"{event.reason}: {event.message}", style=style))
        if event.reason == reasons.DATA_PREPARED and self._opening is not None:
            counts = figures.prepared(read_counts(self._opening.directory))
            if counts:
                self._console.print(Text(f"data: {counts}", style="dim"))

    def end(self, result: Result) -> None:
        """How it ended, and what it took. Of the live block the curve stays; the summary says the rest better."""
        if self._look is not None:
            last = replace(self._look, status=result.status)
            self._live.update(Group(*_head(last, self._console.width, self._tells_phase)), refresh=True)
        self.close()
        style = "bold green" if result.exit_code == 0 else "bold yellow" if result.exit_code == 130 else "bold red"
        for sentence in result.sentences:
            self._console.print(Text(sentence, style=style))
        self._console.print(_pairs(figures.summary(result)))

    def close(self) -> None:
        """Give the cursor back."""
        self._live.stop()


def frame(look: Look, opening: Opening, width: int) -> RenderableType:
    """The block for a terminal `width` columns wide."""
    return Group(*_head(look, width, opening.job.spec.script is None), _pairs(_details(look, opening)))


def _head(look: Look, width: int, tells_phase: bool) -> list[RenderableType]:
    """`tells_phase`: whether the ranks say when they train; a script does not."""
    state = look.status.state
    starting = figures.starting(state, _phase(look)) if tells_phase else ""
    if starting or state in figures.STATES_BEFORE_TRAINING:  # what is there is of a generation that is dead
        look = replace(look, progress={}, status=look.status.model_copy(update={"progress": None}))
    lines: list[RenderableType] = [_headline(look, starting)]
    if look.progress.get("totalSteps"):
        lines.append(_bar(look, width))
    if len(look.losses) > 1:
        lines.append(_plot(look, width))
    return lines


def _phase(look: Look) -> str:
    """What the workers of the current attempt do; empty where they have not spoken yet, whatever others said last."""
    progress = look.progress
    if progress.get("role") == names.ROLE_PREPARE or progress.get("attempt") not in (None, look.status.attempt):
        return ""
    return str(progress.get("phase", ""))


def _headline(look: Look, starting: str) -> Text:
    status, progress = look.status, look.progress
    shown = f"{status.state} ({starting})" if starting else status.state
    text = Text(shown, style=f"bold {_COLORS.get(status.state, 'cyan')}")
    if progress.get("step") or progress.get("totalSteps"):
        total = f" of {progress['totalSteps']}" if progress.get("totalSteps") else ""
        text.append(f"  step {progress.get('step', 0)}{total}", style="not bold")
        if progress.get("epochs"):
            text.append(f"  epoch {progress.get('epoch', 0)} of {progress['epochs']}", style="not bold")
    elif status.message:
        text.append(f"  {status.message}", style="not bold")
    left = None if status.progress is None else status.progress.eta_seconds
    if left and status.state == "Running":
        text.append(f"  {figures.seconds(left)} left", style="not bold")
    return text


def _bar(look: Look, width: int) -> RenderableType:
    line = Table.grid()  # a bar by itself ends without a new line
    total, done = look.progress["totalSteps"], look.progress.get("step") or 0
    line.add_row(ProgressBar(total=total, completed=done, width=min(width, 72)))
    return line


def _plot(look: Look, width: int) -> RenderableType:
    """The loss over the steps, with the smallest and the largest value at its axis. Logarithmic where the loss falls so
    far that a linear axis would show nothing but its beginning."""
    values = [value for _, value in look.losses]
    logarithmic = 0 < _LOG_RATIO * min(values) < max(values)
    points = [(step, math.log(value)) for step, value in look.losses] if logarithmic else look.losses
    labels = [f"{max(values):.4g}", *[""] * (_PLOT_ROWS - 2), f"{min(values):.4g}"]
    margin = max(len(label) for label in labels)
    columns = max(10, min(width, 72) - margin - 2)
    rows = braille(points, columns, _PLOT_ROWS)
    text = Text()
    for label, row in zip(labels, rows, strict=True):
        text.append(f"{label:>{margin}} ", style="dim").append(row, style="cyan").append("\n")
    first = f"step {look.losses[0][0]}" + (", log scale" if logarithmic else "")
    last = str(look.losses[-1][0])
    text.append(f"{'loss':>{margin}} {first}{last:>{max(1, columns - len(first))}}", style="dim")
    return text


def _details(look: Look, opening: Opening) -> list[tuple[str, str]]:
    status, progress = look.status, look.progress
    group = progress.get("group") or {}
    pairs = [("loss", figures.loss(progress.get("loss")))] if progress.get("loss") is not None else []
    validation = progress.get("validation") or {}
    if validation:
        accuracy = validation.get("accuracy")
        shown = "" if accuracy is None else f", accuracy {accuracy:.4f}"
        pairs.append(("validation", f"loss {figures.loss(validation.get('loss'))}{shown}"))
    if group.get("samplesPerSecond") is not None and progress.get("phase") not in figures.PHASES_WITHOUT_SPEED:
        pairs.append(("speed", f"{group['samplesPerSecond']:,.0f} samples/s"))
    watts = [f"worker {w['worker']} {w['watts']:.1f} W {figures.source(w['source'])}" for w in group.get("workers", ())]
    if watts:
        more = ", ..." if len(watts) > 4 else ""
        pairs.append(("power", f"{group.get('watts', 0.0):.1f} W: {', '.join(watts[:4])}{more}"))
    if status.energy.meters:
        pairs.append(("energy", figures.energy(status.energy)))
    if status.checkpoint is not None:
        pairs.append(("checkpoint", f"step {status.checkpoint.step}"))
    if status.restarts:
        pairs.append(("restarts", f"{status.restart_count}, the last: {figures.restart(status.restarts[-1])}"))
    pairs.append(("metrics", opening.metrics_url))
    return pairs


def _pairs(pairs: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for label, text in pairs:
        table.add_row(label, Text(text))
    return table
