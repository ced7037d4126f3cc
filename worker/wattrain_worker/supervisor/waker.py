"""Waiting until something happens: a signal, the end of a rank, a reply, or the end of a time."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from typing import Final

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Waker:
    """A pipe that the main thread waits on. (An Event's lock could be held by the code that a signal interrupts.)"""

    def __init__(self) -> None:
        self.stop_requested = False
        """Whether SIGTERM or SIGINT came, or the launcher is gone."""
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    def catch_signals(self) -> None:
        """From the main thread: note requests to stop, and wake for the end of a child."""
        signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: self.request_stop())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler there would be no byte in the pipe

    def watch_parent(self, parent_fd: int) -> None:
        """Take the end of file on `parent_fd` for a request to stop."""
        threading.Thread(target=self._watch, args=(parent_fd,), name="wattrain-parent", daemon=True).start()

    def request_stop(self) -> None:
        """Note that the supervisor is to end. Any thread, any signal handler."""
        self.stop_requested = True
        self.wake()

    def wake(self) -> None:
        """End the current or next wait. Any thread, any signal handler."""
        with contextlib.suppress(BlockingIOError):  # full: it wakes anyway
            os.write(self._write_fd, b"\0")

    def wait(self, seconds: float) -> bool:
        """Return when something has happened, and then True; after `seconds` at the latest."""
        if not select.select([self._read_fd], [], [], max(0.0, seconds))[0]:
            return False
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read_fd, 4096):
                pass
        return True

    def _watch(self, parent_fd: int) -> None:
        with contextlib.suppress(OSError):
            os.set_inheritable(parent_fd, False)
            while os.read(parent_fd, 4096):
                pass
        self.request_stop()
