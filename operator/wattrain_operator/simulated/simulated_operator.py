"""The operator's process: a cache that lags behind the truth, the core, and writes that happen one at a time.

Dying loses all of it. What it then reads first may be older than what it knew before.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.observed import (
    NO_SERIES,
    CarbonView,
    Child,
    CreateChild,
    DeleteChild,
    Delivery,
    DirectChild,
    Grant,
    Notify,
    Observed,
    Plan,
    Receiver,
    Refusal,
    Report,
)
from wattrain_operator.simulated.decisions import Decisions
from wattrain_operator.simulated.objects import DOMAIN, DomainObject, JobObject, moment
from wattrain_operator.simulated.simulated_report import report_of
from wattrain_operator.simulated.world import World
from wattrain_operator.workers.last_answer import LastAnswer, next_answer

UNLIMITED = DomainObject()
FULL = DomainObject(DOMAIN.model_copy(update={"max_running_jobs": 1}))
Cache = dict[str, tuple[Child, float | None]]
"""By name: the child as it was seen, and since when it had been asked to end."""


class StatusWrite(NamedTuple):
    """Store a status; `seen` is what it was decided from."""

    status: TrainingJobStatus
    version: int
    seen: Observed


class DeleteJob(NamedTuple):
    """Remove the job with all that it owns."""


class Setting(NamedTuple):
    """What kind of backend the operator has."""

    shared_storage: bool = True
    """All workers see one directory, so that the data is prepared once, by a child of its own."""
    status_interval_seconds: float = 0.0
    """Shortest time between two writes of figures alone."""
    reads_own_writes: bool = False
    """Whether its view of the job has what it wrote itself at once, or waits for the event."""
    receiver: Receiver | None = None
    """Who is to be notified of the job's end."""
    carbon: CarbonView = NO_SERIES
    """The series of carbon intensity of its power domain."""


DEFAULT_SETTING = Setting()

Write = StatusWrite | CreateChild | DirectChild | DeleteChild | DeleteJob | Notify


