"""metrics.jsonl: one line a recorded step, by worker 0."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from wattrain_worker.supervisor.notices import say

_FLUSH_SECONDS: Final = 0.5


class Journal:
    """Keeps lines and appends them at most every half second: a write a step would cost more than the step."""

    def __init__(self, path: str, wall: Callable[[], float] = time.time) -> None:
        """`path` "": nothing is written."""
        self._path, self._wall = path, wall
        self._lock = threading.Lock()
        self._lines: list[str] = []
        self._written_at = 0.0
        self._common: dict[str, Any] = {}

    def set_common(self, **fields: Any) -> None:
        """What belongs to every line until it is said anew: the group's figures, attempt, generation."""
        with self._lock:
            self._common = fields

    def record(self, step: dict[str, Any]) -> None:
        """Note a recorded step: step, epoch, loss, learningRate."""
        if self._path:
            with self._lock:
                self._lines.append(json.dumps({"time": self._wall(), **step, **self._common}))

    def flush(self, *, now: bool = False) -> None:
        """Append what is there, if the last time is half a second ago, or `now`."""
        if not now and time.monotonic() - self._written_at < _FLUSH_SECONDS:
            return
        with self._lock:
            lines, self._lines = self._lines, []
        if not lines:
            return
        self._written_at = time.monotonic()
        try:
            self._append("".join(f"{line}\n" for line in lines).encode())
        except OSError as error:
            say(f"{self._path} cannot be written ({error.strerror}); no more steps are recorded there")
            self._path = ""

    def _append(self, data: bytes) -> None:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)
