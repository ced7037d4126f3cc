"""A background process whose life is bound to ours, and waiting for what it does."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: between fork and exec it may deadlock
Check = Callable[[], object]


class DaemonError(Exception):
    """A process ended or did not become ready; with the end of its log."""


def wait_for(check: Check, *, seconds: float, what: str, every_seconds: float = 0.05) -> None:
    """Return when `check()` is true; DaemonError with `what` and its last error after `seconds`.

    An OSError of `check` means no: whom it asks may not be there yet.
    """
    deadline, error = time.monotonic() + seconds, None
    while True:
        try:
            if check():
                return
            error = None
        except OSError as caught:
            error = caught
        if time.monotonic() > deadline:
            raise DaemonError(f"waited {seconds:g} s for {what}" + (f": {error}" if error else ""))
        time.sleep(every_seconds)


class Daemon:
    """A process that writes to a log file, in a session of its own, so that Ctrl-C reaches us alone.

    On Linux it is killed by the kernel when the thread that started it ends, however that comes about.
    """

    def __init__(self, name: str, command: Sequence[str | Path], log: Path):
        self.name, self.log = name, log
        self._command = [str(word) for word in command]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; DaemonError where it was never started."""
        if self._process is None:
            raise DaemonError(f"{self.name} is not started")
        return self._process.pid

    def start(self, ready: Check, *, seconds: float = 60) -> None:
        """Start it and wait until `ready()`; DaemonError with the end of its log where it is not."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        try:
            wait_for(lambda: self._ended() or ready(), seconds=seconds, what=f"{self.name} to become ready")
        except DaemonError as error:
            raise DaemonError(f"{error}\n{self.tail()}") from None
        if self._ended():
            raise DaemonError(f"{self.name} ended with {self._process.returncode}:\n{self.tail()}")

    def stop(self, *, seconds: float = 10) -> None:
        """Ask it to end, and kill it where it does not within `seconds`."""
        if self._process is None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    def freeze(self) -> None:
        """Stop it where it stands (SIGSTOP): its connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on after freeze()."""
        self._signal(signal.SIGCONT)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError, FileNotFoundError):  # it ended just now
                os.kill(self._target(), number)

    def _target(self) -> int:
        """The process that signals are meant for."""
        return self.pid


def children_of(pid: int) -> list[int]:
    """Processes that the first thread of `pid` has started, by their numbers in our namespace."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def die_with_parent() -> None:
    """`preexec_fn` of a process that the kernel shall kill with the thread that starts it; on Linux alone."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
