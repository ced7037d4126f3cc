"""Several jobs, their PowerDomain and one operator: what happens next, and what must hold after it.

Each job is a `Simulation` of its own, with all that can befall it. They share the clock, the operator's process and the
domain: what a job is granted is what the operator's own last view of the domain says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import NamedTuple

from wattrain_api import reasons
from wattrain_api.trainingjob import ObjectMeta, TrainingJobSpec
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.domains import is_limited
from wattrain_operator.core.power_estimate import estimated_watts
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.faults import Move
from wattrain_operator.simulated.fleet_operator import (
    DomainWrite,
    FleetOperator,
    decide_by_the_truth,
    has_living_child,
    store,
    true_job,
)
from wattrain_operator.simulated.invariants import Places
from wattrain_operator.simulated.objects import DOMAIN, DomainObject, JobObject, moment
from wattrain_operator.simulated.simulated_operator import Cache, Setting, SimulatedOperator, StatusWrite
from wattrain_operator.simulated.simulation import Simulation
from wattrain_operator.simulated.world import World

NAMESPACE = "team"


class OldView(NamedTuple):
    """What an operator knew once."""

    domain: DomainObject
    unseen: frozenset[str]
    jobs: Mapping[str, tuple[JobObject, Cache]]


class FleetSimulation:
    """Jobs by name, the oldest first. `do` makes a move and checks all; `copy` makes another one in this state."""

    __slots__ = ("domain", "jobs", "operator", "places", "watts")

    def __init__(
        self, specs: Mapping[str, TrainingJobSpec], limit: int | None, setting: Setting, *, by_power: bool = False,
        preempts: bool = False,
    ) -> None:  # fmt: skip
        """`limit`: how many of the jobs, which are equal but for their priority, may run at once. `by_power`: that
        follows from a cap that has room for so many and a half. `preempts`: a higher priority takes their places."""
        self.jobs = {
            name: Simulation(spec, setting, metadata=_metadata(name, age))
            for age, (name, spec) in enumerate(specs.items())
        }
        self.watts = estimated_watts(next(iter(specs.values())), 1.0).high if by_power else 0.0
        spec = DOMAIN.model_copy(update={"preemption": "LowerPriority" if preempts else "Never"})
        self.domain = _limited(DomainObject(spec), limit, self.watts)
        self.operator = FleetOperator(self.domain, frozenset(specs))
        self.places = Places(limit, frozenset(), frozenset(), frozenset())
        self._inform_jobs()
        self.operator.notice(self.jobs)

    def copy(self) -> FleetSimulation:
        """Another simulation in the same state. It shares the jobs, each of which is copied before it changes."""
        other = FleetSimulation.__new__(FleetSimulation)
        other.domain, other.jobs, other.places = self.domain, dict(self.jobs), self.places
        other.watts = self.watts
        other.operator = self.operator.copy()
        return other

    @property
    def limit(self) -> int | None:
        """How many jobs may run at once now."""
        return _limit_of(self.domain, self.watts)

    # --- What can happen next ----------------------------------------------------------------------------------
    def operator_moves(self) -> Iterator[Move]:
        """What the operator and its watches do by themselves."""
        if self.operator.pending is not None:
            yield Move("write the fleet")
        if self.operator.domain != self.domain:
            yield Move("deliver the domain")
        for name, simulation in self.jobs.items():
            if name in self.operator.unseen:
                yield Move("deliver the job", job=name)
            else:
                yield from (move._replace(job=name) for move in simulation.operator_moves())
        if self.operator.needs_pass and self.operator.pending is None:
            yield Move("decide the fleet")

    def environment_moves(self) -> Iterator[Move]:
        """What children do where nothing goes wrong."""
        for name, simulation in self.jobs.items():
            yield from (move._replace(job=name) for move in simulation.environment_moves())

    def time_moves(self) -> Iterator[Move]:
        """Time passes to where the operator asked to be woken next."""
        now = self.now
        wakes = [s.operator.wake_at for s in self.jobs.values() if s.operator.wake_at and not s.world.job.deleted]
        for wake in sorted(wake for wake in wakes if wake > now)[:1]:
            yield Move("wait", code=max(1, ceil(wake - now)))

    def fair_move(self) -> Move | None:
        """What happens next when nothing goes wrong any more. None: the fleet is at rest."""
        for moves in (self.operator_moves(), self.environment_moves(), self.time_moves()):
            if (move := next(moves, None)) is not None:
                return move
        return None

    @property
    def now(self) -> float:
        """Virtual seconds, the same for all."""
        return next(iter(self.jobs.values())).world.now

    # --- What happens ------------------------------------------------------------------------------------------
    def do(self, move: Move, old: OldView | None = None) -> None:
        """Make one move, and check what must hold. `old`: what an operator that dies reads first, its last view where
        nothing else is given."""
        unlimited, held = False, self.domain.reservations
        if move.job:
            simulation = self._touch(move.job)
            unlimited = move.name == "write" and _admits_without_limit(simulation.operator)
            self.operator.unseen -= {move.job} if move.name == "deliver the job" else set()
            simulation.do(move)
        else:
            self._do_with_all(move, old)
        self.operator.notice(self.jobs)
        before, self.places = self.places, self._places(unlimited=unlimited)
        invariants.check_places(before, self.places)
        invariants.check_power(held, self.domain.reservations, self.domain.spec)

    def _do_with_all(self, move: Move, old: OldView | None) -> None:
        match move.name:
            case "deliver the domain":
                self.operator.domain = self.domain
            case "decide the fleet":
                for name in self.jobs:
                    self._touch(name)
                self.operator.decide(self.jobs, self.now)
            case "write the fleet":
                assert self.operator.pending is not None
                write, before = self.operator.pending, self.domain
                self.domain = self.operator.write(self.domain)
                self._check_order(write, before)
            case "another operator decides the fleet":
                write, before = decide_by_the_truth(self.domain, self.jobs, self.now), self.domain
                self.domain = store(self.domain, write.plan.reservations, write.version) or self.domain
                self._check_order(write, before)
            case "limit the jobs":
                self.domain = _limited(self.domain, move.code or None, self.watts)
            case "wait":
                for name in self.jobs:
                    self._touch(name).do(move)
            case "die":
                self._die(OldView(self.domain, frozenset(), {n: _truth(s) for n, s in self.jobs.items()}))
            case "die with an old view":
                self._die(old or self.view())
            case "die with an old list of jobs":
                truth = {n: _truth(s) for n, s in self.jobs.items()}
                self._die(OldView(self.domain, frozenset([*self.jobs][move.code :]), truth))
            case _:
                raise ValueError(f"no such move: {move}")
        self._inform_jobs()

    def view(self) -> OldView:
        """What the operator knows."""
        jobs = {name: (s.operator.job, s.operator.cache) for name, s in self.jobs.items()}
        return OldView(self.operator.domain, self.operator.unseen, jobs)

    def _die(self, first: OldView) -> None:
        self.operator.die(first.domain, first.unseen)
        for name in self.jobs:
            self._touch(name).do(Move("die with an old view"), first.jobs[name])

    def _touch(self, name: str) -> Simulation:
        simulation = self.jobs[name] = self.jobs[name].copy()
        return simulation

    def _inform_jobs(self) -> None:
        for name, simulation in self.jobs.items():
            waiting = self.operator.waiting.get(simulation.world.job.job.metadata.uid)
            if (simulation.operator.domain, simulation.operator.waiting) != (self.operator.domain, waiting):
                self._touch(name).operator.see_domain(self.operator.domain, waiting)

    # --- What must hold ----------------------------------------------------------------------------------------
    def _places(self, *, unlimited: bool) -> Places:
        """Who has a place now. `unlimited`: the move admitted a job by a view of the domain that has no limit."""
        limit = self.limit
        turns = {(name, s.world.job.status.internal.turn): s.world for name, s in self.jobs.items()}
        usable = frozenset(turn for turn, world in turns.items() if not _is_over(world))
        reserved = frozenset((r.name, r.turn) for r in self.domain.reservations) & usable
        running = frozenset(turn for turn, world in turns.items() if _runs(world))
        new = running - self.places.running if unlimited else frozenset()
        uncounted = running if limit is None else running & (self.places.uncounted | new)
        return Places(limit, reserved, running, uncounted - reserved)

    def _check_order(self, write: DomainWrite, before: DomainObject) -> None:
        """Who got a place when `write` was stored, and who waited for one then and by what was seen."""
        given = {(r.uid, r.turn) for r in self.domain.reservations} - {(r.uid, r.turn) for r in before.reservations}
        jobs = [job for s in self.jobs.values() if (job := true_job(s.world)) is not None and job.wants]
        seen = {(job.uid, job.turn) for job in write.seen.jobs if job.wants}
        held = {(r.uid, r.turn) for r in self.domain.reservations}
        waited = [job for job in jobs if (job.uid, job.turn) in seen]
        if self.domain != before:
            self._check_preemption(write, before)
        invariants.check_order(
            [job for job in waited if (job.uid, job.turn) in given],
            [job for job in waited if (job.uid, job.turn) not in held] if self.domain != before else [],
        )

    def _check_preemption(self, write: DomainWrite, before: DomainObject) -> None:
        """Who was asked to give up a place when `write` was stored, and for whom."""
        kept = {(r.uid, r.turn) for r in before.reservations if not r.preempted_by}
        asked = {(r.uid, r.turn) for r in self.domain.reservations if r.preempted_by} & kept
        held = {(r.uid, r.turn) for r in self.domain.reservations}
        places = (self.limit or 0) - sum(not r.preempted_by for r in self.domain.reservations)
        invariants.check_preemption(
            [job for job in write.seen.jobs if (job.uid, job.turn) in asked],
            [job for job in write.seen.jobs if job.wants and (job.uid, job.turn) not in held],
            places,
        )

    def check_rest(self) -> None:
        """What must hold when no fair move is left."""
        for simulation in self.jobs.values():
            job = simulation.world.job
            over = job.deleted or is_finished(job.status) or is_true(job.status, reasons.SUSPENDED)
            invariants.hold(invariants.NO_WAIT_FOR_EVER, over, job.status.state, self.domain)
            simulation.copy().check_rest()  # it looks at the source, which changes what the operator knows
        plan = decide_by_the_truth(self.domain, self.jobs, self.now).plan
        quiet = plan.reservations == self.domain.reservations and not plan.look_at
        invariants.hold(invariants.NOTHING_AT_REST, quiet, plan, self.domain)


def _metadata(name: str, age: int) -> ObjectMeta:
    return ObjectMeta(namespace=NAMESPACE, name=name, uid=f"uid-{name}", creation_timestamp=moment(age - 1000))


def _limited(domain: DomainObject, limit: int | None, watts: float) -> DomainObject:
    """`domain` with room for so many jobs, of so many watts each; 0 watts: it counts places."""
    cap = None if limit is None else (limit + 0.5) * watts
    limits = {"cap_watts": cap, "headroom_percent": 0} if watts else {"max_running_jobs": limit}
    return domain._replace(spec=domain.spec.model_copy(update=limits), version=domain.version + 1)


def _limit_of(domain: DomainObject, watts: float) -> int | None:
    if not watts:
        return domain.spec.max_running_jobs
    return None if domain.spec.cap_watts is None else int(domain.spec.cap_watts / watts)


def _truth(simulation: Simulation) -> tuple[JobObject, Cache]:
    return simulation.world.job, SimulatedOperator.read(simulation.world)


def _is_over(world: World) -> bool:
    """Whether the job will never have a process again."""
    return (world.job.deleted or is_finished(world.job.status)) and not has_living_child(world)


def _runs(world: World) -> bool:
    """Whether the job has been admitted and is not over, or a process of it may run."""
    return not _is_over(world) and (is_true(world.job.status, reasons.ADMITTED) or has_living_child(world))


def _admits_without_limit(operator: SimulatedOperator) -> bool:
    write = operator.pending[0]
    return (
        isinstance(write, StatusWrite) and is_true(write.status, reasons.ADMITTED) and not is_limited(write.seen.domain)
    )
