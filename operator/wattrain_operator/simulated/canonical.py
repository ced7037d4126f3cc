"""What makes two states of a simulation the same for everything that can follow: the key of the exhaustive walk.

Times become the seconds that are left to a deadline, attempts the distance from the current one, versions and uids
whether they are the current ones. Sums that only grow, messages for people and all restarts but the last are left
out: no decision depends on them. So there are finitely many keys although time and attempts go on for ever.
"""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from math import ceil

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.observed import Child, Failure, LastWord
from wattrain_operator.simulated.faults import PROGRAM
from wattrain_operator.simulated.objects import EPOCH, Process
from wattrain_operator.simulated.shell import Shell
from wattrain_operator.simulated.simulation import Simulation
from wattrain_operator.simulated.world import World

ZONE_SECONDS = NODE_LOST_SECONDS + 1
"""Deadlines that lie in the same stretch of time count as the same, as long as both are to come."""
Key = tuple[Hashable, ...]


def key(simulation: Simulation) -> Key:
    """The key of a simulation's state."""
    world, shell = simulation.world, simulation.shell
    base = _Base(world)
    return (
        world.job.spec.suspend,
        world.job.deleted,
        world.newest_checkpoint,
        world.causes.get(base.attempt),
        _group(world, base),
        tuple(_process(p, base) for p in sorted(world.children.values(), key=_place)),
        _status(world.job.status, base),
        tuple((base.place(_named(n, shell, world)), _cached(n, shell, world, base)) for n in sorted(shell.late(world))),
        None if shell.job.version == world.job.version else (shell.job.spec.suspend, _status(shell.job.status, base)),
        simulation.has_news(),
        *_report(shell, base),
        shell.needs_pass,
        base.left(shell.wake_at, 0),
    )


class _Base:
    """What all else is told relatively to: the moment, the current attempt, and whether the job is over."""

    __slots__ = ("attempt", "finished", "generation", "now", "policy")

    def __init__(self, world: World) -> None:
        self.now, self.attempt = world.now, world.job.status.attempt
        self.finished = is_finished(world.job.status)
        self.generation = world.job.job.metadata.generation
        self.policy = world.job.spec.policy

    def left(self, since: float | None, limit: float) -> int | None:
        """Zones until `limit` seconds after `since`; 0: it is over."""
        return None if since is None else max(0, ceil((since + limit - self.now) / ZONE_SECONDS))

    def left_of(self, since: datetime | None, limit: float) -> int | None:
        """The same for a time of day."""
        return None if since is None else self.left((since - EPOCH).total_seconds(), limit)

    def place(self, child: Child) -> Key:
        """Whose place a child takes; all earlier attempts are one."""
        return child.role, max(-1, child.attempt - self.attempt), child.rank


def _place(p: Process) -> tuple[int, str, int]:
    return p.child.attempt, p.child.role, p.child.rank


def _group(world: World, base: _Base) -> Key | None:
    g = world.group
    if g is None or g.attempt != base.attempt:
        return None
    return g.step, g.generation, g.training, g.hung, g.checkpoint_step, g.failures


def _process(p: Process, base: _Base) -> Key:
    since = base.left(p.terminating_since, NODE_LOST_SECONDS + 1)
    cause = _failure(p.peer_lost) if p.peer_lost is not None else None
    if _is_closed(p.child, base):
        return _child(p.child, base), since, p.node_lost, p.stuck, cause is not None
    return _child(p.child, base), since, p.node_lost, p.stuck, cause, p.budget


def _is_closed(child: Child, base: _Base) -> bool:
    """Whether why and how it ends no longer decides anything."""
    return base.finished or child.attempt < base.attempt


def _child(c: Child, base: _Base) -> Key:
    if _is_closed(c, base):
        return *base.place(c), c.phase
    return *base.place(c), c.phase, c.ready, c.last_word and _word(c.last_word)


def _word(word: LastWord) -> Key:
    return word.exit_code, word.disruption, word.failure and _failure(word.failure)


def _failure(f: Failure) -> Key:
    return f.reason, f.exit_code, f.exit_code == PROGRAM and f.step


def _status(s: TrainingJobStatus, base: _Base) -> Key:
    conditions = tuple((c.type, c.status, c.reason) for c in s.conditions)
    observed = s.observed_generation == base.generation
    if is_finished(s):
        return conditions, observed, base.left_of(s.completion_time, base.policy.ttl_seconds_after_finished or 0)
    running = next((c for c in s.conditions if c.type == reasons.RUNNING and c.status != "True"), None)
    begun = max((t for t in (s.attempt_time, s.not_before) if t is not None), default=None)
    stopped = None if running is None else running.last_transition_time
    if stopped is not None and begun is not None and stopped <= begun:
        stopped = None  # the later of the two counts
    limit = base.policy.start_deadline_seconds
    return (
        conditions,
        observed,
        base.left_of(stopped, limit),
        base.left_of(begun, limit),
        base.left_of(s.not_before, 0),
        s.attempt - base.attempt,
        s.group_complete,
        s.data_prepared,
        s.failures_since_checkpoint,
        s.in_place_seen,
        bool(s.restarts) and s.restarts[-1].exit_code == PROGRAM and s.restarts[-1].step,
        s.progress and s.progress.phase,
        s.checkpoint and s.checkpoint.step,
    )


def _named(name: str, shell: Shell, world: World) -> Child:
    return shell.cache[name][0] if name in shell.cache else world.children[name].child


def _cached(name: str, shell: Shell, world: World, base: _Base) -> Key | None:
    if name not in shell.cache:
        return None
    child, since = shell.cache[name]
    current = name in world.children and world.children[name].child.uid == child.uid
    return current, _child(child, base), base.left(since, NODE_LOST_SECONDS + 1)


def _report(shell: Shell, base: _Base) -> Key:
    r = shell.report
    if r is None or base.finished or r.attempt != base.attempt:
        return (None,)  # what an earlier attempt said counts for the ledger alone
    started = r.phase == "training" or r.generation > 0
    age = base.left(shell.report_since, _longest(base)) if started else None
    return r.role, r.generation, r.phase, r.step, r.checkpoint_step, len(r.restarts), age


def _longest(base: _Base) -> float:
    return float(max(base.policy.start_deadline_seconds, base.policy.progress_deadline_seconds))
