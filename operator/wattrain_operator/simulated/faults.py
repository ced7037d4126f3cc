"""What can happen, by its name, and what of it can go wrong now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_operator.simulated.objects import Process
from wattrain_operator.simulated.simulated_operator import SimulatedOperator
from wattrain_operator.simulated.world import World

KILLED, PROGRAM, PERMANENT, UNASKED = -9, 1, reasons.EXIT_BAD_DATA, reasons.EXIT_PREEMPTED
CRASHES: Final = (KILLED, PROGRAM, PERMANENT, UNASKED)


class Move(NamedTuple):
    """Something that can happen: a name that reads as what happens, and to whom."""

    name: str
    child: str = ""
    code: int = 0
    job: str = ""
    """Empty: it is the only one, or the move is about all."""


def fault_moves(world: World, operator: SimulatedOperator) -> Iterator[Move]:
    """What can go wrong now: with the operator, its view, the group, and each child."""
    yield Move("die")
    if operator.late(world) or operator.job.version != world.job.version:
        yield Move("die with an old view")
        yield Move("relist")
    if world.can_train():
        yield Move("hang")
    if operator.sending is not None:
        yield Move("refuse the notification")
        yield Move("take the notification unheard")
    if world.room is None:
        yield Move("limit the children", code=len(world.children) + 1)
    else:
        yield Move("lift the quota")
    for process in world.children.values():
        yield from _child_faults(process)


def _child_faults(process: Process) -> Iterator[Move]:
    name, phase, leaving = process.child.name, process.child.phase, process.terminating_since is not None
    if phase == "Running":
        for code in CRASHES:
            yield Move("crash", name, code)
        if not leaving:
            yield Move("evict", name)
            yield Move("lose the node of", name)
        if process.child.ready:
            yield Move("silence", name)
            yield Move("silence for ever", name)
    if not leaving:
        yield Move("remove", name)
    if phase == "Pending" and not process.stuck:
        yield Move("never start", name)
