"""The processes of one generation on this worker: each in a session of its own, none outliving the supervisor."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from wattrain_worker.supervisor.launch import RankStart
from wattrain_worker.supervisor.output import Log, Patterns, Reader

_LAST_OUTPUT_SECONDS: Final = 0.3


class Rank:
    """One process, from its start until it is gone and its output has been read."""

    def __init__(self, start: RankStart, log: Log, patterns: Patterns, on_metrics: Callable[[dict[str, Any]], object]):
        """Start it. From the main thread alone: on Linux it dies with the thread that started it."""
        self.rank = start.rank
        self.exit_code: int | None = None
        """None while it runs; -n where signal n ended it."""
        self.ended_seconds = 0.0
        """Monotonic time of its end."""
        shim = (sys.executable, "-I", "-S", "-c", _shim_source(), str(os.getpid()))
        self._process = subprocess.Popen(
            [*shim, *start.command], env=dict(start.environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True, bufsize=0,
        )  # fmt: skip
        assert self._process.stdout is not None
        output = os.dup(self._process.stdout.fileno())
        self._reader = Reader(start.rank, output, log, patterns, on_metrics, start.label)
        self._process.stdout.close()
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, and id of its process group."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Whether it has ended and its last line is known. What it left open elsewhere is waited for a moment only."""
        if self.exit_code is None:
            return False
        return not self._reader.is_alive() or time.monotonic() > self.ended_seconds + _LAST_OUTPUT_SECONDS

    def last_line(self) -> str:
        """The last line of its output that says something."""
        return self._reader.last_line()

    def poll(self) -> None:
        """Notice its end, and end what it started and left behind."""
        if self.exit_code is None and self._has_ended():
            self._signal_group(signal.SIGKILL)  # before its number is free for others
            self.ended_seconds = time.monotonic()
            self.exit_code = self._process.wait()

    def terminate(self) -> None:
        """Ask it to end. It alone: its helpers (loaders of data) are needed for the checkpoint."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its helpers now."""
        if self.exit_code is None:
            self._signal_group(signal.SIGKILL)

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class Ranks:
    """The ranks of one generation."""

    def __init__(
        self,
        starts: Sequence[RankStart],
        log: Log,
        patterns: Patterns,
        on_metrics: Callable[[dict[str, Any]], object],
    ) -> None:
        """Start them all."""
        self._ranks = [Rank(start, log, patterns, on_metrics) for start in starts]
        self._kill_at: float | None = None

    def poll(self) -> None:
        """Notice ends, and kill what was told to end and has had its time."""
        for rank in self._ranks:
            rank.poll()
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            for rank in self._ranks:
                rank.kill()

    def stop(self, grace_seconds: float) -> None:
        """Ask all to end, and kill after `grace_seconds` what did not. A second call can only shorten the time."""
        kill_at = time.monotonic() + grace_seconds
        if self._kill_at is None:
            for rank in self._ranks:
                rank.terminate()
        self._kill_at = kill_at if self._kill_at is None else min(self._kill_at, kill_at)

    def __len__(self) -> int:
        return len(self._ranks)

    def owns(self, pid: int) -> bool:
        """Whether `pid` is one of them."""
        return any(rank.pid == pid for rank in self._ranks)

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


def _shim_source() -> str:
    source = pkgutil.get_data("wattrain_worker.supervisor", "shim.py")
    assert source is not None
    return source.decode()
