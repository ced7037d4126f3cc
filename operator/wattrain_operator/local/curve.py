"""The loss over the steps, while they are recorded."""

from __future__ import annotations

import math
from pathlib import Path

from wattrain_operator.local.recorded_steps import RecordedSteps

KEPT_POINTS = 4096


class LossCurve:
    """Points (step, loss) in the order of steps, at most `KEPT_POINTS`: when there are more, every second one goes."""

    def __init__(self, file: Path) -> None:
        self.points: list[tuple[int, float]] = []
        self._steps = RecordedSteps(file)
        self._every = 1
        self._lines = 0

    def read_on(self) -> None:
        """Take in what was recorded since. Steps that a restart repeats replace the ones before."""
        for recorded in self._steps.read_on():
            if recorded.loss is not None and math.isfinite(recorded.loss):
                self._take(recorded.step, recorded.loss)

    def _take(self, step: int, loss: float) -> None:
        while self.points and self.points[-1][0] >= step:
            self.points.pop()
        self._lines += 1
        if self._lines % self._every == 0:
            self.points.append((step, loss))
        if len(self.points) > KEPT_POINTS:
            self.points, self._every = self.points[::2], self._every * 2
