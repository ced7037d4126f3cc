"""What this rank tells: to the supervisor through its socket, and a person through standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from wattrain_api.contract.codec import encode
from wattrain_api.contract.progress import StepLoss, StepLosses
from wattrain_worker.report import report

LINE_EVERY_SECONDS = 10.0
_LOSSES_A_REPORT: Final = 64
"""About 6 KB of the 8 KiB that a report may have."""


def say(message: str) -> None:
    """One line for a person: into the job's messages, and onto standard error for who runs a rank by hand."""
    report(message=message)
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def warn(rank: int, reason: str, sentence: str) -> None:
    """A warning of the whole group, which its rank 0 tells: in the job's messages and among its notices."""
    if rank == 0:
        say(sentence)
        report(notice={"reason": reason, "message": sentence})


class Reporter:
    """Gathers what happens between two reports of this rank."""

    def __init__(self, total_steps: int, epochs: int, *, is_first: bool, clock: Callable[[], float] = time.monotonic):
        """`is_first`: rank 0, which alone tells every loss, for they are the same on all ranks, and prints a line now
        and then for who reads the log; the others tell the newest loss. `clock` is monotonic, in seconds."""
        self._total_steps, self._epochs = total_steps, epochs
        self._is_first, self._clock, self._printed_at = is_first, clock, clock()
        self._phase = ""
        self._steps = self._samples = 0
        self._busy_seconds = self._data_seconds = self._paused_seconds = 0.0
        self._peer_seconds: float | None = None
        self._step_started = self._told_step_seconds = 0.0

    def phase(self, name: str) -> None:
        """Tell `name` where it is another phase than before."""
        if name != self._phase:
            self._phase = name
            report(phase=name)

    def step_begins(self) -> None:
        """From here on, time is that of a step."""
        self._step_started = time.perf_counter()

    def step_ends(self, samples: int, data_seconds: float, peer_seconds: float | None = None) -> None:
        """A step of `samples` samples of this rank is done; it spent `data_seconds` on fetching them, and waited
        `peer_seconds` for the other ranks (None: that is not measured)."""
        self._steps += 1
        self._samples += samples
        self._data_seconds += data_seconds
        if peer_seconds is not None:
            self._peer_seconds = (self._peer_seconds or 0.0) + peer_seconds
        self._busy_seconds += time.perf_counter() - self._step_started

    def paused(self, seconds: float) -> None:
        """The rank has paused for `seconds` after a step."""
        self._paused_seconds += seconds

    def mean_step_seconds(self) -> float:
        """Seconds a step took since the last record, or before it where none has ended since; 0 before the first.
        Without pauses."""
        return self._busy_seconds / self._steps if self._steps else self._told_step_seconds

    def record(self, losses: Sequence[StepLoss], step: int, epoch: int, norm: float | None) -> None:
        """Tell that the training stands at `step`, with the `losses` of the recorded steps since it was told last."""
        if not self._is_first:
            losses = losses[-1:]
        while len(losses) > _LOSSES_A_REPORT:
            first, losses = losses[:_LOSSES_A_REPORT], losses[_LOSSES_A_REPORT:]
            report(step=first[-1].step, steps=0, losses=encode(StepLosses.of(first)))
        paused_seconds = self._paused_seconds or None
        known = {"gradient_norm": norm, "peer_wait_seconds": self._peer_seconds, "paused_seconds": paused_seconds}
        optional = {name: figure for name, figure in known.items() if figure is not None}
        report(
            step=step,
            total_steps=self._total_steps,
            epoch=epoch,
            epochs=self._epochs,
            losses=encode(StepLosses.of(losses)),
            samples=self._samples,
            steps=self._steps,
            step_seconds=self.mean_step_seconds() + self._paused_seconds / max(1, self._steps),
            data_wait_seconds=self._data_seconds,
            **optional,
        )
        self._told_step_seconds = self.mean_step_seconds()
        if losses and self._is_first and self._clock() >= self._printed_at + LINE_EVERY_SECONDS:
            self._printed_at = self._clock()
            sys.stdout.write(f"step {losses[-1].step}/{self._total_steps}, loss {losses[-1].loss:.5g}\n")
            sys.stdout.flush()
        self._steps = self._samples = 0
        self._busy_seconds = self._data_seconds = self._paused_seconds = 0.0
        self._peer_seconds = None
