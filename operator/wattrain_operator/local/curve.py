"""The loss over the steps, while they are recorded."""

from __future__ import annotations

import math
from pathlib import Path

from wattrain_api.recorded_steps import RecordedSteps

KEPT_POINTS = 4096


class LossPoints:
    """Points (step, loss) in the order of steps, at most `KEPT_POINTS`: when there are more, every second one goes."""

    def __init__(self) -> None:
        self.points: list[tuple[int, float]] = []
        self._every = 1
        self._taken = 0

    def take(self, step: int, loss: float | None) -> None:
        """One more, if it is a finite number. A step that a restart repeats replaces those from it on."""
        if loss is None or not math.isfinite(loss):
            return
        while self.points and self.points[-1][0] >= step:
            self.points.pop()
        self._taken += 1
        if self._taken % self._every == 0:
            self.points.append((step, loss))
        if len(self.points) > KEPT_POINTS:
            self.points, self._every = self.points[::2], self._every * 2


class LossCurve(LossPoints):
    """Those of a run, from the file of its recorded steps."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._steps = RecordedSteps(file)

    def read_on(self) -> None:
        """Take in what was recorded since."""
        for recorded in self._steps.read_on():
            self.take(recorded.step, recorded.loss)
