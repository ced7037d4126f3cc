"""What there is to see of a run, and what a view of it must be able to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import Event
from wattrain_operator.sound import Json


@dataclass(frozen=True)
class Opening:
    """What is known before the first worker starts."""

    job: TrainingJob
    directory: Path
    metrics_url: str
    resumed: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """The run at one moment."""

    status: TrainingJobStatus
    progress: Json = field(default_factory=dict)
    """What `/v1/progress` of worker 0 (or of the preparation) said last."""
    losses: Sequence[tuple[int, float]] = ()
    """Points (step, loss) in the order of steps."""


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    status: TrainingJobStatus
    exit_code: int
    sentences: tuple[str, ...]
    """What has happened and what can be done now."""
    receipt: Path | None = None


class View(Protocol):
    """Shows a run to somebody. Called from one thread, `show` up to ten times a second."""

    def begin(self, opening: Opening) -> None:
        """Before the first worker starts."""

    def show(self, look: Look) -> None:
        """Now."""

    def tell(self, event: Event) -> None:
        """Something has happened."""

    def end(self, result: Result) -> None:
        """Nothing more will come."""

    def close(self) -> None:
        """Give the terminal back, whatever happened; `end` may not have been called."""
