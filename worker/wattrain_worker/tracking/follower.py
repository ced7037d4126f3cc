"""Follows metrics.jsonl, and hands what is new to a tracker until the supervisor ends."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Protocol

from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_worker.tracking.position import Position
from wattrain_worker.tracking.tracked_end import TrackedEnd

_LINES_AT_ONCE: Final = 100
_LOOK_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_LAST_PAUSE_SECONDS: Final = 0.5
"""Between tries when the supervisor ends."""
_LEFT_FOR_NOTICE_SECONDS: Final = 0.5
_LONGEST_END_BYTES: Final = 65_536


class TrackingError(Exception):
    """A tracker does not take the figures; the message says which, why, and what to do."""


class Tracker(Protocol):
    """Where figures go."""

    def send(self, lines: Sequence[RecordedStep]) -> None:
        """Track `lines`, which may have been sent before, as a whole or in part, and may repeat steps. TrackingError:
        they are to be sent again."""

    def finish(self, end: TrackedEnd) -> None:
        """Say how it ended, after the last line. TrackingError: it is to be said again."""


class Follower:
    """One tracker's way through metrics.jsonl."""

    def __init__(
        self, steps: RecordedSteps, position: Position, tracker: Tracker, end_fd: int, notify: Callable[[str], None]
    ) -> None:
        """`steps` is read from where `position` is. `end_fd`: a pipe on which the supervisor says its end; if it is
        closed without that, the supervisor has died. `notify` hears once that figures are not taken."""
        self._steps, self._position, self._tracker = steps, position, tracker
        self._end_fd, self._notify = end_fd, notify
        self._waiting: list[RecordedStep] = []
        self._end: TrackedEnd | None = None
        self._deadline: float | None = None
        self._pause_seconds = 0.0
        self._told = False

    def follow(self) -> bool:
        """Until the supervisor has ended. Whether all has been tracked."""
        while True:
            try:
                has_more = self._send_some()
                if self._end is not None and not has_more:
                    self._tracker.finish(self._end)
                    return True
                self._pause_seconds = 0.0 if has_more else _LOOK_SECONDS
            except TrackingError as error:
                self._notify_once(str(error))
                self._pause_seconds = min(_LONGEST_PAUSE_SECONDS, 2 * max(_LOOK_SECONDS, self._pause_seconds))
            if self._deadline is not None and time.monotonic() >= self._deadline:
                self._notify_once("it was too slow to take all figures until the end of the job; record fewer steps")
                return False
            if not self._wait():
                return False

    def _send_some(self) -> bool:
        """Whether there is more to send now."""
        if not self._waiting:
            self._waiting = list(islice(self._steps.read_on(), _LINES_AT_ONCE))
        if not self._waiting:
            return False
        self._tracker.send(self._waiting)
        self._waiting = []
        self._position.save(self._steps.offset_bytes)
        return True

    def _wait(self) -> bool:
        """For the next look, or the end. Whether the supervisor is still there, or has said how it ended."""
        if self._end is not None:
            time.sleep(min(self._pause_seconds, _LAST_PAUSE_SECONDS))
            return True
        if not select.select([self._end_fd], [], [], self._pause_seconds)[0]:
            return True
        self._end = decode_json(TrackedEnd, _read_all(self._end_fd))
        if self._end is None:
            return False
        self._deadline = time.monotonic() + max(0.0, self._end.seconds - _LEFT_FOR_NOTICE_SECONDS)
        self._pause_seconds = 0.0
        return True

    def _notify_once(self, sentence: str) -> None:
        if not self._told:
            self._told = True
            self._notify(sentence)


def _read_all(descriptor: int) -> bytes:
    """What is said until the other side closes."""
    data = b""
    while len(data) < _LONGEST_END_BYTES and (chunk := os.read(descriptor, 4096)):
        data += chunk
    return data
