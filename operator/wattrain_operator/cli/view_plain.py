"""Lines, for logs and pipes: of each job at most one a second, and one for every event."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TextIO

from wattrain_api import reasons
from wattrain_operator.cli import figures
from wattrain_operator.cli.status_line import status_line
from wattrain_operator.core.observed import Event
from wattrain_operator.local.receipt_files import read_prepared
from wattrain_operator.local.view_model import Opening, Result, ViewModel, notes_of

_LINE_SECONDS = 1.0


class PlainView:
    """Writes to `stream`; `clock` is monotonic. Of several jobs each line names its own."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._began_at = clock()
        self._written_at: dict[str, float] = {}
        self._lines: dict[str, str] = {}
        self._openings: dict[str, Opening] = {}

    def begin(self, openings: Sequence[Opening]) -> None:
        """Where everything is."""
        self._openings = {opening.job.metadata.name: opening for opening in openings}
        self._began_at = self._clock()
        for name, opening in self._openings.items():
            verb = "goes on" if opening.resumed else "starts"
            addresses = "".join(f"; {what}: {address}" for what, address in opening.addresses)
            self._write(f"{name} {verb} in {opening.place}{addresses}")
        for note in notes_of(openings):
            self._write(f"note: {note}")

    def show(self, job: str, seen: ViewModel) -> None:
        """How far it is, if that is news."""
        opening, now = self._openings.get(job), self._clock()
        is_script = opening is not None and opening.job.spec.script is not None
        is_here = opening is None or opening.directory is not None
        watched = None if opening is None else opening.watched
        line = status_line(seen.status, tells_phase=not is_script, is_here=is_here, watched=watched)
        if line != self._lines.get(job) and now - self._written_at.get(job, -math.inf) >= _LINE_SECONDS:
            self._lines[job], self._written_at[job] = line, now
            self._write_now(job, line)

    def event(self, job: str, event: Event) -> None:
        """What has happened."""
        mark = "warning: " if event.type == "Warning" else ""
        self._write_now(job, f"{mark}{event.reason}: {event.message}")
        opening = self._openings.get(job)
        directory = None if opening is None else opening.directory
        if event.reason == reasons.DATA_PREPARED and directory is not None:
            for line in figures.prepared(read_prepared(directory)):
                self._write_now(job, line)

    def end(self, job: str, result: Result) -> None:
        """How it ended, and what it took."""
        whose = f"{job}: " if len(self._openings) > 1 else ""
        for sentence in result.sentences:
            self._write(f"{whose}{sentence}")
        opening = self._openings.get(job)
        for label, text in figures.summary(result, None if opening is None else opening.watched):
            self._write(f"  {label:<9}{text}")

    def close(self) -> None:
        """Nothing to give back."""

    def _write_now(self, job: str, line: str) -> None:
        width = max((len(name) for name in self._openings), default=0)
        whose = f"{job:<{width}}  " if len(self._openings) > 1 else ""
        self._write(f"{figures.seconds(self._clock() - self._began_at)}  {whose}{line}")

    def _write(self, line: str) -> None:
        self._stream.write(line + "\n")
        self._stream.flush()
