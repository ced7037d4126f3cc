"""Processes that end with the supervisor, however that ends."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Protocol

from wattrain_worker.supervisor.rank_start import RankStart


class Process(Protocol):
    """A process that leads a group of its own."""

    def poll(self) -> int | None:
        """None while it runs; then its exit code (-n: signal n ended it), with what it left behind ended too."""

    def terminate(self) -> None:
        """Ask it to end. It alone: its helpers (loaders of data) are needed for the checkpoint."""

    def kill(self) -> None:
        """End it and its helpers now."""

    def owns(self, pid: int) -> bool:
        """Whether `pid` is a child of the supervisor whose end is waited for here."""


class Executed:
    """A process of a command."""

    def __init__(self, start: RankStart, output_fd: int) -> None:
        """Start it, with standard output and error to `output_fd`. From the main thread alone: on Linux it dies with
        the thread that started it."""
        self._process = execute(start.command, start.environment, output_fd)
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """As Process says."""
        if self._exit_code is None and self._has_ended():
            kill_group(self._process.pid)  # before its number is free for others
            self._exit_code = self._process.wait()
        return self._exit_code

    def terminate(self) -> None:
        """As Process says."""
        if self._exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As Process says."""
        if self._exit_code is None:
            kill_group(self._process.pid)

    def owns(self, pid: int) -> bool:
        """As Process says."""
        return self._exit_code is None and pid == self._process.pid

    def _has_ended(self) -> bool:
        if not hasattr(os, "waitid"):  # macOS before Python 3.13
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def execute(
    command: Sequence[str], environment: Mapping[str, str], output_fd: int, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own."""
    shim = (sys.executable, "-I", "-S", "-c", _shim_source(), str(os.getpid()))
    return subprocess.Popen(
        [*shim, *command], env=dict(environment), stdin=subprocess.DEVNULL, stdout=output_fd, stderr=output_fd,
        start_new_session=True, pass_fds=pass_fds,
    )  # fmt: skip


def kill_group(pid: int) -> None:
    """SIGKILL to the group that `pid` leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _shim_source() -> str:
    source = pkgutil.get_data("wattrain_worker.supervisor", "shim.py")
    assert source is not None
    return source.decode()
