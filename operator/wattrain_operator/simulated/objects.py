"""What the simulated world is made of. All of it is immutable and replaced, so that a copy costs a dictionary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from wattrain_api.contract.failures import Failure
from wattrain_api.powerdomain import PowerDomainSpec, Reservation, Tariff
from wattrain_api.status import Cause, CauseSeconds, Meter, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core.observed import Child, InPlaceRestart

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
METADATA: Final = ObjectMeta(name="job", uid="uid")
DOMAIN_NAME: Final = "default"
DOMAIN: Final = PowerDomainSpec(pue=1.5, tariff=Tariff(price_per_kwh=0.3))
STEP_JOULES: Final = 2.0
"""What each worker uses for a step; a start costs the same."""


def moment(seconds: float) -> datetime:
    """Virtual `seconds` as a time of day."""
    return EPOCH + timedelta(seconds=seconds)


def meters(joules: float) -> tuple[Meter, ...]:
    """`joules` as a supervisor tells them: half of them measured, the rest modelled within a factor of two."""
    half = joules / 2
    return (
        Meter(component="cpu", source="model", joules=half, low_joules=half / 2, high_joules=half * 2),
        Meter(component="gpu", source="nvml", joules=half, low_joules=half, high_joules=half),
    )


def spent(joules: float) -> tuple[CauseSeconds, ...]:
    """What the time of a group has gone to whose worker 0 has used `joules`: a second each, the first ones to start."""
    start = min(joules, STEP_JOULES)
    parts: tuple[tuple[Cause, float], ...] = ("start", start), ("training", joules - start)
    return tuple(CauseSeconds(cause, seconds) for cause, seconds in parts if seconds > 0)


class JobObject(NamedTuple):
    """The job as the API server keeps it: one object, one version for spec and status."""

    job: TrainingJob
    """Metadata and spec; its status is the field below."""
    status: TrainingJobStatus = TrainingJobStatus()
    version: int = 1
    deleted: bool = False

    @property
    def spec(self) -> TrainingJobSpec:
        """What the user wants."""
        return self.job.spec


class DomainObject(NamedTuple):
    """The PowerDomain as the API server keeps it: one object, one version for spec and status."""

    spec: PowerDomainSpec = DOMAIN
    reservations: tuple[Reservation, ...] = ()
    version: int = 1


class Process(NamedTuple):
    """A child: what is to be seen of it, and what only the truth knows."""

    child: Child
    """As it is seen, except for terminating_seconds, which follows from terminating_since."""
    budget: int
    """Restarts in place that its group may make."""
    terminating_since: float | None = None
    joules: float = 0.0
    node_lost: bool = False
    """It will never end by itself."""
    stuck: bool = False
    """It will never start."""
    mute: bool = False
    """Its supervisor will never answer again."""
    peer_lost: Failure | None = None
    """Why it is about to fail, its group being torn."""

    @property
    def live(self) -> bool:
        """Whether a process of it may run, and write a checkpoint."""
        return not self.child.ended

    @property
    def seen(self) -> tuple[Child, float | None]:
        """What a cache holds of it."""
        return self.child, self.terminating_since


class Group(NamedTuple):
    """The workers of one attempt, who progress together."""

    attempt: int
    step: int
    generation: int = 0
    training: bool = False
    hung: bool = False
    checkpoint_step: int | None = None
    checkpoint_joules: float = 0.0
    restarts: tuple[InPlaceRestart, ...] = ()
    failures: int = 0
    """Restarts in place since its last checkpoint."""
    directive_version: int = 0
    """Newest directive that it has taken."""
    steps_done: int = 0
    """Steps that it has made, repeated ones counted again."""
    stops: bool = False
    """That directive has it stop, and it has saved: its workers are about to end."""
    threads: int = 0
    """Of each rank, where the job looks for their best number; 0: that does not matter."""
    mixed_until: float = 0.0
    """Until then its means are partly of another number, or of its start; 0: they are not."""
