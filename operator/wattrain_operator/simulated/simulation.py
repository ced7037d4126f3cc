"""World and operator together, and every move that can happen next. Every move is followed by the invariants."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core import plan as core
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.shell import Cache, Shell, StatusWrite
from wattrain_operator.simulated.world import JobObject, Process, World

KILLED, PROGRAM, PERMANENT = -9, 1, reasons.EXIT_BAD_DATA
CRASHES: Final = (KILLED, PROGRAM, PERMANENT)


class Move(NamedTuple):
    """Something that can happen: a name that reads as what happens, and to whom."""

    name: str
    child: str = ""
    code: int = 0


class Simulation:
    """A world with its operator. `do` makes a move and checks everything; `copy` makes another one in this state."""

    __slots__ = ("books", "shell", "world")

    def __init__(
        self, spec: TrainingJobSpec, *, shared_storage: bool = True, status_interval_seconds: float = 0.0, reads_own_writes: bool = False
    ) -> None:
        self.world = World(spec)
        self.shell = Shell(
            self.world, shared_storage=shared_storage, status_interval_seconds=status_interval_seconds, reads_own_writes=reads_own_writes
        )
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

    def fault_moves(self) -> Iterator[Move]:
        """What can go wrong now."""
        yield Move("die")
        if self.shell.late(self.world) or self.shell.job.version != self.world.job.version:
            yield Move("die with an old view")
            yield Move("relist")
        if self.world.can_train():
            yield Move("hang")
        for name, process in self.world.children.items():
            phase, leaving = process.child.phase, process.terminating_since is not None
            if phase == "Running":
                for code in CRASHES:
                    yield Move("crash", name, code)
                if not leaving:
                    yield Move("evict", name)
                    yield Move("lose the node of", name)
                if process.child.ready:
                    yield Move("silence", name)
            if not leaving:
                yield Move("remove", name)
            if phase == "Pending" and not process.stuck:
                yield Move("never start", name)

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
        moments = [p.terminating_since + NODE_LOST_SECONDS + 1 for p in world.children.values() if p.terminating_since is not None]
        if shell.wake_at is not None:
            moments.append(shell.wake_at)
        return [m for m in moments if m > world.now]

    # --- What happens ------------------------------------------------------------------------------------------
    def do(self, move: Move, old: tuple[JobObject, Cache] | None = None) -> None:
        """Make one move, and check what must hold. `old`: what an operator that dies reads first, its last view where
        nothing else is given."""
        world, shell, name = self.world, self.shell, move.child
        match move.name:
            case "write":
                self._write()
            case "decide":
                shell.decide(world)
            case "deliver the job":
                shell.deliver_job(world)
            case "deliver":
                shell.deliver(world, name)
            case "relist":
                shell.relist(world)
            case "poll":
                shell.poll(world)
            case "die":
                shell.die(world, world.job, Shell.read(world))
            case "die with an old view":
                shell.die(world, *(old or (shell.job, shell.cache)))
            case "advance":
                world.advance()
            case "checkpoint":
                world.checkpoint()
            case "hang":
                world.hang()
            case "start":
                world.start(name)
            case "finish":
                world.finish(name)
            case "stop":
                world.stop(name)
            case "vanish":
                world.vanish(name)
            case "fail with its peer":
                world.fail_with_peer(name)
            case "answer":
                world.answer(name, True)
            case "silence":
                world.answer(name, False)
            case "crash":
                world.crash(name, move.code)
            case "evict":
                world.evict(name)
            case "remove":
                world.remove(name)
            case "lose the node of":
                world.remove(name, node_lost=True)
            case "never start":
                world.get_stuck(name)
            case "suspend":
                world.write_suspend(True)
            case "resume":
                world.write_suspend(False)
            case "let others go first":
                world.ahead, shell.needs_pass = move.code, True
            case "wait":
                world.wait(move.code)
            case _:
                raise ValueError(f"no such move: {move}")
        invariants.check_children(world)

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
