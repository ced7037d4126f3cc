"""`PowerDomain.spec.preemption: LowerPriority`: who gives up its place so that a job of higher priority fits.

Only jobs of strictly lower priority do, the last of the queue's order first: the lowest priority, then the youngest.
They are asked only where that makes the job fit, and nobody more than it needs; who stops already is counted as gone.
So a place goes upwards in priority alone, and nobody takes it back from who took it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from wattrain_api.powerdomain import Reservation
from wattrain_operator.core.admission import Room
from wattrain_operator.core.fleet_job import FleetJob


class Claim(NamedTuple):
    """What a job wants, or could give up."""

    priority: int
    watts: float


class Runner(NamedTuple):
    """A job that has a place and may be asked to give it up."""

    reservation: Reservation
    job: FleetJob
    watts: float
    """What is free once it has gone."""

    @property
    def turn(self) -> tuple[str, int]:
        """What its reservation is for."""
        return self.reservation.uid, self.reservation.turn


def who_gives_way(wanted: Claim, runners: Sequence[Claim], room: Room) -> list[int]:
    """Who of `runners`, in the order in which they give way, is to release its claim so that `wanted` fits: their
    indices. Empty where it fits already, or cannot by these. `room`: what is free, negative where too much runs."""
    if room.fits(wanted.watts):
        return []
    chosen: list[int] = []
    for index, runner in enumerate(runners):
        if runner.priority < wanted.priority:
            chosen.append(index)
            room = room.plus(runner.watts)
            if room.fits(wanted.watts):
                return _without_needless(chosen, wanted, runners, room)
    return []


def _without_needless(chosen: list[int], wanted: Claim, runners: Sequence[Claim], room: Room) -> list[int]:
    """`chosen` without those whose release is not needed beside that of the others; who gives way last is spared
    first."""
    needed = []
    for index in reversed(chosen):
        without = room.without(runners[index].watts)
        if without.fits(wanted.watts):
            room = without
        else:
            needed.append(index)
    return needed


def orders(
    runners: Sequence[Runner], queue: Sequence[tuple[FleetJob, float]], room: Room
) -> dict[tuple[str, int], str]:
    """By uid and turn of those of `runners` that are asked to go: for whom. `queue`, in order, has jobs with the watts
    that they want; the first that cannot be helped ends it, for nobody overtakes by preemption. `room`: what is free
    once all have gone that go already."""
    left = sorted(runners, key=_gives_way)
    asked: dict[tuple[str, int], str] = {}
    for job, watts in queue:
        if not room.fits(watts):
            claims = [Claim(runner.job.priority, runner.watts) for runner in left]
            chosen = who_gives_way(Claim(job.priority, watts), claims, room)
            if not chosen:
                break
            for index in sorted(chosen, reverse=True):
                runner = left.pop(index)
                room = room.plus(runner.watts)
                asked[runner.turn] = f"{job.namespace}/{job.name}, priority {job.priority} > {runner.job.priority}"
        room = room.without(watts)
    return asked


def _gives_way(runner: Runner) -> tuple[int, float, str, str]:
    """The order of the queue, reversed."""
    job = runner.job
    return job.priority, -job.created.timestamp(), job.namespace, job.name
