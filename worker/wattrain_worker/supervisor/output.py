"""The output of a rank: into the log line by line, with its last lines and the numbers in it kept."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from wattrain_api import reasons
from wattrain_api.contract.codec import decode
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_api.contract.metric_pattern import Found, MetricPattern
from wattrain_api.contract.progress import Notice, RankReport
from wattrain_worker.supervisor.kept_log import KeptLog
from wattrain_worker.supervisor.log_notices import say

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


class Log:
    """Where the lines of all ranks go: a file, else the supervisor's own output."""

    def __init__(self, path: str, kept: KeptLog | None = None) -> None:
        """`path` "" means the supervisor's own output, as does a file that cannot be written (said once). `kept` gets
        all lines as well; it is closed here."""
        self._lock = threading.Lock()
        self._kept = kept
        self._fd = 1
        if path:
            try:
                self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                say(f"the log {path} cannot be written ({error.strerror}); the ranks' output goes to this one instead")

    def write(self, data: bytes) -> None:
        """Write whole lines. What cannot be written is lost: a full disk must not stop a training."""
        with self._lock, contextlib.suppress(OSError):
            if self._kept is not None:
                self._kept.write(data)
            while data:
                data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
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
        patterns: Sequence[MetricPattern],
        on_metrics: Callable[[RankReport], object],
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
        self._found_by_name: set[str] = set()
        self._misfits: set[str] = set()

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

    @property
    def has_output(self) -> bool:
        """Whether a line has been read that is not blank."""
        return bool(self._last)

    def last_line(self) -> str:
        """The last line that says something: no rule of dashes, and no library's warning where there is another.
        Of torchrun's report it is the one with the exit code of the rank that failed first."""
        lines = [_RANK_PREFIX.sub("", line.decode(errors="replace").strip()) for line in list(self._last)]
        readable = [line for line in lines if re.search(r"\w", line)]
        telling = [line for line in readable if not _LIBRARY_NOTICE.match(line)]
        causes = [line for line in telling if _TORCHRUN_CAUSE.match(line)]
        return (causes or telling or readable or lines or [""])[-1][:_LONGEST_TEXT]

    def last_lines(self, most: int) -> list[str]:
        """At most so many of the last lines that are not blank."""
        return [line.decode(errors="replace").rstrip() for line in list(self._last)[-most:]]

    def _take(self, lines: list[bytes]) -> None:
        if not lines:
            return
        self._log.write(b"".join(self._prefix + line + b"\n" for line in lines))
        self._last.extend(line[: 4 * _LONGEST_TEXT] for line in lines if line.strip())
        if self._patterns:
            for line in lines:
                self._look_for_metrics(line[: 4 * _LONGEST_TEXT].decode(errors="replace"))

    def _look_for_metrics(self, line: str) -> None:
        found = {pattern.metric: hit.value for pattern in self._patterns if (hit := self._search(pattern, line))}
        if "loss" in found and all(pattern.metric != "step" for pattern in self._patterns):
            self._losses += 1  # without a step there would be no progress to see: each loss is taken for one
            found["step"] = self._losses
        report = decode(RankReport, found)
        if report is not None:
            self._on_metrics(replace(report, rank=self._rank))

    def _search(self, pattern: MetricPattern, line: str) -> Found | None:
        """What `pattern` finds. In a longer name it is taken only as long as the name alone has not been seen: where
        loss= is printed, val_loss= is something else."""
        found = pattern.search(line)
        if found is None or (found.in_word and pattern.metric in self._found_by_name):
            return None
        if not found.in_word:
            self._found_by_name.add(pattern.metric)
        if found.misfit and pattern.metric not in self._misfits:
            self._misfits.add(pattern.metric)
            notice = Notice(reasons.PATTERN_MISFIT, one_line(found.misfit, LINE_CHARACTERS))
            self._on_metrics(RankReport(rank=self._rank, notice=notice))
        return found