class SimulatedOperator:
    """The operator. `needs_pass` and `wake_at` say when it would look at the job; nothing else makes it."""

    __slots__ = (
        "answer", "cache", "decisions", "delivery", "domain", "job", "needs_fresh_view", "needs_pass", "pending",
        "refusal", "sending", "setting", "waiting", "wake_at",
    )  # fmt: skip

    def __init__(self, world: World, setting: Setting) -> None:
        self.setting, self.decisions = setting, Decisions()
        self.domain = UNLIMITED
        self.die(world, world.job, SimulatedOperator.read(world))

    def copy(self) -> SimulatedOperator:
        """Another operator in the same state."""
        other = SimulatedOperator.__new__(SimulatedOperator)
        for name in SimulatedOperator.__slots__:
            setattr(other, name, getattr(self, name))
        other.cache = dict(self.cache)
        return other

    # --- What it gets to know ----------------------------------------------------------------------------------
    @staticmethod
    def read(world: World) -> Cache:
        """The children as the source has them."""
        return {name: process.seen for name, process in world.children.items()}

    def die(self, world: World, job: JobObject, listed: Cache) -> None:
        """Lose all memory, and start anew with what the first LISTs give, which may be old."""
        self.job, self.cache = job, dict(listed)
        self.answer: LastAnswer[Report] | None = None
        self.refusal: Refusal | None = None
        self.sending: Notify | None = None
        self.delivery: Delivery | None = None
        self.waiting: Waiting | None = None
        self.pending: tuple[Write, ...] = ()
        self.needs_pass, self.needs_fresh_view = True, False
        self.wake_at: float | None = None

    def relist(self, world: World) -> None:
        """Read everything from the source: the periodic LIST that repairs what events have lost."""
        self.read_source(world)
        self.needs_fresh_view = True

    def read_source(self, world: World) -> None:
        """Have the job, and then its children, as they are now."""
        self.job, self.cache, self.needs_pass = world.job, SimulatedOperator.read(world), True

    def deliver(self, world: World, name: str) -> None:
        """The newest event of one child arrives; those before it were lost or say nothing new."""
        process = world.children.get(name)
        if process is None:
            self.cache.pop(name, None)
        else:
            self.cache[name] = process.seen
        self.needs_pass = True

    def deliver_job(self, world: World) -> None:
        """The newest event of the job arrives."""
        self.job, self.needs_pass = world.job, True

    def poll(self, world: World) -> None:
        """Ask the group how far it is; where nobody answers, what was said before stands."""
        report = report_of(world)
        if report is not None:
            self.answer, self.needs_pass = next_answer(self.answer, report, world.now), True

    def hear_from_receiver(self, world: World, *, taken: bool, failure: str = "") -> None:
        """What was sent has been taken by the receiver, or has not, and this is heard, or only a failure is."""
        assert self.sending is not None
        if taken:
            world.notified |= {self.sending.condition}
        if failure:
            world.failed_tries += 1
        self.delivery, self.sending, self.needs_pass = Delivery(self.sending, failure), None, True

    def see_domain(self, domain: DomainObject, waiting: Waiting | None) -> None:
        """The domain as it is known now, and what the last decision about all its jobs says of this one."""
        before = self.grant
        self.domain, self.waiting = domain, waiting
        self.needs_pass = self.needs_pass or self.grant != before

    def late(self, world: World) -> list[str]:
        """Names of children whose newest event has not arrived."""
        names = {**self.cache, **world.children}
        return [n for n in names if self.cache.get(n) != (world.children[n].seen if n in world.children else None)]

    # --- What it does ------------------------------------------------------------------------------------------
    def look(self, world: World, *, fresh: bool) -> Observed:
        """What the core gets to see; a fresh view is read from the source first, the job and its children alike."""
        if fresh:
            self.relist(world)
        return self._seen(world, fresh)

    def _seen(self, world: World, fresh: bool) -> Observed:
        return Observed(
            now=moment(world.now),
            job=self.job.job,
            status=self.job.status,
            children=tuple(_child(seen, world.now) for seen in self.cache.values()),
            report=None if self.answer is None else _aged(self.answer, world.now),
            domain=self.domain.spec,
            carbon=self.setting.carbon,
            grant=self.grant,
            fresh=fresh,
            shared_storage=self.setting.shared_storage,
            status_interval_seconds=self.setting.status_interval_seconds,
            refusal=self.refusal,
            receiver=self.setting.receiver,
            delivery=self.delivery,
        )

    @property
    def grant(self) -> Grant:
        """What the domain allows the job, as far as both are known."""
        turn = self.job.status.internal.turn
        return self.decisions.grant(self.domain, self.job.job.metadata.uid, turn, self.waiting)

    def decide(self, world: World) -> Plan:
        """One pass: ask the core, and line up the writes."""
        fresh = self.needs_fresh_view
        if fresh:
            self.relist(world)
        answer = self.answer
        answered = None if answer is None else (answer.answered_at, answer.changed_at)
        since = tuple(since for _, since in self.cache.values())
        view = world.now, fresh, answered, since, self.grant, self.refusal, self.delivery
        said = None if answer is None else answer.content
        named = self.job.job, self.job.status, self.domain.spec, said, *(child for child, _ in self.cache.values())
        seen, plan, changes_status, _ = self.decisions.of(view, named, lambda: self._seen(world, fresh))
        status = (StatusWrite(plan.status, self.job.version, seen),) if changes_status else ()
        end = (DeleteJob(),) if plan.delete_job else ()
        told = () if plan.notify is None else (plan.notify,)
        self.pending = (*status, *plan.creates, *plan.directs, *plan.deletes, *told, *end)
        self.needs_fresh_view = plan.needs_fresh_view
        self.needs_pass = plan.needs_fresh_view
        self.wake_at = None if plan.wake_after_seconds is None else world.now + plan.wake_after_seconds
        return plan

    def write(self, world: World) -> None:
        """Do the next write. A status that was decided from an old version takes the whole plan with it."""
        write, *rest = self.pending
        self.pending = tuple(rest)
        match write:
            case StatusWrite(status, version):
                if not world.write_status(status, version):
                    self.pending, self.needs_fresh_view, self.needs_pass = (), False, True
                elif self.setting.reads_own_writes:
                    self.job, self.needs_pass = world.job, True
            case CreateChild():
                self._create(world, write)
            case DirectChild(name, uid, directive):
                world.direct(name, uid, directive)
            case DeleteChild(name, uid, force):
                world.delete(name, uid, force)
            case Notify():
                self.sending = write
            case DeleteJob():
                world.children.clear()
                world.job = world.job._replace(deleted=True, version=world.job.version + 1)

    def _create(self, world: World, wanted: CreateChild) -> None:
        if world.create(wanted):
            self.refusal = None
        else:
            message = f"{wanted.name}: no more than {world.room} children are allowed"
            self.refusal = Refusal(reasons.QUOTA_EXCEEDED, message, moment(world.now))
            self.pending, self.needs_pass = (), True


def has_begun(report: Report) -> bool:
    """Whether its group has trained, so that it counts how long it has not moved."""
    return report.phase == "training" or report.generation > 0


def _aged(answer: LastAnswer[Report], now: float) -> Report:
    return replace(answer.content, unchanged_seconds=answer.unchanged_seconds, age_seconds=answer.age_seconds(now))


def _child(seen: tuple[Child, float | None], now: float) -> Child:
    child, since = seen
    return child if since is None else replace(child, terminating_seconds=now - since)
