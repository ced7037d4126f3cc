"""The socket that takes the reports of the ranks, read by a thread of its own."""

from __future__ import annotations

import atexit
import select
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from wattrain_worker.supervisor.log_notices import say

_MAX_BYTES = 8192
_POLL_SECONDS = 0.5
_RECEIVE_BUFFER_BYTES = 1 << 20


class Inbox:
    """A Unix datagram socket. Without one (no writable directory, no such sockets) the ranks report nothing."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        """`take` gets every datagram, in the order of arrival, from one thread at a time."""
        self._take = take
        self._lock = threading.Lock()
        self._stopping = False
        self.directory: str | None = None
        """A directory of the supervisor's own; None: there is none."""
        self._socket: socket.socket | None = None
        try:
            self.directory = tempfile.mkdtemp(prefix="wattrain-")
            atexit.register(self._close)  # however the supervisor ends, short of SIGKILL
            self.path = str(Path(self.directory) / "report")
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            self._socket.bind(self.path)
            self._socket.setblocking(False)
        except (OSError, AttributeError) as error:
            say(f"the ranks cannot report ({error}); the training goes on without progress and metrics")
            self.path = ""
            self._close()
        self._thread = threading.Thread(target=self._run, name="wattrain-inbox", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        if self._socket is not None:
            self._thread.start()

    def drain(self) -> None:
        """Take all that has arrived: after a rank has ended, its last reports are in."""
        if self._socket is not None:
            with self._lock:
                while self._take_one():
                    pass

    def stop(self) -> None:
        """Take the rest, end the thread and remove the socket."""
        self.drain()
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * _POLL_SECONDS)
        self._close()

    def _run(self) -> None:
        receiver = self._socket
        while receiver is not None and not self._stopping:
            arrived, _, _ = select.select([receiver], [], [], _POLL_SECONDS)
            if arrived:
                self.drain()

    def _take_one(self) -> bool:
        assert self._socket is not None
        try:
            datagram = self._socket.recv(_MAX_BYTES + 1)
        except OSError:  # nothing there
            return False
        if len(datagram) <= _MAX_BYTES:
            self._take(datagram)
        return True

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self.directory is not None:
            shutil.rmtree(self.directory, ignore_errors=True)
            self.directory = None
