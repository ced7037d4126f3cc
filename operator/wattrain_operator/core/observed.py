"""What a backend sees, and what the core decides: the two ends of `plan()`. Frozen, hashable, free of any library."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from wattrain_api import reasons
from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.progress import CheckpointDamage, Notice, PrepareProgress
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import CauseSeconds, Meter, Metrics, NotFinite, TrainingJobStatus, UncountedEnergy
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.roles import Role, Support


@dataclass(frozen=True)
class TerminationMessage:
    """What a supervisor left when it ended, or what the backend knows where it left nothing."""

    exit_code: int
    failure: Failure | None = None
    """Set where exit_code is not 0."""
    disruption: bool = False
    """Ended from outside (evicted, preempted, deleted, node lost): not the program's fault."""
    step: int = 0
    energy: tuple[Meter, ...] = ()
    """This worker's own joules since its supervisor started."""
    gaps: tuple[UncountedEnergy, ...] = ()
    """What of it is not in these."""
    spent: tuple[CauseSeconds, ...] = ()
    """As in ChildEnergy."""
    time: datetime | None = None
    """Until when they are counted, aware, in whole seconds; None: it does not say."""
    test: Metrics | None = None
    model_uri: str = ""
    model_step: int | None = None
    model_choice: str = ""
    """Why that step."""
    warnings: tuple[str, ...] = ()
    """Of the preparation: what of the data may not be as the user means it."""
    unreadable_samples: int | None = None
    """Of the preparation: what it left out as unreadable; None: not known."""
    last_lines: tuple[str, ...] = ()
    """What its ranks wrote last."""


@dataclass(frozen=True)
class ChildCpus:
    """The CPU limit of a child, where the backend can change it while the child runs."""

    limit: float
    """CPUs that it is to use at most, as was asked last."""
    in_force: float | None = None
    """The same as its node says that it holds; None: not known."""
    refused: str = ""
    """Why its node does not do as was asked, or not yet; empty: it does."""


@dataclass(frozen=True)
class Child:
    """A pod, or a process group on one machine, that belongs to the job."""

    name: str
    uid: str
    role: Role
    attempt: int
    worker: int
    """Index of the worker in its group, 0-based; 0 for the preparation."""
    phase: Literal["Pending", "Running", "Succeeded", "Failed"]
    ready: bool = False
    """Its supervisor answers."""
    terminating_seconds: float | None = None
    """How long it has been asked to end; None: it has not."""
    taken_away: str = ""
    """Who asked it to, and why, as far as the backend knows."""
    message: str = ""
    """Why it is still pending, where the backend knows."""
    blocked_by: str = ""
    """Why it may wait for ever, in a word that lasts as long as the obstacle; empty: it only needs time."""
    overlooked: bool = False
    """Nobody who ought to take it has looked at it yet: that is what blocks it, or a busy cluster."""
    unexplained: bool = False
    """It waits, and a closer look of the backend (Plan.look_into) may find out for what; blocked_by and message are
    what the last one found."""
    kept_by: str = ""
    """What keeps it there although it has ended and was asked to go; empty: nothing."""
    node: str = ""
    """Machine that it is on, where the backend knows."""
    termination: TerminationMessage | None = None
    """Set once phase is Succeeded or Failed."""
    others_run: bool = False
    """It has ended, but what others have put beside it goes on, and holds what it held until it is deleted."""
    directive: Directive | None = None
    """The newest directive that it has been given, by whomever; None: none."""
    cpus: ChildCpus | None = None
    """None: it has no CPU limit, or none that the backend can change."""

    @property
    def ended(self) -> bool:
        """Whether none of its own processes runs any more."""
        return self.phase in ("Succeeded", "Failed")

    @property
    def directive_version(self) -> int:
        """Version of its newest directive; 0: it has been given none."""
        return 0 if self.directive is None else self.directive.version

    @property
    def directed_to_stop(self) -> bool:
        """Whether that has its group stop."""
        return self.directive is not None and self.directive.stop_at_step is not None


@dataclass(frozen=True)
class GoneChild:
    """A child that was there and is not any more, as it was seen last."""

    name: str
    node: str = ""
    """Machine that it was on, where the backend knows."""
    why: str = ""
    """Who took it away, and why."""


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


@dataclass(frozen=True)
class ChildEnergy:
    """What one child of a group has used since its supervisor started, as its group's report says."""

    uid: str
    """Empty: its supervisor does not know it, being of another version."""
    worker: int
    """Index of the worker, 0-based; 0 for the preparation."""
    meters: tuple[Meter, ...]
    spent: tuple[CauseSeconds, ...] = ()
    """Of the one that speaks for its group: what the group's time has gone to since it started."""


