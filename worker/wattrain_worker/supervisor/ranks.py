"""The processes of one generation on this worker: each in a session of its own, none outliving the supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

from wattrain_api.contract.metric_pattern import MetricPattern
from wattrain_api.contract.progress import RankReport
from wattrain_worker.supervisor.output import Log, Reader
from wattrain_worker.supervisor.rank_processes import Executed, Process
from wattrain_worker.supervisor.rank_start import RankStart

_LAST_OUTPUT_SECONDS: Final = 0.3
Begin = Callable[[RankStart, int], Process]
"""Starts a process that writes to an open file."""


class Rank:
    """One process, from its start until it is gone and its output has been read."""

    def __init__(
        self,
        start: RankStart,
        log: Log,
        patterns: Sequence[MetricPattern],
        on_metrics: Callable[[RankReport], object],
        begin: Begin = Executed,
    ) -> None:
        """Start it. From the main thread alone."""
        self.rank = start.rank
        self.exit_code: int | None = None
        """None while it runs; -n where signal n ended it."""
        self.ended_seconds = 0.0
        """Monotonic time of its end."""
        read_fd, write_fd = os.pipe()
        try:
            self.process = begin(start, write_fd)
        finally:
            os.close(write_fd)
        self._reader = Reader(start.rank, read_fd, log, patterns, on_metrics, start.label)
        self._reader.start()

    @property
    def gone(self) -> bool:
        """Whether it has ended and its last line is known. What it left open elsewhere is waited for a moment only."""
        if self.exit_code is None:
            return False
        return not self._reader.is_alive() or time.monotonic() > self.ended_seconds + _LAST_OUTPUT_SECONDS

    @property
    def has_output(self) -> bool:
        """Whether it has written a line that is not blank."""
        return self._reader.has_output

    def last_line(self) -> str:
        """The last line of its output that says something."""
        return self._reader.last_line()

    def last_lines(self, most: int) -> list[str]:
        """At most so many of the last lines of its output."""
        return self._reader.last_lines(most)

    def poll(self) -> None:
        """Notice its end."""
        if self.exit_code is None and (exit_code := self.process.poll()) is not None:
            self.exit_code, self.ended_seconds = exit_code, time.monotonic()


class Ranks:
    """The ranks of one generation."""

    def __init__(
        self,
        starts: Sequence[RankStart],
        log: Log,
        patterns: Sequence[MetricPattern],
        on_metrics: Callable[[RankReport], object],
        begin: Begin = Executed,
    ) -> None:
        """Start them all."""
        self._ranks = [Rank(start, log, patterns, on_metrics, begin) for start in starts]
        self._started_at = time.monotonic()
        self._asked_to_end = False
        self._kill_at: float | None = None

    def poll(self) -> None:
        """Notice ends, and kill what was told to end and has had its time."""
        for rank in self._ranks:
            rank.poll()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            for rank in self._ranks:
                rank.process.kill()

    def stop(self, grace_seconds: float | None) -> None:
        """Ask all to end, and kill after `grace_seconds` what did not; None: wait as long as they need. Another call
        can only shorten the time."""
        if not self._asked_to_end:
            self._asked_to_end = True
            for rank in self._ranks:
                rank.process.terminate()
        if grace_seconds is not None:
            kill_at = time.monotonic() + grace_seconds
            self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)

    def last_line(self) -> str:
        """The last line of the first of them that has written one."""
        return next((line for line in (rank.last_line() for rank in self._ranks) if line), "")

    def last_lines(self, most: int) -> list[str]:
        """At most so many of the last lines of the one that failed by itself first, else of the first that has written
        one."""
        failed = sorted((r for r in self._ranks if r.exit_code is not None and r.exit_code > 0), key=_ended)
        return next((lines for rank in (*failed, *self._ranks) if (lines := rank.last_lines(most))), [])

    def __len__(self) -> int:
        return len(self._ranks)

    def owns(self, pid: int) -> bool:
        """Whether `pid` is one of them that is a child of the supervisor."""
        return any(rank.process.owns(pid) for rank in self._ranks)

    @property
    def age_seconds(self) -> float:
        """Since they were started."""
        return time.monotonic() - self._started_at

    @property
    def have_output(self) -> bool:
        """Whether any has written a line that is not blank."""
        return any(rank.has_output for rank in self._ranks)

    @property
    def gone(self) -> list[Rank]:
        """Those that have ended and whose output has been read."""
        return [rank for rank in self._ranks if rank.gone]

    @property
    def running(self) -> int:
        """How many run."""
        return sum(rank.exit_code is None for rank in self._ranks)

    @property
    def all_gone(self) -> bool:
        """Whether none is left."""
        return len(self.gone) == len(self._ranks)


def _ended(rank: Rank) -> float:
    return rank.ended_seconds
