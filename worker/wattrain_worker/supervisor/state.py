"""What the ranks of this worker said last, in one struct: the source of /v1/progress, /metrics and the last word."""

from __future__ import annotations

import json
import math
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any, Final

_COUNTS: Final = ("step", "totalSteps", "epoch", "epochs")
_NUMBERS: Final = ("loss", "learningRate", "gradientNorm")
_OBJECTS: Final = ("validation", "test", "resumed", "model", "prepare")
_KEPT_MESSAGES: Final = 20
_LONGEST_TEXT: Final = 1024
_NEWEST_SHARE: Final = 0.1
"""Weight of the newest step in the running mean of step times."""
STEP_SECONDS_BOUNDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the histogram of step times, in seconds."""


class State:
    """The last reports. Any thread may call; nothing here waits for anything but its own lock."""

    def __init__(
        self,
        phase: str,
        first_rank: int | None,
        on_record: Callable[[dict[str, Any]], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`first_rank`: the rank whose steps count; None: the lowest that reports, where torchrun gives the numbers.
        `on_record` gets step, epoch, loss and learningRate of each recorded step, in order, with the evaluation that
        came since the one before."""
        self._lock = threading.Lock()
        self._on_record, self._wall = on_record, wall
        self._values: dict[str, Any] = {"phase": phase, "step": 0}
        self._first_rank, self._lead = first_rank, first_rank
        self._checkpoint: dict[str, Any] | None = None
        self._evaluated: dict[str, Any] = {}
        self._messages: deque[str] = deque(maxlen=_KEPT_MESSAGES)
        self._samples = 0.0
        self._wait_seconds = 0.0
        self._blocked_seconds = 0.0
        self._step_counts = [0] * (len(STEP_SECONDS_BOUNDS) + 1)
        self._step_seconds = 0.0

    def start_generation(self, phase: str) -> None:
        """Forget what belonged to the ranks before; what they had reached stays known until the new ones report."""
        with self._lock:
            self._lead = self._first_rank
            self._values["phase"] = phase
            self._values.pop("resumed", None)
            self._values.pop("stepSeconds", None)

    def set_phase(self, phase: str) -> None:
        """Say what happens where the ranks themselves do not know it."""
        with self._lock:
            self._values["phase"] = phase

    def ingest_datagram(self, datagram: bytes) -> bool:
        """Take one report of a rank, as it came. Whether it held a committed checkpoint; garbage is ignored."""
        try:
            report = json.loads(datagram)
        except (ValueError, RecursionError):
            return False
        return isinstance(report, dict) and self.ingest(report)

    def ingest(self, report: dict[str, Any]) -> bool:
        """Take one report. Whether it held a committed checkpoint. Fields that make no sense are left out."""
        rank = report.get("rank", 0)
        if not _is_count(rank):
            return False
        with self._lock:
            self._add_up(report)
            self._take_objects(report)
            # Ranks go in step; were all heard, the step would jump back and forth between the fast and the slow.
            if self._lead is None or rank < self._lead:
                self._lead = rank
            if rank == self._lead:
                self._take_values(report)
            return self._take_checkpoint(report.get("checkpoint"))

    def progress(self) -> dict[str, Any]:
        """The report's part of /v1/progress: JSON, without what was never said."""
        with self._lock:
            found = {**self._values, "samples": int(self._samples), "messages": list(self._messages)}
            if self._checkpoint is not None:
                found["checkpoint"] = dict(self._checkpoint)
            return found

    def totals(self) -> dict[str, float]:
        """Seconds waited for data (dataWaitSeconds) and for checkpoints (blockedSeconds), samples."""
        with self._lock:
            return {
                "samples": self._samples,
                "dataWaitSeconds": self._wait_seconds,
                "blockedSeconds": self._blocked_seconds,
            }

    def step_histogram(self) -> tuple[list[int], float]:
        """Number of recorded steps by bound of STEP_SECONDS_BOUNDS and beyond, and the sum of their seconds."""
        with self._lock:
            return list(self._step_counts), self._step_seconds

    def _add_up(self, report: dict[str, Any]) -> None:
        self._samples += _amount(report.get("samples"))
        self._wait_seconds += _amount(report.get("dataWaitSeconds"))

    def _take_objects(self, report: dict[str, Any]) -> None:
        for name in _OBJECTS:
            value = report.get(name)
            if isinstance(value, dict):
                self._values[name] = _without_nonsense(value)
        if "validation" in report and "validation" in self._values:
            self._evaluated = {"validation": self._values["validation"]}
        message = report.get("message")
        if isinstance(message, str) and message:
            self._messages.append(message[:_LONGEST_TEXT])

    def _take_values(self, report: dict[str, Any]) -> None:
        for name in _COUNTS:
            if _is_count(report.get(name)):
                self._values[name] = int(report[name])
        for name in _NUMBERS:
            if _is_number(report.get(name)):
                self._values[name] = report[name]
        phase = report.get("phase")
        if isinstance(phase, str) and phase:
            self._values["phase"] = phase[:32]
        if _is_number(report.get("stepSeconds")):
            mean = self._values.get("stepSeconds", report["stepSeconds"])
            self._values["stepSeconds"] = mean + _NEWEST_SHARE * (report["stepSeconds"] - mean)
            self._step_counts[bisect_left(STEP_SECONDS_BOUNDS, report["stepSeconds"])] += 1
            self._step_seconds += _amount(report["stepSeconds"])
        if _is_number(report.get("loss")):
            names = ("step", "epoch", "loss", "learningRate")
            self._on_record({**{n: self._values[n] for n in names if n in self._values}, **self._evaluated})
            self._evaluated = {}

    def _take_checkpoint(self, checkpoint: Any) -> bool:
        if not isinstance(checkpoint, dict) or not _is_count(checkpoint.get("step")):
            return False
        self._blocked_seconds += _amount(checkpoint.get("blockedSeconds"))
        self._checkpoint = {**_without_nonsense(checkpoint), "time": self._wall()}
        return True


def _is_number(value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**63
    return isinstance(value, float) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _amount(value: Any) -> float:
    return float(value) if _is_number(value) and value > 0 else 0.0


def _without_nonsense(value: dict[str, Any]) -> dict[str, Any]:
    """Without numbers that JSON does not know: one of them would make the whole answer unreadable."""

    def is_sound(item: Any) -> bool:
        if isinstance(item, dict):
            return all(is_sound(i) for i in item.values())
        if isinstance(item, list):
            return all(is_sound(i) for i in item)
        return not isinstance(item, float) or math.isfinite(item)

    return {name: item for name, item in value.items() if is_sound(item)}
