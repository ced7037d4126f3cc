"""The loss over the steps, while they are recorded."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.kinds import count, figure
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


@dataclass(frozen=True)
class _RecordedLoss:
    """What a point needs of a line of metrics.jsonl: all of it would take four times as long to read."""

    step: int = field(metadata=count())
    loss: float | None = field(default=None, metadata=figure())


class LossCurve(LossPoints):
    """Those of a run, from the file of its recorded steps."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._steps = RecordedSteps(file)

    def read_on(self) -> None:
        """Take in what was recorded since."""
        for line in self._steps.read_lines_on():
            recorded = decode_json(_RecordedLoss, line)
            if recorded is not None:
                self.take(recorded.step, recorded.loss)
