"""`status` of a TrainingJob: how far it is, in the shape that the API server stores and the run's directory holds.

All of it is frozen and hashable (tuples, no maps), so that a decision is compared with `==` and a walk over all
states can remember where it has been.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, PlainSerializer

from wattrain_api.base import Model


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(_rfc3339, when_used="json")]
"""Time in UTC with whole seconds, as Kubernetes writes it."""
Text = Annotated[str, Field(max_length=4096)]
Count = Annotated[int, Field(ge=0)]

State = Literal[
    "Pending",
    "Queued",
    "Preparing",
    "Starting",
    "Running",
    "Restarting",
    "Suspending",
    "Suspended",
    "Complete",
    "Failed",
]


class Condition(Model):
    """One question about the job and its answer, as Kubernetes conditions are."""

    type: Annotated[str, Field(max_length=316)]
    """The question."""
    status: Literal["True", "False", "Unknown"]
    """The answer."""
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
    """Why, in one CamelCase word."""
    message: Text = ""
    """Why, in a sentence."""
    observed_generation: int = 0
    """Generation of the spec that was answered about."""
    last_transition_time: Time
    """When status last changed."""


class Restart(Model):
    """One restart of the group, explained."""

    time: Time
    """When the failure was seen."""
    attempt: Count
    """Attempt that ended, or in which the group restarted in place."""
    generation: Count = 0
    """Start of the group within the attempt that ended."""
    in_place: bool = False
    """Whether the same workers went on."""
    counted: bool = True
    """Whether it counts against maxRestarts; disruptions do not."""
    rank: int | None = None
    """Rank that failed first."""
    node: Annotated[str, Field(max_length=253)] = ""
    """Machine it ran on."""
    reason: Annotated[str, Field(max_length=64)]
    """Why, in one CamelCase word."""
    exit_code: int | None = None
    """Exit code of the rank; negative: the signal that ended it."""
    last_line: Annotated[str, Field(max_length=1024)] = ""
    """The rank's last line of output."""
    step: Count = 0
    """Step that had been reached."""
    resumed_from_step: Count = 0
    """Step of the checkpoint that the next start begins from."""
    joules_lost: float = 0.0
    """Energy spent since that checkpoint, which must be computed again, and then until the group trained again."""
    recovery_seconds: Count | None = None
    """Seconds until the group trained again; unset while it does not."""


class WorkerCounts(Model):
    """Workers of the current attempt."""

    desired: Count = 0
    ready: Count = 0
    failed: Count = 0
    updated_time: Time | None = None


class Metrics(Model):
    """Result of an evaluation."""

    step: Count = 0
    loss: float | None = None
    accuracy: float | None = None


class Progress(Model):
    """How far the training is."""

    phase: Annotated[str, Field(max_length=32)] = ""
    """What the ranks do now: starting, training, evaluating, checkpointing, exporting, done."""
    epoch: Count = 0
    step: Count = 0
    total_steps: Count = 0
    loss: float | None = None
    learning_rate: float | None = None
    validation: Metrics | None = None
    samples_per_second: float | None = None
    percent: float | None = None
    eta_seconds: float | None = None
    updated_time: Time | None = None


class CheckpointStatus(Model):
    """The newest committed checkpoint."""

    step: Count
    joules: float = 0.0
    """The job's ledger when it was committed."""
    time: Time | None = None


class Meter(Model):
    """Energy of one component by one source."""

    component: Annotated[str, Field(max_length=16)]
    """cpu, memory, gpu, module."""
    source: Annotated[str, Field(max_length=16)]
    """nvml, rapl or model."""
    joules: float = 0.0
    low_joules: float = 0.0
    high_joules: float = 0.0


class EnergyStatus(Model):
    """The job's ledger: all ranks, all attempts, the preparation."""

    joules: float = 0.0
    """Energy of the whole job so far."""
    low: float = 0.0
    """The least that it may have been, in joules."""
    high: float = 0.0
    """The most that it may have been, in joules."""
    watts: float = 0.0
    """Power of all workers now."""
    measured_ratio: float = 0.0
    """Share of the joules that a counter measured; the rest is modelled."""
    source: Annotated[str, Field(max_length=64)] = ""
    """Sources of the joules, the largest first."""
    carbon_grams: float | None = None
    """Grams of CO2 equivalent, location-based, of the facility's energy."""
    cost: float | None = None
    """Cost of the facility's energy."""
    currency: Annotated[str, Field(max_length=8)] = ""
    facility_joules: float = 0.0
    """Energy with cooling and losses (PUE)."""
    wasted_joules: float = 0.0
    """Energy whose result was lost in restarts."""
    joules_per_sample: float | None = None
    budget_used_ratio: float | None = None
    meters: tuple[Meter, ...] = ()
    """The joules by component and source."""
    open_meters: tuple[Meter, ...] = ()
    """Of these, what the current attempt's workers have reported so far: the mark to count on from."""
    open_group: Annotated[str, Field(max_length=32)] = ""
    """Group that open_meters belong to: prepare-<attempt> or worker-<attempt>."""
    safe_joules: float = 0.0
    """The ledger at the newest checkpoint, or at the newest restart where that is later: a failure loses the rest."""


class QueueStatus(Model):
    """Place in the order of admission."""

    position: Count = 0
    """Jobs that go first."""
    blocked_by: Annotated[str, Field(max_length=317)] = ""
    """What it waits for."""


class ModelStatus(Model):
    """The trained model."""

    uri: Annotated[str, Field(max_length=2048)] = ""
    metrics: Metrics | None = None
    """On the test split."""


class InferenceStatus(Model):
    """The servers of the trained model."""

    ready: Count = 0
    url: Annotated[str, Field(max_length=2048)] = ""


class TrainingJobStatus(Model):
    """How far the job is. Written whole, once a pass, only when it changed."""

    observed_generation: int = 0
    """Generation of the spec that this status answers."""
    state: State = "Pending"
    """For the eye: derived from all else, never read back."""
    reason: Annotated[str, Field(max_length=64)] = ""
    message: Text = ""
    conditions: tuple[Condition, ...] = ()
    attempt: Count = 0
    """Number of the current group of workers; children of an older one are removed."""
    attempt_time: Time | None = None
    """When the current attempt was decided."""
    not_before: Time | None = None
    """The current attempt's workers are not created before."""
    group_complete: bool = False
    """All workers of the current attempt have been seen; one that is missing now was lost."""
    data_prepared: bool = False
    """The preparation has succeeded; it is not repeated."""
    start_time: Time | None = None
    """When the job first became active."""
    active_since: Time | None = None
    """When it last became active; unset while suspended."""
    active_seconds: Count = 0
    """Seconds it was active before that."""
    completion_time: Time | None = None
    restarts: Annotated[tuple[Restart, ...], Field(max_length=10)] = ()
    """The last ten restarts."""
    restart_count: Count = 0
    """All restarts of the job's life."""
    failures_since_checkpoint: Count = 0
    """Restarts that count against maxRestarts, since the last committed checkpoint."""
    in_place_seen: Count = 0
    """Restarts in place of the current attempt that are already in restarts."""
    workers: WorkerCounts = WorkerCounts()
    progress: Progress | None = None
    checkpoint: CheckpointStatus | None = None
    energy: EnergyStatus = EnergyStatus()
    queue: QueueStatus = QueueStatus()
    model: ModelStatus | None = None
    inference: InferenceStatus | None = None
