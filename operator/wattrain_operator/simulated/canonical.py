"""What makes two states of a simulation the same for everything that can follow: the key of the exhaustive walk.

Times become the seconds that are left to a deadline, attempts the distance from the current one, versions and uids
whether they are the current ones. Sums that only grow, messages for people and all restarts but the last are left
out: no decision depends on them. So there are finitely many keys although time and attempts go on for ever.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from math import ceil

from wattrain_api import reasons
from wattrain_api.contract.failures import Failure
from wattrain_api.powerdomain import Reservation
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.conditions import condition_of, is_finished
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.notifying import due_time
from wattrain_operator.core.observed import Child, Report, TerminationMessage
from wattrain_operator.core.stopping import TAKEN_WITHIN_SECONDS
from wattrain_operator.simulated.faults import PROGRAM
from wattrain_operator.simulated.fleet_simulation import FleetSimulation
from wattrain_operator.simulated.objects import EPOCH, DomainObject, Process, moment
from wattrain_operator.simulated.simulated_operator import SimulatedOperator, has_begun
from wattrain_operator.simulated.simulation import Simulation
from wattrain_operator.simulated.world import World
from wattrain_operator.workers.last_answer import LastAnswer

ZONE_SECONDS = NODE_LOST_SECONDS + 1
"""Deadlines that lie in the same stretch of time count as the same, as long as both are to come."""
REFUSALS_TOLD_APART = 7
"""From so many in a row on the pause no longer grows."""
Key = tuple[Hashable, ...]


def key(simulation: Simulation) -> Key:
    """The key of a simulation's state."""
    world, operator = simulation.world, simulation.operator
    base = _Base(world)
    return (
        world.job.spec.suspend,
        world.job.deleted,
        world.room,
        _refusal(operator, world),
        world.newest_checkpoint,
        world.causes.get(base.attempt),
        _group(world, base),
        tuple(_process(p, base) for p in sorted(world.children.values(), key=_place)),
        _status(world.job.status, base),
        tuple(
            (base.place(_named(n, operator, world)), _cached(n, operator, world, base))
            for n in sorted(operator.late(world))
        ),
        None
        if operator.job.version == world.job.version
        else (operator.job.spec.suspend, _status(operator.job.status, base)),
        simulation.has_news(),
        *_report(operator, world.job.status, base),
        operator.needs_pass,
        base.left(operator.wake_at, 0),
        *_notification(operator, world, base),
    )


class _Base:
    """What all else is told relatively to: the moment, the current attempt, and whether the job is over."""

    __slots__ = ("attempt", "directive_version", "finished", "generation", "now", "policy")

    def __init__(self, world: World) -> None:
        self.now, self.attempt = world.now, world.job.status.attempt
        self.directive_version = world.job.status.internal.directive_version
        self.finished = is_finished(world.job.status)
        self.generation = world.job.job.metadata.generation
        self.policy = world.job.spec.policy

    def left(self, since: float | None, limit: float) -> int | None:
        """Zones until `limit` seconds after `since`; 0: it is over."""
        return None if since is None else _zones(since + limit - self.now)

    def left_of(self, since: datetime | None, limit: float) -> int | None:
        """The same for a time of day."""
        return None if since is None else self.left((since - EPOCH).total_seconds(), limit)

    def directed(self, version: int) -> int:
        """Whether the operator has meant another directive since that one: 1; or before: at most 0."""
        return min(1, self.directive_version - version)

    def place(self, child: Child) -> Key:
        """Whose place a child takes; all earlier attempts are one."""
        return child.role, max(-1, child.attempt - self.attempt), child.worker


def _zones(seconds: float) -> int:
    return max(0, ceil(seconds / ZONE_SECONDS))


def _place(p: Process) -> tuple[int, str, int]:
    return p.child.attempt, p.child.role, p.child.worker


def _group(world: World, base: _Base) -> Key | None:
    g = world.group
    if g is None or g.attempt != base.attempt:
        return None
    directed = base.directed(g.directive_version)
    return g.step, g.generation, g.training, g.hung, g.checkpoint_step, g.failures, directed, g.stops


def _process(p: Process, base: _Base) -> Key:
    since = base.left(p.terminating_since, NODE_LOST_SECONDS + 1)
    cause = _failure(p.peer_lost) if p.peer_lost is not None else None
    if _is_closed(p.child, base):
        return _child(p.child, base), since, p.node_lost, p.stuck, p.mute, cause is not None
    return _child(p.child, base), since, p.node_lost, p.stuck, p.mute, cause, p.budget


def _is_closed(child: Child, base: _Base) -> bool:
    """Whether why and how it ends no longer decides anything."""
    return base.finished or child.attempt < base.attempt


def _child(c: Child, base: _Base) -> Key:
    if _is_closed(c, base):
        return *base.place(c), c.phase
    directed = base.directed(c.directive_version), c.directive_version > 0
    return *base.place(c), c.phase, c.ready, c.termination and _left(c.termination), directed


def _left(left: TerminationMessage) -> Key:
    return left.exit_code, left.disruption, left.failure and _failure(left.failure)


def _failure(f: Failure) -> Key:
    return f.reason, f.exit_code, f.exit_code == PROGRAM and f.step


