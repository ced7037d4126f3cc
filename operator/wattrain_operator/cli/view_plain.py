"""Lines, for logs and pipes: at most one a second, and one for every event."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.cli import figures
from wattrain_operator.core.observed import Event
from wattrain_operator.local.look import Look, Opening, Result
from wattrain_operator.local.prepared import read_counts

_LINE_SECONDS = 1.0


class PlainView:
    """Writes to `stream`; `clock` is monotonic."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._began_at = self._written_at = clock() - _LINE_SECONDS
        self._line = ""
        self._opening: Opening | None = None

    def begin(self, opening: Opening) -> None:
        """Where everything is."""
        self._opening, self._began_at = opening, self._clock()
        verb = "goes on" if opening.resumed else "starts"
        self._write(f"{opening.job.metadata.name} {verb} in {opening.directory}; metrics: {opening.metrics_url}")
        for note in opening.notes:
            self._write(f"note: {note}")

    def show(self, look: Look) -> None:
        """How far it is, if that is news."""
        is_script = self._opening is not None and self._opening.job.spec.script is not None
        line = status_line(look.status, tells_phase=not is_script)
        if line != self._line and self._clock() - self._written_at >= _LINE_SECONDS:
            self._line, self._written_at = line, self._clock()
            self._write(f"{figures.seconds(self._clock() - self._began_at)}  {line}")

    def tell(self, event: Event) -> None:
        """What has happened."""
        mark = "warning: " if event.type == "Warning" else ""
        self._write(f"{figures.seconds(self._clock() - self._began_at)}  {mark}{event.reason}: {event.message}")
        if event.reason == reasons.DATA_PREPARED and self._opening is not None:
            counts = figures.prepared(read_counts(self._opening.directory))
            if counts:
                self._write(f"{figures.seconds(self._clock() - self._began_at)}  data: {counts}")

    def end(self, result: Result) -> None:
        """How it ended, and what it took."""
        for sentence in result.sentences:
            self._write(sentence)
        for label, text in figures.summary(result):
            self._write(f"  {label:<9}{text}")

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()


def status_line(status: TrainingJobStatus, tells_phase: bool = True) -> str:
    """State, step, loss, speed, power and energy in a line; what is not known yet is left out.

    `tells_phase`: whether the ranks say when they train; a script does not.
    """
    energy, progress = status.energy, status.progress
    starting = figures.starting(status.state, "" if progress is None else progress.phase) if tells_phase else ""
    if starting or status.state in figures.STATES_BEFORE_TRAINING:
        progress = None  # what is there is of a generation that is dead
    parts = [f"{status.state} ({starting})" if starting else status.state]
    if progress is not None and (progress.step or progress.total_steps):
        parts.append(
            f"step {progress.step}/{progress.total_steps}" if progress.total_steps else f"step {progress.step}"
        )
        if progress.epoch:
            parts.append(f"epoch {progress.epoch}")
        parts.append(f"loss {figures.loss(progress.loss)}")
        if progress.validation is not None and progress.validation.accuracy is not None:
            parts.append(f"validation accuracy {progress.validation.accuracy:.3f}")
        if progress.samples_per_second is not None and progress.phase not in figures.PHASES_WITHOUT_SPEED:
            parts.append(f"{progress.samples_per_second:,.0f} samples/s")
    if energy.meters:
        parts.append(f"{energy.watts:.1f} W, {figures.joules(energy.joules)} {figures.source(energy.source)}")
    if status.restart_count:
        parts.append(f"{status.restart_count} restart{'s' if status.restart_count > 1 else ''}")
    if progress is not None and progress.eta_seconds and status.state == "Running":
        parts.append(f"{figures.seconds(progress.eta_seconds)} left")
    return "  ".join(parts)
