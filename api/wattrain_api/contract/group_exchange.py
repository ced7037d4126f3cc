"""POST /v1/group: how the supervisors of a group start, stop and end together."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.kinds import (
    NODE_CHARACTERS,
    UID_CHARACTERS,
    amount,
    count,
    flag,
    integer,
    many,
    member_of,
    nested,
    text,
)
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import DEVICE_CHARACTERS, Checkpoint, EnergyGap, PowerReading, Resumed


class MemberState(str, Enum):  # noqa: UP042 (StrEnum is newer than Python 3.9)
    """What the ranks of a worker do."""

    WAITING = "waiting"
    """There are none: the worker waits for the next generation."""
    RUNNING = "running"
    FAILED = "failed"
    DONE = "done"
    STOPPED = "stopped"
    """They ended because they were asked to."""

    def __str__(self) -> str:
        return str(self.value)


class Action(str, Enum):  # noqa: UP042 (StrEnum is newer than Python 3.9)
    """What a worker is to do."""

    WAIT = "wait"
    RUN = "run"
    """Start the ranks of the generation that is named, or let them run."""
    STOP = "stop"
    """End the ranks, and wait for the next generation."""
    EXIT = "exit"
    """End the supervisor."""

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class MemberReport:
    """What the group needs of a worker's progress. All of it, with its texts, may be too long for a message."""

    step: int = field(default=0, metadata=count("steps"))
    samples: int = field(default=0, metadata=count("samples"))
    """Samples that this worker has trained on."""
    phase: Phase | None = field(default=None, metadata=member_of(Phase))
    ranks_running: int = field(default=0, metadata=count())
    node: str = field(default="", metadata=text(NODE_CHARACTERS))
    power: tuple[PowerReading, ...] = field(default=(), metadata=many(nested(PowerReading)))
    checkpoint: Checkpoint | None = field(default=None, metadata=nested(Checkpoint))
    """The newest one of this worker's ranks."""
    resumed: Resumed | None = field(default=None, metadata=nested(Resumed))
    """Of this generation."""
    directive_version: int | None = field(default=None, metadata=count())
    """Version of the newest directive that this worker has taken."""
    uid: str = field(default="", metadata=text(UID_CHARACTERS))
    """Uid of the child; empty: it was not told."""
    ranks_done: tuple[int, ...] = field(default=(), metadata=many(count()))
    """Its ranks that have ended with exit code 0 in this generation."""
    uncounted: tuple[EnergyGap, ...] = field(default=(), metadata=many(nested(EnergyGap)))
    """What of this worker is not counted."""
    steps_done: int | None = field(default=None, metadata=count("steps"))
    """As in the worker's progress."""
    data_wait_seconds: float = field(default=0.0, metadata=amount("s"))
    """Time that the training loop waited for data: mean over its ranks."""
    peer_wait_seconds: tuple[float, ...] = field(default=(), metadata=many(amount("s")))
    """Time that each of its ranks waited for the others; empty: that is not measured."""


@dataclass(frozen=True)
class MemberMessage:
    """The body of POST /v1/group, with header X-Wattrain-Token."""

    worker: int = field(metadata=count())
    """Index of the sender, 0-based."""
    state: MemberState = field(metadata=member_of(MemberState))
    report: MemberReport = field(metadata=nested(MemberReport))
    generation: int = field(default=0, metadata=count())
    """Generation whose ranks run, or ran last."""
    host_address: str = field(default="", metadata=text(NODE_CHARACTERS))
    """Address under which the other workers reach this one."""
    failure: Failure | None = field(default=None, metadata=nested(Failure))
    """The first cause among the sender's ranks, where `state` is `failed`."""
    leaving: bool = field(default=False, metadata=flag())
    """The sender needs no further answer."""
    stopping: bool = field(default=False, metadata=flag())
    """The sender was told from outside to end."""


@dataclass(frozen=True)
class CoordinatorReply:
    """The answer to POST /v1/group."""

    action: Action = field(metadata=member_of(Action))
    generation: int = field(default=0, metadata=count())
    """Newest generation of the group."""
    workers: int = field(default=1, metadata=count())
    """Number of workers in the group."""
    master_addr: str | None = field(default=None, metadata=text(NODE_CHARACTERS))
    """MASTER_ADDR of the ranks, with `run`."""
    master_port: int | None = field(default=None, metadata=count())
    """MASTER_PORT of the ranks, with `run`."""
    restart_reason: str | None = field(default=None, metadata=text(64))
    """Why this generation was started, with `run`; empty the first time."""
    exit_code: int | None = field(default=None, metadata=integer())
    """What the supervisor exits with, with `exit`."""
    cause: Failure | None = field(default=None, metadata=nested(Failure))
    """Why the group ended, with `exit`; absent where all is well or it was asked to."""
    directive: Directive | None = field(default=None, metadata=nested(Directive))
    """The newest directive that worker 0 has read; absent before the first."""
    counted_elsewhere: tuple[str, ...] = field(default=(), metadata=many(text(DEVICE_CHARACTERS)))
    """UUIDs of GPUs that the sender counts whole and another worker of the group counts already: it leaves them out."""
