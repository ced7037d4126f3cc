"""What makes two states of a simulation the same for everything that can follow: the key of the exhaustive walk.

Times become the seconds that are left to a deadline, attempts the distance from the current one, versions and uids
whether they are the current ones. Sums that only grow, messages for people and all restarts but the last are left
out: no decision depends on them. So there are finitely many keys although time and attempts go on for ever.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.observed import Child, Failure, LastWord
from wattrain_operator.simulated.shell import Shell
from wattrain_operator.simulated.simulation import PROGRAM, Simulation
from wattrain_operator.simulated.world import EPOCH, Process, World

ZONE_SECONDS = NODE_LOST_SECONDS + 1
"""Deadlines that lie in the same stretch of time count as the same, as long as both are to come."""
Key = tuple[Hashable, ...]


def key(simulation: Simulation) -> Key:
    """The key of a simulation's state."""
    world, shell = simulation.world, simulation.shell
    base = world.job.status.attempt
    return (
        world.job.spec.suspend,
        world.job.deleted,
        world.newest_checkpoint,
        world.causes.get(base),
        _group(world, base),
        tuple(_process(p, world, base) for p in sorted(world.children.values(), key=_place)),
        _status(world.job.status, world, base),
        simulation.has_news(),
        _shell(shell, world, base),
    )


def _group(world: World, base: int) -> Key | None:
    g = world.group
    if g is None or g.attempt != base:
        return None
    return g.step, g.generation, g.training, g.hung, g.checkpoint_step, g.failures


def _place(p: Process) -> tuple[int, str, int]:
    return p.child.attempt, p.child.role, p.child.rank


def _process(p: Process, world: World, base: int) -> Key:
    since = _left(p.terminating_since, NODE_LOST_SECONDS + 1, world)
    return _child(p.child, base), since, p.budget, p.node_lost, p.stuck, p.peer_lost and _failure(p.peer_lost)


def _child(c: Child, base: int) -> Key:
    return c.role, c.attempt - base, c.rank, c.phase, c.ready, c.message, c.last_word and _word(c.last_word)


def _word(word: LastWord) -> Key:
    return word.exit_code, word.disruption, word.failure and _failure(word.failure)


def _failure(f: Failure) -> Key:
    return f.reason, f.exit_code, f.exit_code == PROGRAM and f.step


def _status(s: TrainingJobStatus, world: World, base: int) -> Key:
    running = next((c for c in s.conditions if c.type == reasons.RUNNING), None)
    stopped = None if running is None or running.status == "True" else running.last_transition_time
    limit = world.job.spec.policy.start_deadline_seconds
    begun = max((t for t in (s.attempt_time, s.not_before) if t is not None), default=None)
    if stopped is not None and begun is not None and stopped <= begun:
        stopped = None  # the later of the two counts
    last = s.restarts[-1] if s.restarts else None
    ended = None if s.completion_time is None else (s.completion_time - EPOCH).total_seconds()
    return (
        tuple((c.type, c.status, c.reason) for c in s.conditions),
        _left(None if stopped is None else (stopped - EPOCH).total_seconds(), limit, world),
        _left(None if begun is None else (begun - EPOCH).total_seconds(), limit, world),
        _left(None if s.not_before is None else (s.not_before - EPOCH).total_seconds(), 0, world),
        _left(ended, world.job.spec.policy.ttl_seconds_after_finished or 0, world),
        s.attempt - base,
        s.group_complete,
        s.data_prepared,
        s.active_since is None,
        s.observed_generation == world.job.job.metadata.generation,
        s.failures_since_checkpoint,
        s.in_place_seen,
        last is not None and last.exit_code == PROGRAM and last.step,
        s.progress and s.progress.phase,
        s.checkpoint and s.checkpoint.step,
    )


def _shell(shell: Shell, world: World, base: int) -> Key:
    late = shell.late(world)
    return (
        tuple((_which(n, shell, world, base), _cached(n, shell, world, base)) for n in sorted(late)),
        None if shell.job.version == world.job.version else (shell.job.spec.suspend, _status(shell.job.status, world, base)),
        *_report(shell, world, base),
        shell.needs_pass,
        _left(shell.wake_at, 0, world),
    )


def _which(name: str, shell: Shell, world: World, base: int) -> Key:
    """Which child a name means, whatever its attempt's number."""
    child = shell.cache[name][0] if name in shell.cache else world.children[name].child
    return child.role, child.attempt - base, child.rank


def _cached(name: str, shell: Shell, world: World, base: int) -> Key | None:
    if name not in shell.cache:
        return None
    child, since = shell.cache[name]
    current = name in world.children and world.children[name].child.uid == child.uid
    return current, _child(child, base), _left(since, NODE_LOST_SECONDS + 1, world)


def _report(shell: Shell, world: World, base: int) -> Key:
    r = shell.report
    if r is None or r.attempt != base:
        return (None,)  # what an earlier attempt said counts for the ledger alone
    age = _left(shell.report_since, _longest(world), world)
    return r.role, r.generation, r.phase, r.step, r.checkpoint_step, len(r.restarts), age


def _longest(world: World) -> float:
    policy = world.job.spec.policy
    return float(max(policy.start_deadline_seconds, policy.progress_deadline_seconds))


def _left(since: float | None, limit: float, world: World) -> int | None:
    """Zones until `limit` seconds after `since`; 0: it is over."""
    return None if since is None else max(0, ceil((since + limit - world.now) / ZONE_SECONDS))