@dataclass(frozen=True)
class Report:
    """What the supervisor of worker 0 (or of the preparation) last said about its group."""

    role: Role
    attempt: int
    unchanged_seconds: float
    """From the first answer with this generation, phase and step to the last, on the observer's own monotonic clock."""
    generation: int = 0
    phase: str = ""
    step: int = 0
    steps_done: int | None = None
    """Optimizer steps that the group has made in this attempt, repeated ones counted again; None: not known."""
    total_steps: int = 0
    epoch: int | None = None
    """None: not known."""
    loss: float | None = None
    loss_not_finite: NotFinite | None = None
    """What the loss is instead of a number."""
    learning_rate: float | None = None
    non_finite_steps: int | None = None
    overflow_steps: int | None = None
    flops_per_sample: float | None = None
    peak_flops_per_second: float | None = None
    """Of the group; None: not known."""
    peak_source: str = ""
    tuning: str = ""
    threads: int | None = None
    """With how many threads rank 0 computes; None: not known, or it computes on a GPU."""
    most_threads: int | None = None
    """With how many it has started, which no directive exceeds."""
    step_seconds: float = 0.0
    """Running mean."""
    samples: int = 0
    """Samples that the group has trained on in this attempt."""
    samples_per_second: float | None = None
    prepared: PrepareProgress | None = None
    """How far a preparation is; None: not known, or nothing is prepared."""
    validation: Metrics | None = None
    watts: float | None = None
    """Power of all workers; None: not known."""
    training_watts: float | None = None
    """Mean power of all workers while they train, over the last training_watts_seconds; None: not known."""
    training_watts_seconds: float = 0.0
    training_samples_per_second: float | None = None
    """Of all workers in the same time; None: not known."""
    energy: tuple[ChildEnergy, ...] = ()
    """Of each child that has said what it used. A worker that was replaced is no longer among them."""
    gaps: tuple[UncountedEnergy, ...] = ()
    """What of them is not in these."""
    checkpoint_step: int | None = None
    checkpoint_joules: float = 0.0
    """The group's joules when that checkpoint was committed."""
    checkpoint_seconds: float | None = None
    """How long it took to save it; None: not known."""
    resumed_step: int | None = None
    """Step that the group really went on from; None: not known."""
    damaged: tuple[CheckpointDamage, ...] = ()
    """Checkpoints that the attempt has found damaged so far, in the order in which it found them."""
    restarts: tuple[InPlaceRestart, ...] = ()
    age_seconds: float = 0.0
    """How long ago the last answer was given, on the same clock."""
    interval_seconds: float = 0.0
    """How often the supervisor is asked."""
    directive_version: int = 0
    """Version of the newest directive that all workers have taken; 0: none."""
    notices: tuple[Notice, ...] = ()
    """What of this attempt is to be told once, the oldest first: their number only grows."""
    ranks_left: tuple[int, ...] = ()
    """Ranks that have ended with exit code 0 while others of the group still run."""


@dataclass(frozen=True)
class Refusal:
    """Why the backend could not create what was decided, and what to do about it."""

    reason: str
    """One of `wattrain_api.reasons.REFUSALS`."""
    message: str
    """What was refused, by whom, and the remedy."""
    time: datetime
    """When, aware: two refusals never share a second."""
    lasts: bool = False
    """The job's own spec is the cause, so that the same will be refused again however long one waits."""


@dataclass(frozen=True)
class CarbonView:
    """What is known of the series of carbon intensity of a job's power domain."""

    series: CarbonSeries | None = None
    """None: the domain names none, or it cannot be read."""
    problem: str = ""
    """Why it cannot be read now, with the remedy; what was read before may still be there."""
    awaited: bool = False
    """It is about to be read for the first time: nothing can be decided by it yet."""


NO_SERIES: Final = CarbonView()


@dataclass(frozen=True)
class ShedGrant:
    """What a job is to give up while its power domain sheds power."""

    most_watts: float
    """What it is held to; 0: it is to save and pause."""
    why: str
    """In half a sentence, such as `power domain rack sheds power until ...`."""


@dataclass(frozen=True)
class Grant:
    """What the fleet of a power domain allows a job."""

    granted: bool
    """It may run."""
    reason: str = reasons.JOB_ADMITTED
    """Why, one of `wattrain_api.reasons`; Pending: the fleet has not decided yet."""
    message: str = ""
    """Why, for a person; where it is granted, what is to be noted about it."""
    position: int = 0
    """Position in the queue, from 1; 0: it is in none."""
    held_by: str = ""
    """The jobs that have what it waits for."""
    expected_start: datetime | None = None
    """When it may be granted; None: nobody knows."""
    shed: ShedGrant | None = None
    """What it is to give up for a while; None: nothing."""
    preempted: str = ""
    """Why it is to save, stop and give its place up, in half a sentence; empty: it is not."""


