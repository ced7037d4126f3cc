"""What must hold after every move, each as a sentence. A sentence that does not hold is raised as `InvariantError`."""

from __future__ import annotations

from typing import Final

from wattrain_api import reasons
from wattrain_api.status import Condition, Meter, TrainingJobStatus
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.observed import Child, CreateChild, Observed, Role
from wattrain_operator.simulated.shell import DOMAIN
from wattrain_operator.simulated.world import World

ONE_OF_A_KIND: Final = "there are never two live children of the same role, attempt and rank"
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
CONDITIONS: Final = "all five conditions are there exactly once, and change time only with their answer, forwards"
NO_ORPHAN: Final = "at rest there is no child of another attempt, and of a finished job only what keepPods keeps"
SETTLES: Final = "when faults stop, a job ends, or is suspended or queued as asked, woken by its own wake times only"
NOTHING_AT_REST: Final = "at rest nothing is written"

Group = tuple[int, Role]


class InvariantError(AssertionError):
    """A sentence that does not hold, with what was seen. `sentence` is the sentence alone."""

    def __init__(self, sentence: str, seen: object) -> None:
        super().__init__(f"violated: {sentence}\nseen: {seen}")
        self.sentence = sentence


def hold(sentence: str, holds: bool, *seen: object) -> None:
    """Raise `sentence` as a InvariantError unless it holds."""
    if not holds:
        raise InvariantError(sentence, seen)


class Books:
    """What was told to the operator and entered, kept beside the ledger by other means: a plain sum of peaks."""

    __slots__ = ("peaks",)

    def __init__(self) -> None:
        self.peaks: dict[tuple[Group, str], tuple[float, float, float]] = {}
        """By group and source: the highest joules, low and high that were told."""

    def copy(self) -> Books:
        """The same books."""
        other = Books()
        other.peaks = dict(self.peaks)
        return other

    def enter(self, seen: Observed) -> None:
        """Enter what was to be read in `seen`. A group older than one that has been entered is closed."""
        told = [((c.attempt, c.role), c.last_word.energy, c.uid) for c in seen.children if c.last_word is not None]
        newest = max((group for group, _ in self.peaks), default=(0, "prepare"))
        sums: dict[tuple[Group, str], tuple[float, float, float]] = {}
        for group, energy, _ in told:
            for meter in energy:
                old = sums.get((group, meter.source), (0.0, 0.0, 0.0))
                sums[group, meter.source] = _plus(old, _triple(meter))
        if seen.report is not None:
            for meter in seen.report.energy:
                key = (seen.report.attempt, seen.report.role), meter.source
                sums[key] = _peak(sums.get(key, (0.0, 0.0, 0.0)), _triple(meter))
        for key, triple in sums.items():
            if key[0] >= newest:
                self.peaks[key] = _peak(self.peaks.get(key, (0.0, 0.0, 0.0)), triple)

    def total(self) -> tuple[float, float, float]:
        """Joules, low and high of all groups."""
        total = (0.0, 0.0, 0.0)
        for triple in self.peaks.values():
            total = _plus(total, triple)
        return total


def _triple(meter: Meter) -> tuple[float, float, float]:
    return meter.joules, meter.low_joules, meter.high_joules


def _plus(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _peak(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])


def check_status_write(world: World, books: Books, seen: Observed, after: TrainingJobStatus) -> None:
    """What must hold between the stored status and the one that is about to replace it, decided from `seen`."""
    before = seen.status
    _check_conditions(before, after)
    hold(ATTEMPT_RISES, after.attempt >= before.attempt, before.attempt, after.attempt)
    _check_end(world, seen, after)
    _check_checkpoint(world, before, after)
    _check_budget(world, before, after)
    _check_ledger(world, books, before, after)


def check_create(world: World, wanted: CreateChild) -> None:
    """What must hold when a child is really created."""
    hold(FINISHED_STAYS, not is_finished(world.job.status), wanted)
    others = [p.child for p in world.children.values() if p.live and p.child.attempt != wanted.attempt]
    hold(FENCED, not others, wanted, others)
    hold(FENCED, wanted.attempt == world.job.status.attempt, wanted, world.job.status.attempt)


def check_children(world: World) -> None:
    """What must hold of the children at any time."""
    live = [(p.child.role, p.child.attempt, p.child.rank) for p in world.children.values() if p.live]
    hold(ONE_OF_A_KIND, len(live) == len(set(live)), live)


def check_resumption(world: World) -> None:
    """What must hold of a group that has just met."""
    group, status = world.group, world.job.status
    if group is None or group.training or group.restarts or group.attempt != status.attempt or not status.restarts:
        return
    last = status.restarts[-1]
    if not last.in_place and last.attempt + 1 == group.attempt:
        hold(RESUMES_AS_SAID, last.resumed_from_step <= group.step, last, group)


def check_rest(world: World) -> None:
    """What must hold of the children when nothing more will happen by itself."""
    status, spec = world.job.status, world.job.spec
    for process in world.children.values():
        hold(NO_ORPHAN, process.child.attempt == status.attempt or is_finished(status), process)
        hold(NO_ORPHAN, not is_finished(status) or _is_kept(process.child, spec.policy.keep_pods), process)
        hold(NO_ORPHAN, not is_true(status, reasons.SUSPENDED), process)


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
        done = {c.rank for c in seen.children if (c.role, c.attempt, c.phase) == ("worker", after.attempt, "Succeeded")}
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
    counted, allowed = after.failures_since_checkpoint, world.job.spec.policy.max_restarts
    hold(WITHIN_BUDGET, counted <= allowed, counted, allowed)
    if after.attempt == before.attempt or before.attempt == 0 or is_true(after, reasons.SUSPENDED):
        return
    causes = world.causes.get(before.attempt, frozenset())
    last = after.restarts[-1]
    if not causes & {"program", "slow", "replaced"}:
        hold(NOT_CHARGED, not last.counted, last, causes)
    if "program" in causes and causes <= {"program", "slow"}:
        hold(CHARGED, last.counted and counted > 0, last, causes)


def _check_ledger(world: World, books: Books, before: TrainingJobStatus, after: TrainingJobStatus) -> None:
    old, new = before.energy, after.energy
    for name in ("joules", "low", "high", "facility_joules", "wasted_joules"):
        hold(LEDGER_RISES, getattr(new, name) >= getattr(old, name) - 1e-9, name, old, new)
    hold(LEDGER_BOUNDS, new.low <= new.joules + 1e-9 and new.joules <= new.high + 1e-9, new)
    hold(LEDGER_BOUNDS, new.wasted_joules <= new.joules + 1e-9, new)
    hold(LEDGER_BOUNDS, abs(new.facility_joules - DOMAIN.pue * new.joules) < 1e-6, new)
    told = books.total()
    close = all(abs(a - b) < 1e-6 for a, b in zip(told, (new.joules, new.low, new.high), strict=True))
    hold(LEDGER_TRUE, close, told, new)
    hold(LEDGER_TRUE, new.joules <= world.spent + 1e-6, world.spent, new.joules)
