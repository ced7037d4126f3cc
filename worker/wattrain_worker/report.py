"""What a training script tells about itself, `report(step=120, loss=0.31)`, and what it is asked: `should_stop()`.

docs/python.md is about both.

Standard library only, Python >= 3.9. A call costs a few microseconds, never blocks and never raises; outside of
Wattrain it does nothing, so that the same script runs anywhere.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections import deque
from types import FrameType
from typing import Any, Final

from wattrain_api.names import ENV_REPORT_SOCKET

_MAX_BYTES: Final = 8192
_MAX_WAITING: Final = 10_000
_LAST_CHANCE_SECONDS: Final = 1.0
_SEND_BUFFER_BYTES: Final = 1 << 20


def report(**fields: object) -> None:
    """Tell the supervisor of this worker how far the training is.

    Fields, all optional, are those of `wattrain_api.contract.progress.RankReport`, which docs/worker-contract.md lists
    under "Reports of a rank": step, total_steps, loss, samples (of this rank since its last report) and more. Others
    are ignored by the supervisor. Names in snake_case are sent in camelCase. Values may be anything that `float` takes,
    such as a tensor with one element; objects such as validation are dicts.

    A report of more than 8 KiB is dropped.
    """
    with contextlib.suppress(Exception):  # measuring must never fail a training
        reporter = _reporter or _connect()
        if reporter.socket is not None:
            reporter.send(fields)


def checkpoint_saved(step: int, path: str | None = None, seconds: float | None = None) -> None:
    """Tell the supervisor that a checkpoint of the script's own is written: the state after `step`, in the file or
    directory `path`, which took `seconds`.

    From then on what is lost by a failure counts from `step`, and failures before it no longer count against
    `policy.maxRestarts`. So say it once the checkpoint is whole, and from one rank alone. As `report`, it never raises.
    """
    told = {"step": step, "path": path, "seconds": seconds}
    report(checkpoint={name: value for name, value in told.items() if value is not None})


def should_stop() -> bool:
    """Whether this process has been asked to stop: it is to save a checkpoint and exit with 143.

    The first call begins to listen to SIGTERM, which then no longer ends the process; call it before the first step.
    A handler that was there before is called too. In another thread than the main one it cannot begin to listen, and
    answers False until the main thread has called it. Each rank hears of it by itself, maybe at different steps: with
    collective operations between the ranks, have them agree (docs/python.md shows how).
    """
    if not _stop.listens and threading.current_thread() is threading.main_thread():
        _stop.listen()
    return _stop.is_requested


class _Stop:
    """SIGTERM as something to ask for."""

    def __init__(self) -> None:
        self.is_requested = self.listens = False
        self._before: Any = None

    def listen(self) -> None:
        self.listens = True
        self._before = signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.is_requested = True
        if callable(self._before):
            self._before(number, frame)


_stop: Final = _Stop()


def wait_until_taken() -> None:
    """Wait a moment for the supervisor to take what was reported: for what is said seldom, which no next report takes
    along."""
    if _reporter is not None:
        _reporter.last_chance()


class _Reporter:
    """A socket to the supervisor, and what it did not take yet: some kernels queue no more than ten datagrams."""

    def __init__(self, sender: socket.socket | None, rank: int) -> None:
        self.socket = sender
        self._rank = rank
        self._encode = json.JSONEncoder(separators=(",", ":"), default=float).encode
        self._waiting: deque[bytes] = deque(maxlen=_MAX_WAITING)
        self._lock = threading.Lock()

    def send(self, fields: dict[str, object]) -> None:
        message: dict[str, object] = {"rank": self._rank}
        message.update({_NAMES.get(name) or _camel_case(name): value for name, value in fields.items()})
        datagram = self._encode(message).encode()
        if len(datagram) <= _MAX_BYTES:
            self._waiting.append(datagram)
            self._flush()

    def _flush(self) -> None:
        """Send what waits, in order, until the supervisor's queue is full."""
        # Whoever does not get the lock leaves: the one that has it looks again after letting go, or else what came
        # between its last look and that would wait for the next call, which a killed process never makes.
        while self._waiting and self.socket is not None and self._lock.acquire(blocking=False):
            try:
                if not self._send_waiting(self.socket):
                    return
            finally:
                self._lock.release()

    def _send_waiting(self, sender: socket.socket) -> bool:
        """Whether all of it could be sent, or never can."""
        try:
            while self._waiting:
                sender.send(self._waiting[0])
                self._waiting.popleft()
        except BlockingIOError:
            return False
        except OSError:  # the supervisor is gone
            self._waiting.clear()
        return True

    def last_chance(self) -> None:
        """Before the process ends, wait a moment for the supervisor to take the rest."""
        deadline = time.monotonic() + _LAST_CHANCE_SECONDS
        self._flush()
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.002)
            self._flush()


_reporter: _Reporter | None = None
_NAMES: Final[dict[str, str]] = {}
"""Names that have been converted."""


def _connect() -> _Reporter:
    global _reporter
    try:
        _reporter = _Reporter(_open_socket(), int(os.environ.get("RANK") or 0))
        atexit.register(_reporter.last_chance)
    except Exception:  # no such socket, a system without them, a rank that is no number: report nothing
        _reporter = _Reporter(None, 0)
    return _reporter


def _open_socket() -> socket.socket | None:
    path = os.environ.get(ENV_REPORT_SOCKET)
    if not path:
        return None
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.setblocking(False)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    sender.connect(path)
    return sender


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    converted = first + "".join(word[:1].upper() + word[1:] for word in rest)
    _NAMES[name] = converted
    return converted