GRANTED: Final = Grant(granted=True)


@dataclass(frozen=True)
class Receiver:
    """Who wants to be notified of a job's end."""

    host: str
    """Name of its machine, for a person: nothing else of its address, which may hold a password."""
    conditions: tuple[str, ...]
    """Conditions that it wants to be notified of, once they are true: Complete, Failed."""
    tries_at_most: int
    """After so many that failed it is given up."""
    remedy: str
    """What a person can do about one that fails, by where its address was given."""


@dataclass(frozen=True)
class Delivery:
    """How a try to notify the receiver has ended."""

    notify: Notify
    failure: str = ""
    """Why it failed, without the address; empty: the receiver has taken it."""


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
    carbon: CarbonView = NO_SERIES
    """The carbon intensity of its power domain over time."""
    grant: Grant = GRANTED
    """What the fleet of its power domain allows the job."""
    fresh: bool = True
    """Whether the job with its status and its children were read from the source itself just now, in this order; a
    cache may lag behind. Children alone are not enough: an old status would have an old attempt's workers created."""
    shared_storage: bool = True
    """Whether all workers see one directory, which outlives them: the data is prepared once, and a later attempt finds
    the checkpoints of an earlier one. Else each has a directory of its own, which goes with it."""
    status_interval_seconds: float = 0.0
    """Shortest time between two writes of figures alone; changes of state are written at once."""
    refusal: Refusal | None = None
    """How the last creation of children ended; None: well, or nothing has been created since the backend started."""
    gone: tuple[GoneChild, ...] = ()
    """Children of the current attempt that are not there any more, as far as the backend remembers."""
    limits_cpus: bool = False
    """Whether the backend can change the CPU limit of a child that runs."""
    limit_refusal: Refusal | None = None
    """How the last change of CPU limits ended; None: well, or nothing has been changed since the backend started."""
    cpus_of_worker: float = 1.0
    """CPUs that a worker is counted with that names neither a limit nor a request."""
    storage_failure: str = ""
    """Why what was decided could not be kept, where, and the remedy; empty: it was kept."""
    receiver: Receiver | None = None
    """Who wants to be notified of the job's end; None: nobody."""
    delivery: Delivery | None = None
    """How the last try to notify it has ended; None: there was none since the backend started."""


@dataclass(frozen=True)
class CreateChild:
    """Create a child unless one of that name is there. Names are deterministic, so doing it twice is harmless."""

    name: str
    role: Role
    attempt: int
    worker: int
    """Index of the worker, 0-based."""
    workers: int
    restarts_left: int
    """Restarts in place that its group may make before it gives up."""
    joules_before: float = 0.0
    """The job's ledger before this attempt, so that what is recorded a step counts on."""
    joules_low_before: float = 0.0
    """The least that these may have been."""
    joules_high_before: float = 0.0
    """The most that these may have been."""


@dataclass(frozen=True)
class DeleteChild:
    """End and remove a child, if it still is the one that was seen."""

    name: str
    uid: str
    force: bool = False
    """Do not wait for its processes: their machine is gone."""


@dataclass(frozen=True)
class DirectChild:
    """Give a worker a directive for its group, if it still is the one that was seen."""

    name: str
    uid: str
    directive: Directive


@dataclass(frozen=True)
class LimitChild:
    """Change the CPU limit of a child that runs, if it still is the one that was seen."""

    name: str
    uid: str
    cpus: float
    """What it may use at most."""
    requested_cpus: float
    """What it requests from now on: not more."""


@dataclass(frozen=True)
class Notify:
    """Send the receiver its notification of a condition, unless this very try is on its way."""

    condition: str
    number: int
    """Which try it is, from 1."""


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
    supports: tuple[Support, ...] = ()
    """What must exist before the first of `creates` does. It harms nobody: a backend may begin with it at once."""
    creates: tuple[CreateChild, ...] = ()
    deletes: tuple[DeleteChild, ...] = ()
    directs: tuple[DirectChild, ...] = ()
    limits: tuple[LimitChild, ...] = ()
    events: tuple[Event, ...] = ()
    notify: Notify | None = None
    """Begun after all that is above, and never waited for: how it ended is `Observed.delivery` of a later pass."""
    look_into: tuple[str, ...] = ()
    """Uids of children that wait too long and do not say for what: a backend that can finds out, before the next look
    if it has not done so just now."""
    delete_job: bool = False
    """The job's time to live is over: delete it and, with it, all that it owns."""
    needs_fresh_view: bool = False
    """Nothing can be decided from a cache here: look at the source itself, then plan again."""
    wake_after_seconds: float | None = None
    """When time alone will change the decision; None: never."""
