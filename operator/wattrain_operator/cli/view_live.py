"""The live view in a terminal: how far, how well, how fast, and at what power."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from wattrain_api import reasons
from wattrain_operator.cli import figures
from wattrain_operator.cli.live_block import frame, frame_of_several, head, pairs, tells_phase
from wattrain_operator.core.observed import Event
from wattrain_operator.local.receipt_files import read_prepared
from wattrain_operator.local.refused import EXIT_BUDGET_SPENT, EXIT_INTERRUPTED
from wattrain_operator.local.view_model import Opening, Result, ViewModel, notes_of

_FRAME_SECONDS = 0.25
_CAN_GO_ON = (EXIT_INTERRUPTED, EXIT_BUDGET_SPENT)


class LiveView:
    """Redraws a block of lines four times a second; what happened stays above it. Of several jobs the block has those
    that are not over."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console or Console(highlight=False)
        self._clock = clock
        self._live = Live(console=self._console, auto_refresh=False)
        self._drawn_at = clock() - _FRAME_SECONDS
        self._openings: dict[str, Opening] = {}
        self._left: set[str] = set()
        """Jobs that have begun and are not over."""
        self._seen: dict[str, ViewModel] = {}

    def begin(self, openings: Sequence[Opening]) -> None:
        """Where everything is; then the live block begins."""
        self._openings = {opening.job.metadata.name: opening for opening in openings}
        self._left = set(self._openings)
        for name, opening in self._openings.items():
            verb = "goes on" if opening.resumed else "starts"
            self._console.print(Text(f"{name} {verb} in {opening.place}"))
        for note in notes_of(openings):
            self._console.print(Text(f"note: {note}", style="dim"))
        self._live.start()

    def show(self, job: str, seen: ViewModel) -> None:
        """Redraw, if the last frame is old enough."""
        before = self._seen.get(job)
        if seen.progress is None and before is not None:  # no worker speaks now: what was said last still holds
            seen = replace(seen, progress=before.progress)
        self._seen[job] = seen
        if job in self._left and self._clock() - self._drawn_at >= _FRAME_SECONDS:
            self._drawn_at = self._clock()
            self._draw()

    def event(self, job: str, event: Event) -> None:
        """A line that stays."""
        style = "yellow" if event.type == "Warning" else "dim"
        self._console.print(Text(f"{self._whose(job)}{event.reason}: {event.message}", style=style))
        directory = self._openings[job].directory if job in self._openings else None
        if event.reason == reasons.DATA_PREPARED and directory is not None:
            for line in figures.prepared(read_prepared(directory)):
                self._console.print(Text(f"{self._whose(job)}{line}", style="dim"))

    def end(self, job: str, result: Result) -> None:
        """How it ended, and what it took. Of the live block the curve stays where there is one job alone; the summary
        says the rest better."""
        if job in self._left:
            self._left.remove(job)
            self._draw_last(job, result)
        watched = self._openings[job].watched if job in self._openings else None
        style = (
            "bold green" if result.exit_code == 0 else "bold yellow" if result.exit_code in _CAN_GO_ON else "bold red"
        )
        for sentence in result.sentences:
            self._console.print(Text(f"{self._whose(job)}{sentence}", style=style))
        self._console.print(pairs(figures.summary(result, watched)))

    def close(self) -> None:
        """Give the cursor back."""
        self._live.stop()

    def _draw(self) -> None:
        jobs = [(name, self._seen[name]) for name in self._openings if name in self._left and name in self._seen]
        shown = [(name, seen, self._openings[name]) for name, seen in jobs]
        if len(self._openings) == 1:
            ((_, seen, opening),) = shown
            self._live.update(frame(seen, opening, self._console.width), refresh=True)
        else:
            self._live.update(frame_of_several(shown, self._console.width), refresh=True)

    def _draw_last(self, job: str, result: Result) -> None:
        if self._left:
            self._draw()
            return
        last: list[RenderableType] = []
        if len(self._openings) == 1 and job in self._seen:
            seen = replace(self._seen[job], status=result.status)
            last = head(seen, self._console.width, tells_phase(self._openings[job]))
        self._live.update(Group(*last), refresh=True)
        self.close()

    def _whose(self, job: str) -> str:
        return f"{job}: " if len(self._openings) > 1 else ""
