"""A run in a notebook: one line that is brought up to date in its place, and lines for what happens."""

from __future__ import annotations

import importlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from html import escape
from typing import Protocol, TextIO

from wattrain_operator.cli.status_line import status_line
from wattrain_operator.cli.view_plain import PlainView
from wattrain_operator.core.observed import Event
from wattrain_operator.local.view_model import Opening, Result, View, ViewModel

_SECONDS = 0.5
"""Between two updates: each is a message to the browser, and is kept in no notebook but the last."""


class DisplayHandle(Protocol):
    """What IPython gives for something that is shown and may change."""

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        """Show `data`, texts by their media type, in its place."""


Display = Callable[[dict[str, str]], DisplayHandle]
"""Shows texts by their media type for the first time."""


def view_for_here(stream: TextIO) -> View:
    """In a notebook's kernel a NotebookView, else lines to `stream`."""
    display = _display()
    return PlainView(stream) if display is None else NotebookView(stream, display)


def _display() -> Display | None:
    """None outside of a kernel; a terminal's IPython has none."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    show = importlib.import_module("IPython.display").display
    return lambda data: show(data, raw=True, display_id=True)


class NotebookView:
    """Of one job. `clock` is monotonic."""

    def __init__(self, stream: TextIO, display: Display, clock: Callable[[], float] = time.monotonic) -> None:
        self._lines, self._display, self._clock = PlainView(stream, clock), display, clock
        self._handle: DisplayHandle | None = None
        self._opening: Opening | None = None
        self._shown, self._shown_at = "", -math.inf
        self._newest = ""
        self._steps = (0, 0)

    def begin(self, openings: Sequence[Opening]) -> None:
        """Where everything is, as lines."""
        self._opening = openings[0]
        self._lines.begin(openings)

    def show(self, job: str, seen: ViewModel) -> None:
        """How far it is, in the place of what was shown before."""
        opening, progress = self._opening, seen.status.progress
        is_script = opening is not None and opening.job.spec.script is not None
        watched = None if opening is None else opening.watched
        self._newest = status_line(seen.status, tells_phase=not is_script, watched=watched)
        self._steps = (0, 0) if progress is None else (progress.step, progress.total_steps)
        if self._clock() - self._shown_at >= _SECONDS:
            self._draw()

    def event(self, job: str, event: Event) -> None:
        """What has happened, as a line."""
        self._lines.event(job, event)

    def end(self, job: str, result: Result) -> None:
        """How it ended; what was shown last stays."""
        self._draw()
        self._lines.end(job, result)

    def close(self) -> None:
        """Nothing to give back."""

    def _draw(self) -> None:
        if not self._newest or self._newest == self._shown:
            return
        self._shown, self._shown_at = self._newest, self._clock()
        step, total = self._steps
        bar = f'<progress value="{step}" max="{total}"></progress> ' if total else ""
        data = {"text/plain": self._newest, "text/html": f"{bar}<code>{escape(self._newest)}</code>"}
        if self._handle is None:
            self._handle = self._display(data)
        else:
            self._handle.update(data, raw=True)
