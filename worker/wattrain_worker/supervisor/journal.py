"""metrics.jsonl: one line a recorded step, by worker 0."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from wattrain_api.contract.codec import encode, encode_json, to_json
from wattrain_api.contract.progress import Progress
from wattrain_api.contract.recorded_step import RecordedStep

_FLUSH_SECONDS: Final = 0.5


class GroupFigures(NamedTuple):
    """What a line says of the group, besides the step itself."""

    attempt: int | None = None
    generation: int | None = None
    watts: float | None = None
    joules: float | None = None
    low_joules: float | None = None
    high_joules: float | None = None
    samples_per_second: float | None = None


class Journal:
    """Keeps lines and appends them at most every half second: a write a step would cost more than the step."""

    def __init__(
        self, path: str, on_failure: Callable[[str, OSError], None], wall: Callable[[], float] = time.time
    ) -> None:
        """`path` "": nothing is written. `on_failure` hears once, with the path, why no more steps are recorded."""
        self._path, self._on_failure, self._wall = path, on_failure, wall
        self._is_mended = False
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._written_at = 0.0
        self._figures = GroupFigures()

    def set_figures(self, figures: GroupFigures) -> None:
        """What belongs to every line until it is said anew."""
        with self._lock:
            self._figures = figures

    def record(self, steps: Sequence[RecordedStep]) -> None:
        """Note recorded steps, of which nothing is said yet that `GroupFigures` or the time say."""
        if not self._path or not steps:
            return
        with self._lock:
            shared = self._shared()  # encoded once: it is most of each line
            self._lines.extend(encode_json(step)[:-1] + shared for step in steps)

    def record_end(self, progress: Progress) -> None:
        """Note how far the ranks have come at last, if they have reported anything."""
        if progress.step:
            self.record([RecordedStep(step=progress.step, epoch=progress.epoch, phase=progress.phase)])

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
            self._append(b"".join(lines))
        except OSError as error:
            path, self._path = self._path, ""
            self._on_failure(path, error)

    def _shared(self) -> bytes:
        """The rest of a line after what is of its step alone."""
        line = encode(RecordedStep(step=0, time=self._wall(), **self._figures._asdict()))
        del line["step"]
        return b"," + to_json(line)[1:] + b"\n"

    def _append(self, data: bytes) -> None:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            if not self._is_mended:
                data = _end_of_torn_line(descriptor) + data
                self._is_mended = True
            while data:
                data = data[os.write(descriptor, data) :]
        finally:
            os.close(descriptor)


def _end_of_torn_line(descriptor: int) -> bytes:
    """What ends a line that a killed supervisor has begun, so that it spoils no line of ours."""
    size = os.fstat(descriptor).st_size
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""
