"""World and operator together: what happens next, and what must hold after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil
from typing import Final

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core import plan as core
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.faults import Move
from wattrain_operator.simulated.objects import JobObject, Process
from wattrain_operator.simulated.shell import DEFAULT_SETTING, Cache, Setting, Shell, StatusWrite
from wattrain_operator.simulated.world import World

_BY_CHILDREN: Final[dict[str, Callable[[World, str], None]]] = {
    "start": World.start,
    "finish": World.finish,
    "stop": World.stop,
    "vanish": World.vanish,
    "fail with its peer": World.fail_with_peer,
    "answer": World.answer,
    "silence": World.silence,
    "evict": World.evict,
    "remove": World.remove,
    "lose the node of": World.lose_node,
    "never start": World.get_stuck,
}
_BY_THE_GROUP: Final[dict[str, Callable[[World], None]]] = {
    "advance": World.advance,
    "checkpoint": World.checkpoint,
    "hang": World.hang,
    "suspend": World.suspend,
    "resume": World.resume,
}
_BY_THE_OPERATOR: Final[dict[str, Callable[[Shell, World], object]]] = {
    "decide": Shell.decide,
    "deliver the job": Shell.deliver_job,
    "relist": Shell.relist,
    "poll": Shell.poll,
}


class Simulation:
    """A world with its operator. `do` makes a move and checks everything; `copy` makes another one in this state."""

    __slots__ = ("books", "shell", "world")

    def __init__(self, spec: TrainingJobSpec, setting: Setting = DEFAULT_SETTING) -> None:
        self.world = World(spec, shared_storage=setting.shared_storage)
        self.shell = Shell(self.world, setting)
        self.books = invariants.Books()

    def copy(self) -> Simulation:
        """Another simulation in the same state."""
        other = Simulation.__new__(Simulation)
        other.world, other.shell, other.books = self.world.copy(), self.shell.copy(), self.books.copy()
        return other

    # --- What can happen next ----------------------------------------------------------------------------------
    def operator_moves(self) -> Iterator[Move]:
        """What the operator and its watches do by themselves."""
        if self.world.job.deleted:
            return
        if self.shell.pending:
            yield Move("write")
        if self.shell.job.version != self.world.job.version:
            yield Move("deliver the job")
        for name in self.shell.late(self.world):
            yield Move("deliver", name)
        if self.has_news():
            yield Move("poll")
        if not self.shell.pending and (self.shell.needs_pass or self.is_awake()):
            yield Move("decide")

    def environment_moves(self) -> Iterator[Move]:
        """What children do where nothing goes wrong, and what must follow where something has."""
        world = self.world
        group = world.group
        if group is not None and world.can_train():
            if not group.training or group.step < world.total_steps:
                yield Move("advance")
            if group.training and world.newest_checkpoint < group.step:
                yield Move("checkpoint")
        for process in world.children.values():
            yield from self._child_moves(process)

    def is_awake(self) -> bool:
        """Whether the time has come that the operator asked to be woken at."""
        return self.shell.wake_at is not None and self.shell.wake_at <= self.world.now

    def time_moves(self) -> Iterator[Move]:
        """Time passes: to the next moment at which it alone may change something, or to where the operator wakes."""
        moments = self._moments()
        wake = self.shell.wake_at
        for moment in sorted({min(moments), wake if wake in moments else min(moments)} if moments else ()):
            yield self._wait_until(moment)

    def _wait_until(self, then: float) -> Move:
        return Move("wait", code=max(1, ceil(then - self.world.now)))

    def _moments(self) -> list[float]:
        world, shell = self.world, self.shell
        since = [p.terminating_since for p in world.children.values() if p.terminating_since is not None]
        moments = [asked + NODE_LOST_SECONDS + 1 for asked in since]
        if shell.wake_at is not None:
            moments.append(shell.wake_at)
        return [m for m in moments if m > world.now]

    # --- What happens ------------------------------------------------------------------------------------------
    def do(self, move: Move, old: tuple[JobObject, Cache] | None = None) -> None:
        """Make one move, and check what must hold. `old`: what an operator that dies reads first, its last view where
        nothing else is given."""
        world, shell = self.world, self.shell
        if move.name in _BY_CHILDREN:
            _BY_CHILDREN[move.name](world, move.child)
        elif move.name in _BY_THE_GROUP:
            _BY_THE_GROUP[move.name](world)
        elif move.name in _BY_THE_OPERATOR:
            _BY_THE_OPERATOR[move.name](shell, world)
        elif move.name == "write":
            self._write()
        else:
            self._do_with_arguments(move, old)
        invariants.check_children(world)
        invariants.check_resumption(world)

    def _do_with_arguments(self, move: Move, old: tuple[JobObject, Cache] | None) -> None:
        world, shell = self.world, self.shell
        match move.name:
            case "deliver":
                shell.deliver(world, move.child)
            case "crash":
                world.crash(move.child, move.code)
            case "wait":
                world.wait(move.code)
            case "let others go first":
                world.ahead, shell.needs_pass = move.code, True
            case "die":
                shell.die(world, world.job, Shell.read(world))
            case "die with an old view":
                shell.die(world, *(old or (shell.job, shell.cache)))
            case _:
                raise ValueError(f"no such move: {move}")

    def _write(self) -> None:
        write, world = self.shell.pending[0], self.world
        if isinstance(write, StatusWrite) and write.version == world.job.version:
            self.books.enter(write.seen)
            invariants.check_status_write(world, self.books, write.seen, write.status)
        if isinstance(write, CreateChild) and write.name not in world.children:
            invariants.check_create(world, write)
        self.shell.write(world)

    def has_news(self) -> bool:
        """Whether the group would say something else than it did."""
        report, known = self.world.report(), self.shell.report
        return report is not None and report != known

    def _child_moves(self, process: Process) -> Iterator[Move]:
        child, group = process.child, self.world.group
        leaving = process.terminating_since is not None
        if child.ended:
            if leaving:
                yield Move("vanish", child.name)
            return
        if process.node_lost:
            return
        if child.phase == "Pending":
            torn = any(p.peer_lost for p in self.world.workers(child.attempt))  # they give up before another is up
            if not process.stuck and not leaving and not torn:
                yield Move("start", child.name)
            return
        if leaving:
            yield Move("stop", child.name)
        elif process.peer_lost is not None:
            yield Move("fail with its peer", child.name)
        elif child.role == "prepare" or (
            group is not None and group.attempt == child.attempt and group.training
            and group.step == self.world.total_steps and not group.hung
        ):  # fmt: skip
            yield Move("finish", child.name)
        if not child.ready:
            yield Move("answer", child.name)

    # --- A fair run: no more faults, everything arrives, time passes only to where the operator asked to be woken --
    def fair_move(self) -> Move | None:
        """What happens next when nothing goes wrong any more. None: the world is at rest."""
        for moves in (self.operator_moves(), self.environment_moves()):
            if (move := next(moves, None)) is not None:
                return move
        if self.shell.wake_at is not None and self.shell.wake_at > self.world.now:
            return self._wait_until(self.shell.wake_at)
        return None

    def check_rest(self) -> None:
        """What must hold when no fair move is left."""
        world = self.world
        if world.job.deleted:
            return
        invariants.check_rest(world)
        status, wanted = world.job.status, world.job.spec
        settled = is_finished(status) or world.ahead or (wanted.suspend and status.state == "Suspended")
        invariants.hold(invariants.SETTLES, bool(settled), status.state, status.message)
        for fresh in (False, True):
            seen = self.shell.look(world, fresh=fresh)
            plan = core.plan(seen)
            quiet = plan.status == seen.status and not (plan.creates or plan.deletes or plan.events or plan.delete_job)
            invariants.hold(invariants.NOTHING_AT_REST, quiet, plan)
