"""What there is to see of a run and its jobs, and what a view of it must be able to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wattrain_api.contract.progress import Progress
from wattrain_api.status import TrainingJobStatus
from wattrain_api.training import EvaluationMetric
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import Event


@dataclass(frozen=True)
class Opening:
    """What is known of a job before the first worker starts."""

    job: TrainingJob
    directory: Path | None
    """Of its run; None: it runs on a cluster."""
    metrics_url: str
    """Empty: the command itself serves none."""
    resumed: bool
    notes: tuple[str, ...] = ()
    page_url: str = ""
    """Of the page that draws the run; empty: none was asked for."""

    @property
    def place(self) -> str:
        """Where it runs, for a person."""
        return f"namespace {self.job.metadata.namespace}" if self.directory is None else str(self.directory)

    @property
    def watched(self) -> EvaluationMetric | None:
        """What the job watches of its evaluations."""
        training = self.job.spec.training
        return None if training is None else training.watched_metric

    @property
    def addresses(self) -> list[tuple[str, str]]:
        """What the command itself serves, each with what it is."""
        known = (("metrics", self.metrics_url), ("page", self.page_url))
        return [(what, address) for what, address in known if address]


@dataclass(frozen=True)
class ViewModel:
    """A job at one moment."""

    status: TrainingJobStatus
    progress: Progress | None = None
    """What worker 0 (or the preparation) said last."""
    losses: Sequence[tuple[int, float]] = ()
    """Points (step, loss) in the order of steps."""


@dataclass(frozen=True)
class Result:
    """How the run of a job ended."""

    status: TrainingJobStatus
    exit_code: int
    sentences: tuple[str, ...]
    """What has happened and what can be done now."""
    receipt: Path | None = None


class View(Protocol):
    """Shows a run to somebody. Called from one thread, `show` up to ten times a second for each job, which is given by
    its name."""

    def begin(self, openings: Sequence[Opening]) -> None:
        """Before the first worker starts: the jobs that will run."""

    def show(self, job: str, seen: ViewModel) -> None:
        """The job now."""

    def event(self, job: str, event: Event) -> None:
        """Something has happened to the job."""

    def end(self, job: str, result: Result) -> None:
        """Nothing more will come of this job. For one that has nothing to do it comes before `begin`."""

    def close(self) -> None:
        """Give the terminal back, whatever happened; `end` may not have been called."""


def notes_of(openings: Sequence[Opening]) -> list[str]:
    """What is to be noted, each once; where it is not true of all jobs, with the names of those that it is true of."""
    told = []
    for note in dict.fromkeys(note for opening in openings for note in opening.notes):
        jobs = [opening.job.metadata.name for opening in openings if note in opening.notes]
        told.append(note if len(jobs) == len(openings) else f"{', '.join(jobs)}: {note}")
    return told
