"""The loss over the steps, read from metrics.jsonl while it grows."""

from __future__ import annotations

import json
from pathlib import Path

KEPT_POINTS = 4096


class LossCurve:
    """Points (step, loss) in the order of steps, at most `KEPT_POINTS`: when there are more, every second one goes."""

    def __init__(self, file: Path) -> None:
        self.points: list[tuple[int, float]] = []
        self._file = file
        self._offset = 0
        self._every = 1
        self._lines = 0

    def read_on(self) -> None:
        """Take in the whole lines that have been added. Steps that a restart repeats replace the ones before."""
        try:
            with self._file.open("rb") as stream:
                stream.seek(self._offset)
                added = stream.read()
        except FileNotFoundError:
            return
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._take(line)

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            step, loss = int(record["step"]), float(record["loss"])
        except (ValueError, KeyError, TypeError):
            return  # a line that a killed supervisor tore
        while self.points and self.points[-1][0] >= step:
            self.points.pop()
        self._lines += 1
        if self._lines % self._every == 0:
            self.points.append((step, loss))
        if len(self.points) > KEPT_POINTS:
            self.points, self._every = self.points[::2], self._every * 2
