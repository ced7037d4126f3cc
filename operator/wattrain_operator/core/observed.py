"""What a backend sees, and what the core decides: the two ends of `plan()`. Frozen, hashable, free of any library."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import Meter, Metrics, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob

Role = Literal["prepare", "worker"]


@dataclass(frozen=True)
class Failure:
    """The first cause of a group's end, as a supervisor or a backend names it."""

    reason: str
    """One of `wattrain_api.reasons`."""
    exit_code: int | None = None
    """Exit code of the rank; negative: the signal that ended it."""
    rank: int | None = None
    node: str = ""
    last_line: str = ""
    step: int = 0


@dataclass(frozen=True)
class LastWord:
    """What a supervisor left when it ended, or what the backend knows where it left nothing."""

    exit_code: int
    failure: Failure | None = None
    """Set where exit_code is not 0."""
    disruption: bool = False
    """Ended from outside (evicted, preempted, deleted, node lost): not the program's fault."""
    step: int = 0
    energy: tuple[Meter, ...] = ()
    """This worker's own joules since its supervisor started."""
    test: Metrics | None = None
    model_uri: str = ""


@dataclass(frozen=True)
class Child:
    """A pod, or a process group on one machine, that belongs to the job."""

    name: str
    uid: str
    role: Role
    attempt: int
    rank: int
    phase: Literal["Pending", "Running", "Succeeded", "Failed"]
    ready: bool = False
    """Its supervisor answers."""
    terminating_seconds: float | None = None
    """How long it has been asked to end; None: it has not."""
    message: str = ""
    """Why it is still pending, where the backend knows."""
    blocked_by: str = ""
    """Why it may wait for ever, in a word that lasts as long as the obstacle; empty: it only needs time."""
    node: str = ""
    """Machine that it is on, where the backend knows."""
    last_word: LastWord | None = None
    """Set once phase is Succeeded or Failed."""

    @property
    def ended(self) -> bool:
        """Whether none of its processes runs any more."""
        return self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True)
class InPlaceRestart:
    """A restart of the group inside the same workers, as the supervisor of worker 0 tells it."""

    time: datetime
    generation: int
    failure: Failure
    resumed_from_step: int = 0
    joules_lost: float = 0.0
    recovery_seconds: float | None = None
    """How long it took until the group trained again, which joules_lost then includes; None: it does not yet."""


STARTING_PHASES = ("", "starting", "preparing", "compiling")
"""What a group that does not train yet says of itself."""


@dataclass(frozen=True)
class Report:
    """What the supervisor of worker 0 (or of the preparation) last said about its group."""

    role: Role
    attempt: int
    unchanged_seconds: float
    """How long generation, phase and step have been the same, on the observer's own monotonic clock."""
    generation: int = 0
    phase: str = ""
    step: int = 0
    total_steps: int = 0
    epoch: int = 0
    loss: float | None = None
    learning_rate: float | None = None
    step_seconds: float = 0.0
    """Running mean."""
    samples: int = 0
    """Samples that the group has trained on in this attempt."""
    samples_per_second: float | None = None
    validation: Metrics | None = None
    watts: float = 0.0
    energy: tuple[Meter, ...] = ()
    """The group's joules since its supervisors started; never falls within an attempt."""
    checkpoint_step: int | None = None
    checkpoint_joules: float = 0.0
    """The group's joules when that checkpoint was committed."""
    resumed_step: int | None = None
    """Step that the group really went on from; None: not known."""
    restarts: tuple[InPlaceRestart, ...] = ()


@dataclass(frozen=True)
class Observed:
    """One look at the world, complete enough to decide everything about one job."""

    now: datetime
    """Aware, UTC."""
    job: TrainingJob
    """Metadata and spec; its own `status` field is not looked at."""
    status: TrainingJobStatus
    children: tuple[Child, ...] = ()
    report: Report | None = None
    domain: PowerDomainSpec = field(default_factory=PowerDomainSpec)
    ahead: int = 0
    """Jobs that are to be admitted before this one and cannot be yet."""
    blocked_by: str = ""
    """What they wait for."""
    fresh: bool = True
    """Whether the job with its status and its children were read from the source itself just now, in this order; a
    cache may lag behind. Children alone are not enough: an old status would have an old attempt's workers created."""
    shared_storage: bool = True
    """Whether all workers see one directory, which outlives them: the data is prepared once, and a later attempt finds
    the checkpoints of an earlier one. Else each has a directory of its own, which goes with it."""
    status_interval_seconds: float = 0.0
    """Shortest time between two writes of figures alone; changes of state are written at once."""


@dataclass(frozen=True)
class CreateChild:
    """Create a child unless one of that name is there. Names are deterministic, so doing it twice is harmless."""

    name: str
    role: Role
    attempt: int
    rank: int
    workers: int
    restarts_left: int
    """Restarts in place that its group may make before it gives up."""
    joules_before: float = 0.0
    """The job's ledger before this attempt, so that what is recorded a step counts on."""


@dataclass(frozen=True)
class DeleteChild:
    """End and remove a child, if it still is the one that was seen."""

    name: str
    uid: str
    force: bool = False
    """Do not wait for its processes: their machine is gone."""


@dataclass(frozen=True)
class Event:
    """Something to tell a person, once, after the status has been written."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """What to do now. A backend writes the status first, if it changed (a conflict drops the whole plan, and the job is
    looked at again), then acts, then tells the events."""

    status: TrainingJobStatus
    creates: tuple[CreateChild, ...] = ()
    deletes: tuple[DeleteChild, ...] = ()
    events: tuple[Event, ...] = ()
    delete_job: bool = False
    """The job's time to live is over: delete it and, with it, all that it owns."""
    needs_fresh_view: bool = False
    """Nothing can be decided from a cache here: look at the source itself, then plan again."""
    wake_after_seconds: float | None = None
    """When time alone will change the decision; None: never."""
