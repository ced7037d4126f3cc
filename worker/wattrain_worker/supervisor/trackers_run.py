"""The trackers of a job, as processes beside its ranks, at worker 0."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from wattrain_api import names, reasons
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.progress import Notice
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.rank_processes import execute, kill_group
from wattrain_worker.supervisor.rank_start import inherited_environment, python_module
from wattrain_worker.tracking.tracked_end import TrackedEnd

_MOST_STARTS: Final = 4
_RESTART_SECONDS: Final = 5.0
_AFTER_END_SECONDS: Final = 0.5
"""From what a tracker has been given for its end to its being killed."""


class TrackerProcess:
    """One tracker. It is started again where it ends by itself, and goes on where it stood. From the main thread."""

    def __init__(self, field: str, config: Config, start_bytes: int, environment: Mapping[str, str]) -> None:
        """Start it. `start_bytes`: size of metrics.jsonl before this attempt writes to it."""
        self.field = field
        self._command = (*python_module("wattrain_worker.tracking"), field, str(start_bytes))
        self._environment = environment
        self._starts = 0
        self._restart_at = 0.0
        self.has_failed = False
        """Whether it has ended by itself so often that it is not started again."""
        self._start()

    def look(self) -> None:
        """Notice its end."""
        if self._process.poll() is None or self.has_failed:
            return
        if self._starts >= _MOST_STARTS:
            self.has_failed = True
        elif not self._restart_at:
            self._restart_at = time.monotonic() + _RESTART_SECONDS
        elif time.monotonic() >= self._restart_at:
            os.close(self._end_fd)
            self._start()

    def owns(self, pid: int) -> bool:
        """Whether it is the process `pid`; if so and it has ended, its exit status is taken."""
        if self._process.returncode is not None or pid != self._process.pid:
            return False
        self._process.poll()
        return True

    def say_end(self, end: TrackedEnd) -> None:
        """Tell it that there is no more to come. One that waits to be started again is started for that."""
        if self.has_ended and not self.has_failed:
            os.close(self._end_fd)
            self._start()
        with contextlib.suppress(OSError):
            os.write(self._end_fd, encode_json(end))
        os.close(self._end_fd)

    @property
    def has_ended(self) -> bool:
        """Whether it has."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End it now."""
        if not self.has_ended:
            kill_group(self._process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_AFTER_END_SECONDS)

    def _start(self) -> None:
        self._starts, self._restart_at = self._starts + 1, 0.0
        read_fd, self._end_fd = os.pipe()
        try:
            command = (*self._command, str(read_fd))
            self._process = execute(command, self._environment, sys.stderr.fileno(), pass_fds=[read_fd])
        finally:
            os.close(read_fd)


class Trackers:
    """All trackers of a job; none at other workers than worker 0."""

    def __init__(self, config: Config, report_socket: str, add_notice: Callable[[Notice], None]) -> None:
        self._add_notice = add_notice
        self._config = config
        # A rank says what it reports; worker 0 has rank 0.
        self._environment = {**inherited_environment(os.environ), names.ENV_REPORT_SOCKET: report_socket, "RANK": "0"}
        self._start_bytes = _size_bytes(config.metrics_file)
        self._processes: list[TrackerProcess] = []

    def start(self) -> None:
        """Start them, before the first step is recorded."""
        self._processes = [
            TrackerProcess(field, self._config, self._start_bytes, self._environment) for field in self._config.trackers
        ]

    def look(self) -> None:
        """Start again what has ended; say of what ends again and again that it is not."""
        for process in self._processes:
            had_failed = process.has_failed
            process.look()
            if process.has_failed and not had_failed:
                what = f"spec.tracking.{process.field}: its process has ended {_MOST_STARTS} times"
                remedy = "the worker's log says why; the training goes on without it"
                self._add_notice(Notice(reasons.TRACKING_FAILED, f"{what}: {remedy}"))

    def owns(self, pid: int) -> bool:
        """Whether `pid` is one of them."""
        return any(process.owns(pid) for process in self._processes)

    def finish(self, end: TrackedEnd, wait: Callable[[float], object]) -> None:
        """Have them track what is left, for `end.seconds` at most. `wait` waits for so many seconds."""
        for process in self._processes:
            process.say_end(end)
        deadline = time.monotonic() + end.seconds
        while time.monotonic() < deadline and not all(process.has_ended for process in self._processes):
            wait(0.02)
        for process in self._processes:
            process.kill()


def _size_bytes(file: str) -> int:
    try:
        return Path(file).stat().st_size if file else 0
    except OSError:
        return 0
