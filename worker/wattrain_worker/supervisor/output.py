"""The output of a rank: into the log line by line, with its last lines and the numbers in it kept."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from wattrain_worker.supervisor.notices import say

_CHUNK_BYTES: Final = 65_536
_LONGEST_LINE_BYTES: Final = 65_536
_LONGEST_TEXT: Final = 1024
_KEPT_LINES: Final = 16
_LINE_END: Final = re.compile(rb"\r\n|\r(?!\Z)|\n")
"""Progress bars end their lines with a carriage return; one at the end of a chunk may be half of a line end."""
_RANK_PREFIX: Final = re.compile(r"^\[rank\d+\]:\s*")
_TORCHRUN_CAUSE: Final = re.compile(r"^exitcode\s*: .*\(pid: \d+\)")
_LIBRARY_NOTICE: Final = re.compile(r"^\[?[WI]\d{4} ")
"""Warnings that PyTorch's C++ side prints at exit, after the line that says what happened."""

Patterns = Sequence["tuple[str, re.Pattern[str]]"]


class Log:
    """Where the lines of all ranks go: a file, else the supervisor's own output."""

    def __init__(self, path: str) -> None:
        """`path` "" means the supervisor's own output, as does a file that cannot be written (said once)."""
        self._lock = threading.Lock()
        self._fd = 1
        if path:
            try:
                self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                say(f"the log {path} cannot be written ({error.strerror}); the ranks' output goes to this one instead")

    def write(self, data: bytes) -> None:
        """Write whole lines. What cannot be written is lost: a full disk must not stop a training."""
        with self._lock, contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Close the file."""
        if self._fd != 1:
            os.close(self._fd)
            self._fd = 1


class Reader(threading.Thread):
    """Reads one rank's output until its end."""

    def __init__(
        self,
        rank: int,
        pipe_fd: int,
        log: Log,
        patterns: Patterns,
        on_metrics: Callable[[dict[str, Any]], object],
        label: str = "",
    ) -> None:
        """Takes over `pipe_fd`. `on_metrics` gets what `patterns` find in a line, as a report of the rank. In the log
        its lines begin with `label`, or the rank."""
        super().__init__(name=f"wattrain-output-{rank}", daemon=True)
        self._rank, self._pipe_fd, self._log = rank, pipe_fd, log
        self._patterns, self._on_metrics = patterns, on_metrics
        self._prefix = f"[{label or f'rank {rank}'}] ".encode()
        self._last: deque[bytes] = deque(maxlen=_KEPT_LINES)
        self._losses = 0

    def run(self) -> None:
        """Read until the rank, and whoever else it gave its output to, has closed it."""
        rest = b""
        while True:
            try:
                chunk = os.read(self._pipe_fd, _CHUNK_BYTES)
            except OSError:
                chunk = b""
            *lines, rest = _LINE_END.split(rest + chunk) if chunk else ([rest.rstrip(b"\r")] if rest else []) + [b""]
            if len(rest) > _LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            self._take(lines)
            if not chunk:
                break
        os.close(self._pipe_fd)

    def last_line(self) -> str:
        """The last line that says something: no rule of dashes, and no library's warning where there is another.
        Of torchrun's report it is the one with the exit code of the rank that failed first."""
        lines = [_RANK_PREFIX.sub("", line.decode(errors="replace").strip()) for line in list(self._last)]
        readable = [line for line in lines if re.search(r"\w", line)]
        telling = [line for line in readable if not _LIBRARY_NOTICE.match(line)]
        causes = [line for line in telling if _TORCHRUN_CAUSE.match(line)]
        return (causes or telling or readable or lines or [""])[-1][:_LONGEST_TEXT]

    def _take(self, lines: list[bytes]) -> None:
        if not lines:
            return
        self._log.write(b"".join(self._prefix + line + b"\n" for line in lines))
        self._last.extend(line[: 4 * _LONGEST_TEXT] for line in lines if line.strip())
        if self._patterns:
            for line in lines:
                self._look_for_metrics(line[: 4 * _LONGEST_TEXT].decode(errors="replace"))

    def _look_for_metrics(self, line: str) -> None:
        found: dict[str, Any] = {}
        for metric, pattern in self._patterns:
            match = pattern.search(line)
            if match:
                with contextlib.suppress(ValueError, TypeError):  # a group that holds no number
                    found[metric] = float(match[1])
        if "loss" in found and all(metric != "step" for metric, _ in self._patterns):
            self._losses += 1  # without a step there would be no progress to see: each loss is taken for one
            found["step"] = self._losses
        if found:
            self._on_metrics({**found, "rank": self._rank})