def _status(s: TrainingJobStatus, base: _Base) -> Key:
    conditions = tuple((c.type, c.status, c.reason) for c in s.conditions)
    observed = s.observed_generation == base.generation
    if is_finished(s):
        return conditions, observed, base.left_of(s.completion_time, base.policy.ttl_seconds_after_finished or 0)
    running = next((c for c in s.conditions if c.type == reasons.RUNNING and c.status != "True"), None)
    begun = max((t for t in (s.internal.attempt_time, s.internal.not_before) if t is not None), default=None)
    stopped = None if running is None else running.last_transition_time
    if stopped is not None and begun is not None and stopped <= begun:
        stopped = None  # the later of the two counts
    limit = base.policy.start_deadline_seconds
    return (
        conditions,
        observed,
        base.left_of(stopped, limit),
        base.left_of(begun, limit),
        base.left_of(s.internal.not_before, 0),
        s.attempt - base.attempt,
        s.internal.group_complete,
        s.internal.data_prepared,
        s.internal.failures_since_checkpoint,
        s.internal.in_place_seen,
        min(s.internal.refusals, REFUSALS_TOLD_APART),
        bool(s.restarts) and s.restarts[-1].exit_code == PROGRAM and s.restarts[-1].step,
        base.directed(s.internal.directive_version),
        tuple(hold.reason for hold in s.internal.holds),
        base.left_of(s.internal.stop_time, TAKEN_WITHIN_SECONDS),
        base.left_of(s.internal.stop_time, base.policy.progress_deadline_seconds),
        s.progress and s.progress.phase,
        s.checkpoint and s.checkpoint.step,
    )


def _named(name: str, operator: SimulatedOperator, world: World) -> Child:
    return operator.cache[name][0] if name in operator.cache else world.children[name].child


def _cached(name: str, operator: SimulatedOperator, world: World, base: _Base) -> Key | None:
    if name not in operator.cache:
        return None
    child, since = operator.cache[name]
    current = name in world.children and world.children[name].child.uid == child.uid
    return current, _child(child, base), base.left(since, NODE_LOST_SECONDS + 1)


def _report(operator: SimulatedOperator, status: TrainingJobStatus, base: _Base) -> Key:
    answer = operator.answer
    if answer is None or base.finished or answer.content.attempt != base.attempt:
        return (None,)  # what an earlier attempt said counts for the ledger alone
    r = answer.content
    ages = _ages(answer, status, base) if has_begun(r) else None
    directed = base.directed(r.directive_version)
    return r.role, r.generation, r.phase, r.step, r.checkpoint_step, len(r.restarts), ages, directed


def _ages(answer: LastAnswer[Report], status: TrainingJobStatus, base: _Base) -> Key:
    """For how long it has not changed, and will not have if the next answer is the same; and how old it is, where it is
    newer than the end of the group's running, for the later of the two counts."""
    left, silent = _longest(base) - answer.unchanged_seconds, None
    running = condition_of(status, reasons.RUNNING)
    if running.status == "False" and moment(answer.answered_at) > running.last_transition_time:
        silent = base.left(answer.answered_at, base.policy.start_deadline_seconds)
    return _zones(left), base.left(answer.changed_at, _longest(base)), silent


def _notification(operator: SimulatedOperator, world: World, base: _Base) -> Key:
    """What has been sent and heard, and what of it is recorded, in truth and by what the operator knows."""
    if operator.setting.receiver is None:
        return ()
    true, known = (status.internal.notification for status in (world.job.status, operator.job.status))
    due = None if true is None else base.left_of(due_time(true), 0)
    recorded = tuple(told and (told.outcome, told.failures) for told in (true, known))
    heard = operator.sending, operator.delivery, operator.needs_fresh_view
    return world.notified, world.failed_tries, heard, recorded, due


def _refusal(operator: SimulatedOperator, world: World) -> bool:
    """Whether the operator knows a refusal that is not in the status yet."""
    known = world.job.status.internal.refused_time
    return operator.refusal is not None and (known is None or operator.refusal.time > known)


def _longest(base: _Base) -> float:
    return float(max(base.policy.start_deadline_seconds, base.policy.progress_deadline_seconds))


def fleet_key(fleet: FleetSimulation) -> Key:
    """The key of a fleet's state: that of each job, what the operator knows of each, the domain, and its view of it."""
    operator, pending = fleet.operator, fleet.operator.pending
    turns = {name: s.world.job.status.internal.turn for name, s in fleet.jobs.items()}
    return (
        tuple(_job_of_a_fleet(name, s, fleet) for name, s in fleet.jobs.items()),
        _domain(fleet.domain, turns),
        None if operator.domain.version == fleet.domain.version else _domain(operator.domain, turns),
        operator.needs_pass,
        pending
        and (
            pending.version == fleet.domain.version,
            _reservations(pending.plan.reservations, turns),
            tuple(replace(waiting, expected_start=None) for waiting in pending.plan.waiting),
            tuple((job.name, job.wants, job.turn - turns[job.name]) for job in pending.seen.jobs),
        ),
        frozenset(name for name, _ in fleet.places.uncounted),
    )


def _job_of_a_fleet(name: str, simulation: Simulation, fleet: FleetSimulation) -> Key:
    operator, true = simulation.operator, simulation.world.job.status
    known = operator.job.status
    return (
        key(simulation),
        name in fleet.operator.unseen,
        operator.job.deleted,
        known.internal.turn - true.internal.turn,
        *(replace(status.queue, expected_start=None) for status in (known, true)),
        replace(operator.grant, expected_start=None),
    )


def _domain(domain: DomainObject, turns: Mapping[str, int]) -> Key:
    return domain.spec.max_running_jobs, _reservations(domain.reservations, turns)


def _reservations(reservations: tuple[Reservation, ...], turns: Mapping[str, int]) -> Key:
    return tuple((r.name, r.turn - turns[r.name], bool(r.preempted_by)) for r in reservations)
