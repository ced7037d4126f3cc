"""What must hold after every move, each as a sentence. A sentence that does not hold is raised as `InvariantError`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_api.powerdomain import PowerDomainSpec, Reservation
from wattrain_api.status import Condition, TrainingJobStatus
from wattrain_operator.core.accounts import JOULES_PER_KWH
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.fleet_job import FleetJob
from wattrain_operator.core.observed import Child, CreateChild, Notify, Observed, Receiver
from wattrain_operator.core.phase_totals import AFTER_THE_END
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.books import Books
from wattrain_operator.simulated.objects import DOMAIN
from wattrain_operator.simulated.simulated_threads import SAMPLES_PER_SECOND
from wattrain_operator.simulated.world import World

ONE_OF_A_KIND: Final = "there are never two live children of the same role, attempt and worker"
FENCED: Final = "no child is created while one of another attempt may still write"
FINISHED_STAYS: Final = "a finished job is never run again, and stays finished as it was"
COMPLETE_MEANS_ALL: Final = "a job is complete only if all workers of one attempt succeeded"
CHECKPOINT_RISES: Final = "the newest checkpoint in the status never falls while it exists, and was really committed"
RESUMES_AS_SAID: Final = "a group never starts from an earlier step than the restart that it is made for says"
ATTEMPT_RISES: Final = "the attempt never falls"
WITHIN_BUDGET: Final = "no more failures since the last checkpoint are counted than the restart budget allows"
NOT_CHARGED: Final = "a disruption of a group that the operator has seen is never charged to the restart budget"
CHARGED: Final = "an attempt that a failing program ended is charged to the restart budget, or ends the job"
LEDGER_RISES: Final = "the ledger never falls"
LEDGER_TRUE: Final = "the ledger is the sum of what supervisors reported, every joule once"
LEDGER_BOUNDS: Final = "low <= joules <= high, wasted <= joules, facility and cost follow from joules"
STEPS: Final = "the count of steps never falls, and counts none that was not made"
PHASES: Final = "seconds and joules by state never fall; they sum up to the time since first sight and to the ledger"
POINTS: Final = "what was measured with a number of threads is of it alone, and a choice stays while its speed does"
CAUSES: Final = "joules by cause sum up to the ledger, none is less than nothing, and seconds by cause never fall"
ACTIVE: Final = "the states between admission and suspension sum up to the time that the job was active"
CONDITIONS: Final = "all five conditions are there exactly once, and change time only with their answer, forwards"
NO_ORPHAN: Final = "at rest there is no child of another attempt, and of a finished job only what keepPods keeps"
WHOLE_OR_NOTHING: Final = "at rest, or while a quota refuses it, a group is there whole or not at all"
SETTLES: Final = "when faults stop, a job ends, or is suspended or queued as asked, woken by its own wake times only"
NOTHING_AT_REST: Final = "at rest nothing is written"
BUDGET_BINDS: Final = "a job whose stored ledger has reached its budget is held or over"
BUDGET_HOLDS_ON: Final = "what a budget holds goes on by another budget alone, or ends"
BUDGET_HELD: Final = "at rest a budget holds a job only if what is spent, and kept for its end, has reached it"
WITHIN_LIMIT: Final = (
    "granted never exceeds the limit: a place is given only where fewer have one; what runs keeps its own"
)
RESERVED_FIRST: Final = "a reservation is stored before its job is admitted, and before any child of the job exists"
WITHIN_CAP: Final = "what is reserved never comes to more than the cap allows by being raised"
HIGHER_FIRST: Final = "among the jobs that wait, the higher priority, then the older job gets a place first"
PREEMPTS_UPWARDS: Final = (
    "jobs give up places for those of higher priority that wait alone, and no more than these need"
)
NO_WAIT_FOR_EVER: Final = "no job waits for ever behind one that is suspended or finished"

NOT_BEFORE_THE_END: Final = "nobody is notified of a condition before it is stored as true"
NOT_AGAIN: Final = "nobody is notified again once it is recorded that he was, or that he was given up"
NOTIFIED: Final = "who wants to be notified of a job's end is, or as many tries as promised failed; and it is recorded"

_INACTIVE: Final = ("Pending", "Queued", "Suspended", "Suspending")
Place = tuple[str, int]
"""Name and turn of a job."""


class Places(NamedTuple):
    """Who has a place in a power domain, by the truth."""

    limit: int | None
    reserved: frozenset[Place]
    """Jobs that may use a reservation in their present turn."""
    running: frozenset[Place]
    """Jobs that are admitted and not over, or of which a process may run."""
    uncounted: frozenset[Place]
    """Those of them that were admitted while there was no limit, and for which nothing has been reserved since."""

    @property
    def taken(self) -> frozenset[Place]:
        """What counts for the limit."""
        return self.reserved | (self.running - self.uncounted)


class InvariantError(AssertionError):
    """A sentence that does not hold, with what was seen. `sentence` is the sentence alone."""

    def __init__(self, sentence: str, seen: object) -> None:
        super().__init__(f"violated: {sentence}\nseen: {seen}")
        self.sentence = sentence


def hold(sentence: str, holds: bool, *seen: object) -> None:
    """Raise `sentence` as a InvariantError unless it holds."""
    if not holds:
        raise InvariantError(sentence, seen)


def check_status_change(before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    """What must hold between a status and the one that is decided upon it, whatever is the case."""
    _check_conditions(before, after)
    hold(ATTEMPT_RISES, after.attempt >= before.attempt, before.attempt, after.attempt)
    _check_phases(before, after)
    _check_causes(before, after)
    _check_points(before, after)


def check_status_write(world: World, books: Books, seen: Observed, after: TrainingJobStatus) -> None:
    """What must hold between the stored status and the one that is about to replace it, decided from `seen`."""
    before = seen.status
    _check_end(world, seen, after)
    _check_checkpoint(world, before, after)
    _check_budget(world, before, after)
    _check_ledger(world, books, before, after)
    _check_record(world, before, after)
    _check_energy_budget(seen, after)
    hold(STEPS, (before.steps_done or 0) <= (after.steps_done or 0) <= world.steps_done, world.steps_done, after)


def _check_points(before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    old, new = before.best_point, after.best_point
    if new is None:
        hold(POINTS, old is None, old)
        return
    for point in new.points:
        hold(POINTS, point.samples_per_second == SAMPLES_PER_SECOND[point.threads], point)
    if old is not None:
        hold(POINTS, new.points[: len(old.points)] == old.points, old, new)
        hold(POINTS, old.chosen_threads in (None, new.chosen_threads), old, new)
    tried = {*(point.threads for point in new.points), new.threads, *new.to_try}
    hold(POINTS, tried == set(SAMPLES_PER_SECOND), new)


def check_notification(world: World, notify: Notify) -> None:
    """What must hold when a notification is really sent."""
    status = world.job.status
    hold(NOT_BEFORE_THE_END, is_true(status, notify.condition), notify, status.conditions)
    told = status.internal.notification
    hold(NOT_AGAIN, told is None or told.outcome is None, notify, told)


def check_notified(world: World, receiver: Receiver | None) -> None:
    """What must hold when nothing more will happen by itself, or the job is deleted because its time is over."""
    status = world.job.status
    wanted = [] if receiver is None else [each for each in receiver.conditions if is_true(status, each)]
    if receiver is not None and wanted:
        taken, given_up = wanted[0] in world.notified, world.failed_tries >= receiver.tries_at_most
        told = status.internal.notification
        recorded = told is not None and told.outcome is not None
        hold(NOTIFIED, recorded and (taken or given_up), wanted, world.notified, world.failed_tries, told)


def check_create(world: World, wanted: CreateChild) -> None:
    """What must hold when a child is really created."""
    hold(FINISHED_STAYS, not is_finished(world.job.status), wanted)
    others = [p.child for p in world.children.values() if p.live and p.child.attempt != wanted.attempt]
    hold(FENCED, not others, wanted, others)
    hold(FENCED, wanted.attempt == world.job.status.attempt, wanted, world.job.status.attempt)


def check_children(world: World) -> None:
    """What must hold of the children at any time."""
    live = [(p.child.role, p.child.attempt, p.child.worker) for p in world.children.values() if p.live]
    hold(ONE_OF_A_KIND, len(live) == len(set(live)), live)


def check_resumption(world: World) -> None:
    """What must hold of a group that has just met."""
    group, status = world.group, world.job.status
    if group is None or group.training or group.restarts or group.attempt != status.attempt or not status.restarts:
        return
    last = status.restarts[-1]
    if not last.in_place and last.attempt + 1 == group.attempt:
        hold(RESUMES_AS_SAID, last.resumed_from_step <= group.step, last, group)


def check_whole_or_nothing(world: World) -> None:
    """What must hold of the group when only time, or the end of a quota, changes anything. A worker that has been asked
    to end counts as gone: its node may be lost."""
    status, members = world.job.status, world.workers(world.job.status.attempt)
    staying = sum(p.terminating_since is None for p in members)
    hold(WHOLE_OR_NOTHING, is_finished(status) or staying in (0, world.job.spec.workers.replicas), members)


def check_places(before: Places, after: Places) -> None:
    """What must hold between who had a place before a move and who has one after it."""
    given = after.taken - before.taken - before.running  # what runs already is only entered
    hold(WITHIN_LIMIT, after.limit is None or not given or len(after.taken) <= after.limit, before, after)
    hold(RESERVED_FIRST, after.running - before.running <= before.reserved | after.uncounted, before, after)


def check_power(before: Sequence[Reservation], after: Sequence[Reservation], spec: PowerDomainSpec) -> None:
    """What must hold of what is reserved when a write grants, or raises, anything. A cap that is lowered takes nothing
    back, and a job that runs when a cap comes is only entered."""
    held, usable = {(r.uid, r.turn): r.watts for r in before}, spec.usable_watts
    rises = any(r.watts > held.get((r.uid, r.turn), 0.0) for r in after if (r.uid, r.turn) in held)
    hold(WITHIN_CAP, usable is None or not rises or sum(r.watts for r in after) <= usable, before, after, spec)


def check_order(given: Iterable[FleetJob], left: Iterable[FleetJob]) -> None:
    """What must hold of the jobs that were given a place together, and those that waited and were left."""
    first = max(((-job.priority, job.created) for job in given), default=None)
    others = [job for job in left if first is not None and (-job.priority, job.created) < first]
    hold(HIGHER_FIRST, not others, given, others)


def check_preemption(asked: Sequence[FleetJob], waiting: Iterable[FleetJob], places: int) -> None:
    """What must hold of jobs that are asked to give up their places at once, while those of `waiting` have none; all
    of them need the same. `places`: how many are free once all have gone that were ever asked."""
    least = min((job.priority for job in asked), default=0)
    higher = sum(job.priority > least for job in waiting)
    hold(PREEMPTS_UPWARDS, not asked or 0 < places <= higher, asked, waiting, places)


def check_rest(world: World) -> None:
    """What must hold of the children when nothing more will happen by itself."""
    status, spec = world.job.status, world.job.spec
    check_whole_or_nothing(world)
    for process in world.children.values():
        hold(NO_ORPHAN, process.child.attempt == status.attempt or is_finished(status), process)
        hold(NO_ORPHAN, not is_finished(status) or _is_kept(process.child, spec.policy.keep_pods), process)
        hold(NO_ORPHAN, not is_true(status, reasons.SUSPENDED), process)
    budget, marks = spec.energy.budget, status.internal.budget
    if budget is not None and not is_finished(status) and _is_held_by_budget(status):
        spent = status.energy.joules / JOULES_PER_KWH
        kept = 0.0 if marks is None or marks.reserve is None else marks.reserve.energy_kwh
        hold(BUDGET_HELD, spent + kept >= (budget.energy_kwh or 0.0) - 1e-12, spent, marks, budget)


def _is_kept(child: Child, keep_pods: str) -> bool:
    return child.ended and (keep_pods == "All" or (keep_pods == "Failed" and child.phase == "Failed"))


def _check_conditions(before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    hold(CONDITIONS, sorted(c.type for c in after.conditions) == sorted(reasons.CONDITION_TYPES), after.conditions)
    old = {c.type: c for c in before.conditions}
    for new in after.conditions:
        hold(CONDITIONS, new.type not in old or _follows(old[new.type], new), old.get(new.type), new)
    finished = [c for c in after.conditions if c.type in (reasons.COMPLETE, reasons.FAILED) and c.status == "True"]
    hold(CONDITIONS, len(finished) <= 1, finished)


def _follows(old: Condition, new: Condition) -> bool:
    if old.status == new.status:
        return old.last_transition_time == new.last_transition_time
    return old.last_transition_time <= new.last_transition_time


def _check_end(world: World, seen: Observed, after: TrainingJobStatus) -> None:
    before = seen.status
    if is_finished(before):
        hold(FINISHED_STAYS, _end(before) == _end(after), _end(before), _end(after))
    elif is_true(after, reasons.COMPLETE):
        done = {
            c.worker for c in seen.children if (c.role, c.attempt, c.phase) == (Role.WORKER, after.attempt, "Succeeded")
        }
        hold(COMPLETE_MEANS_ALL, done == set(range(world.job.spec.workers.replicas)), seen.children)


def _end(status: TrainingJobStatus) -> tuple[object, ...]:
    ends = [c for c in status.conditions if c.type in (reasons.COMPLETE, reasons.FAILED)]
    return status.attempt, status.completion_time, status.restart_count, *((c.type, c.status, c.reason) for c in ends)


def _check_checkpoint(world: World, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    if not world.shared_storage and after.attempt > before.attempt:
        hold(CHECKPOINT_RISES, after.checkpoint is None, after.checkpoint)
        return
    if before.checkpoint is not None:
        hold(CHECKPOINT_RISES, after.checkpoint is not None, before.checkpoint)
    if after.checkpoint is not None:
        least = before.checkpoint.step if before.checkpoint is not None else 0
        hold(CHECKPOINT_RISES, least <= after.checkpoint.step <= world.newest_checkpoint, after.checkpoint)


def _check_budget(world: World, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    counted, allowed = after.internal.failures_since_checkpoint, world.job.spec.policy.max_restarts
    hold(WITHIN_BUDGET, counted <= allowed, counted, allowed)
    if after.attempt == before.attempt or before.attempt == 0 or is_true(after, reasons.SUSPENDED):
        return
    causes = world.causes.get(before.attempt, frozenset())
    last = after.restarts[-1]
    if not causes & {"program", "slow", "replaced"}:
        hold(NOT_CHARGED, not last.counted, last, causes)
    if "program" in causes and causes <= {"program", "slow"}:
        hold(CHARGED, last.counted and counted > 0, last, causes)


def _is_held_by_budget(status: TrainingJobStatus) -> bool:
    return any(each.reason == reasons.BUDGET_SPENT for each in status.internal.holds)


def _check_energy_budget(seen: Observed, after: TrainingJobStatus) -> None:
    """Of budgets in kilowatt-hours that act on half-measured joules, as those of this world are."""
    budget, before = seen.job.spec.energy.budget, seen.status
    if budget is None or is_finished(after):
        return
    spent, limit = after.energy.joules / JOULES_PER_KWH, budget.energy_kwh or 0.0
    hold(BUDGET_BINDS, spent < limit or _is_held_by_budget(after), spent, limit, after.internal.holds)
    same = before.internal.budget is not None and before.internal.budget.limits.energy_kwh == limit
    hold(BUDGET_HOLDS_ON, not (same and _is_held_by_budget(before)) or _is_held_by_budget(after), before.internal)


def _check_ledger(world: World, books: Books, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    old, new = before.energy, after.energy
    for name in ("joules", "low", "high", "facility_joules", "wasted_joules"):
        hold(LEDGER_RISES, getattr(new, name) >= getattr(old, name) - 1e-9, name, old, new)
    hold(LEDGER_BOUNDS, new.low <= new.joules + 1e-9 and new.joules <= new.high + 1e-9, new)
    hold(LEDGER_BOUNDS, new.wasted_joules <= new.joules + 1e-9, new)
    hold(LEDGER_BOUNDS, abs(new.facility_joules - DOMAIN.pue * new.joules) < 1e-6, new)
    hold(LEDGER_BOUNDS, abs(sum(a.joules for a in new.accounts) - new.joules) < 1e-6, new.accounts)
    cost = 0.0 if DOMAIN.tariff is None else DOMAIN.tariff.price_per_kwh * new.facility_joules / JOULES_PER_KWH
    hold(LEDGER_BOUNDS, abs((new.cost or 0.0) - cost) < 1e-6, new)
    told = books.total()
    close = all(abs(a - b) < 1e-6 for a, b in zip(told, (new.joules, new.low, new.high), strict=True))
    hold(LEDGER_TRUE, close, told, new)
    hold(LEDGER_TRUE, new.joules <= world.spent + 1e-6, world.spent, new.joules)


def _check_record(world: World, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    old, new = before.internal.notification, after.internal.notification
    if new is not None and new.outcome == "Delivered":
        hold(NOTIFIED, new.condition in world.notified, new, world.notified)
    if new is not None and new.failures:
        hold(NOTIFIED, world.failed_tries >= new.failures, new, world.failed_tries)
    if old is not None and old.outcome is not None:
        hold(NOT_AGAIN, new == old, old, new)


def _check_phases(before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    old, new = ({p.phase: p for p in status.phases} for status in (before, after))
    fallen = [p for p in old.values() if new[p.phase].seconds < p.seconds or new[p.phase].joules < p.joules]
    hold(PHASES, not fallen, before.phases, after.phases)
    hold(PHASES, abs(sum(p.joules for p in after.phases) - after.energy.joules) < 1e-6, after.phases, after.energy)
    was, now = before.internal.open_phase, after.internal.open_phase
    if now is None or was is None or was.phase in AFTER_THE_END:
        return
    passed = sum(p.seconds for p in after.phases) - sum(p.seconds for p in before.phases)
    hold(PHASES, passed == (now.since - was.since).total_seconds(), was, now, after.phases)
    since, active = after.internal.active_since, after.internal.active_seconds
    active += 0 if since is None else int((now.since - since).total_seconds())
    seconds = {p.phase: p.seconds for p in after.phases}
    at_least = sum(n for phase, n in seconds.items() if phase not in _INACTIVE)
    # A job that is suspended while it waits is Suspending, though not active, until it is known to have no worker.
    hold(ACTIVE, at_least <= active <= at_least + seconds.get("Suspending", 0), active, after)


def _check_causes(before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    causes = after.causes
    hold(CAUSES, abs(sum(c.joules for c in causes) - after.energy.joules) < 1e-6, causes, after.energy)
    hold(CAUSES, all(c.joules >= 0 and c.seconds >= 0 for c in causes), causes)
    passed = sum(c.seconds for c in causes) - sum(c.seconds for c in before.causes)
    hold(CAUSES, passed >= -1e-6, before.causes, causes)
