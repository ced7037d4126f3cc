"""World and operator together: what happens next, and what must hold after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from math import ceil
from typing import Final

from wattrain_api.trainingjob import ObjectMeta, TrainingJobSpec
from wattrain_operator.core import plan as core
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.holding import hold_of
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.observed import CreateChild, Notify
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.books import Books
from wattrain_operator.simulated.faults import Move
from wattrain_operator.simulated.objects import METADATA, JobObject, Process
from wattrain_operator.simulated.simulated_operator import (
    DEFAULT_SETTING,
    FULL,
    UNLIMITED,
    Cache,
    DeleteJob,
    Setting,
    SimulatedOperator,
    StatusWrite,
    has_begun,
)
from wattrain_operator.simulated.simulated_report import report_of
from wattrain_operator.simulated.world import World

_BY_CHILDREN: Final[dict[str, Callable[[World, str], None]]] = {
    "start": World.start,
    "finish": World.finish,
    "stop": World.stop,
    "vanish": World.vanish,
    "fail with its peer": World.fail_with_peer,
    "answer": World.answer,
    "silence": World.silence,
    "silence for ever": World.silence_for_ever,
    "evict": World.evict,
    "remove": World.remove,
    "lose the node of": World.lose_node,
    "never start": World.get_stuck,
}
_BY_THE_GROUP: Final[dict[str, Callable[[World], None]]] = {
    "advance": World.advance,
    "checkpoint": World.checkpoint,
    "obey": World.obey,
    "hang": World.hang,
    "suspend": World.suspend,
    "resume": World.resume,
    "raise the budget": World.raise_budget,
    "lift the quota": World.lift,
    "delete the job": World.delete_job,
}
_BY_THE_OPERATOR: Final[dict[str, Callable[[SimulatedOperator, World], object]]] = {
    "decide": SimulatedOperator.decide,
    "deliver the job": SimulatedOperator.deliver_job,
    "relist": SimulatedOperator.relist,
    "poll": SimulatedOperator.poll,
}


_OTHERS_FIRST: Final = Waiting(METADATA.uid, 1, "a place: maxRunningJobs 1", "team/other")


class Simulation:
    """A world with its operator. `do` makes a move and checks everything; `copy` makes another one in this state."""

    __slots__ = ("books", "operator", "world")

    def __init__(
        self, spec: TrainingJobSpec, setting: Setting = DEFAULT_SETTING, *, metadata: ObjectMeta = METADATA
    ) -> None:
        self.world = World(spec, shared_storage=setting.shared_storage, metadata=metadata)
        self.operator = SimulatedOperator(self.world, setting)
        self.books = Books()

    def copy(self) -> Simulation:
        """Another simulation in the same state."""
        other = Simulation.__new__(Simulation)
        other.world, other.operator, other.books = self.world.copy(), self.operator.copy(), self.books.copy()
        return other

    # --- What can happen next ----------------------------------------------------------------------------------
    def operator_moves(self) -> Iterator[Move]:
        """What the operator and its watches do by themselves."""
        if self.operator.pending:
            yield Move("write")
        if self.operator.job.version != self.world.job.version:
            yield Move("deliver the job")
        for name in self.operator.late(self.world):
            yield Move("deliver", name)
        if self.world.job.deleted:
            return
        if self.has_news():
            yield Move("poll")
        if not self.operator.pending and (self.operator.needs_pass or self.is_awake()):
            yield Move("decide")

    def environment_moves(self) -> Iterator[Move]:
        """What children do where nothing goes wrong, and what must follow where something has."""
        world = self.world
        if self.operator.sending is not None:
            yield Move("take the notification")
        group = world.group
        if group is not None and world.can_train():
            if world.new_directive() is not None:
                yield Move("obey")
            if not group.training or group.step < world.total_steps:
                yield Move("advance")
            if group.training and world.newest_checkpoint < group.step:
                yield Move("checkpoint")
        for process in world.children.values():
            yield from self._child_moves(process)

    def is_awake(self) -> bool:
        """Whether the time has come that the operator asked to be woken at."""
        return self.operator.wake_at is not None and self.operator.wake_at <= self.world.now

    def time_moves(self) -> Iterator[Move]:
        """Time passes: to the next moment at which it alone may change something, or to where the operator wakes."""
        moments = self._moments()
        wake = self.operator.wake_at
        for moment in sorted({min(moments), wake if wake in moments else min(moments)} if moments else ()):
            yield self._wait_until(moment)

    def _wait_until(self, then: float) -> Move:
        return Move("wait", code=max(1, ceil(then - self.world.now)))

    def _moments(self) -> list[float]:
        world, operator = self.world, self.operator
        since = [p.terminating_since for p in world.children.values() if p.terminating_since is not None]
        moments = [asked + NODE_LOST_SECONDS + 1 for asked in since]
        if operator.wake_at is not None:
            moments.append(operator.wake_at)
        return [m for m in moments if m > world.now]

    # --- What happens ------------------------------------------------------------------------------------------
    def do(self, move: Move, old: tuple[JobObject, Cache] | None = None) -> None:
        """Make one move, and check what must hold. `old`: what an operator that dies reads first, its last view where
        nothing else is given."""
        world, operator = self.world, self.operator
        if move.name in _BY_CHILDREN:
            _BY_CHILDREN[move.name](world, move.child)
        elif move.name in _BY_THE_GROUP:
            _BY_THE_GROUP[move.name](world)
        elif move.name in _BY_THE_OPERATOR:
            _BY_THE_OPERATOR[move.name](operator, world)
        elif move.name == "write":
            self._write()
        else:
            self._do_with_arguments(move, old)
        if move.name not in _BY_THE_OPERATOR and move.name != "deliver":  # these leave the truth as it was
            invariants.check_children(world)
            invariants.check_resumption(world)
        if world.room is not None and self.goes_on() is None:
            invariants.check_whole_or_nothing(world)

    def _do_with_arguments(self, move: Move, old: tuple[JobObject, Cache] | None) -> None:
        world, operator = self.world, self.operator
        match move.name:
            case "deliver":
                operator.deliver(world, move.child)
            case "crash":
                world.crash(move.child, move.code)
            case "wait":
                world.wait(move.code)
            case "limit the children":
                world.limit(move.code)
            case "let others go first":
                operator.see_domain(FULL if move.code else UNLIMITED, _OTHERS_FIRST if move.code else None)
                operator.needs_pass = True
            case "take the notification":
                operator.hear_from_receiver(world, taken=True)
            case "refuse the notification":
                operator.hear_from_receiver(world, taken=False, failure="HTTP 500")
            case "take the notification unheard":
                operator.hear_from_receiver(world, taken=True, failure="no answer")
            case "die":
                operator.die(world, world.job, SimulatedOperator.read(world))
            case "die with an old view":
                operator.die(world, *(old or (operator.job, operator.cache)))
            case _:
                raise ValueError(f"no such move: {move}")

    def _write(self) -> None:
        write, world = self.operator.pending[0], self.world
        if isinstance(write, StatusWrite) and write.version == world.job.version:
            self.books.enter(write.seen)
            if self.operator.decisions.is_new(write.seen):  # of which the same status always follows
                invariants.check_status_change(write.seen.status, write.status)
            invariants.check_status_write(world, self.books, write.seen, write.status)
        if isinstance(write, Notify):
            invariants.check_notification(world, write)
        if isinstance(write, DeleteJob):
            invariants.check_notified(world, self.operator.setting.receiver)
        if isinstance(write, CreateChild) and write.name not in world.children:
            invariants.check_create(world, write)
        self.operator.write(world)

    def has_news(self) -> bool:
        """Whether the group would say something else than it did, or by now the same in a phase that is held to a
        deadline."""
        report, known = report_of(self.world), self.operator.answer
        if report is None or known is None:
            return report is not None
        return report != known.content or (known.answered_at < self.world.now and has_begun(report))

    def _child_moves(self, process: Process) -> Iterator[Move]:
        child, group = process.child, self.world.group
        leaving = process.terminating_since is not None
        if child.ended:
            if leaving:
                yield Move("vanish", child.name)
            return
        if process.node_lost:
            if self.world.job.deleted:  # no operator ends it; who takes the node away does
                yield Move("vanish", child.name)
            return
        if child.phase == "Pending":
            torn = any(p.peer_lost for p in self.world.workers(child.attempt))  # they give up before another is up
            if not process.stuck and not leaving and not torn:
                yield Move("start", child.name)
            return
        if leaving or self.world.is_stopping(process):
            yield Move("stop", child.name)
        elif process.peer_lost is not None:
            yield Move("fail with its peer", child.name)
        elif child.role == Role.PREPARE or (
            group is not None and group.attempt == child.attempt and group.training
            and group.step == self.world.total_steps and not group.hung
        ):  # fmt: skip
            yield Move("finish", child.name)
        if not child.ready and not process.mute:
            yield Move("answer", child.name)

    # --- A fair run: no more faults, everything arrives, time passes only to where the operator asked to be woken --
    def fair_move(self) -> Move | None:
        """What happens next when nothing goes wrong any more. None: the world is at rest."""
        if (move := self.goes_on()) is not None:
            return move
        if self.world.room is not None:
            return Move("lift the quota")
        if self.operator.wake_at is not None and self.operator.wake_at > self.world.now:
            return self._wait_until(self.operator.wake_at)
        return None

    def goes_on(self) -> Move | None:
        """What happens next before time passes. None: only time, or what others do, changes anything."""
        return next(chain(self.operator_moves(), self.environment_moves()), None)

    def check_rest(self) -> None:
        """What must hold when no fair move is left."""
        world = self.world
        if world.job.deleted:
            return
        invariants.check_rest(world)
        invariants.check_notified(world, self.operator.setting.receiver)
        status, wanted = world.job.status, world.job.spec
        held = hold_of(wanted, status) is not None and status.state == "Suspended"
        settled = is_finished(status) or not self.operator.grant.granted or held
        invariants.hold(invariants.SETTLES, bool(settled), status.state, status.message)
        for fresh in (False, True):
            seen = self.operator.look(world, fresh=fresh)
            plan = core.plan(seen)
            children = plan.creates or plan.directs or plan.deletes
            quiet = plan.status == seen.status and not (children or plan.events or plan.notify or plan.delete_job)
            invariants.hold(invariants.NOTHING_AT_REST, quiet, plan)
