"""The exhaustive walk over two jobs of one power domain: every state that they and their reservations can reach.

    python -m wattrain_operator.simulated.explore_fleet

Every event arrives by itself, in any order. A pass of a job is one transition, as in the walk over one job; the
decision about the fleet and its write are two, and whatever can happen happens between them. Time passes only when
nothing else happens: no decision of the fleet depends on it, and the walk over one job has it pass at any moment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Hashable, Iterator
from itertools import chain
from typing import NamedTuple

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.canonical import fleet_key
from wattrain_operator.simulated.faults import PERMANENT, Move
from wattrain_operator.simulated.fleet_simulation import FleetSimulation
from wattrain_operator.simulated.simulated_operator import Setting
from wattrain_operator.simulated.walk import Moves, Result, State, Walk

LIMITS = (1, 2, 0)
"""What the limit may become; 0: there is none."""
_TRAINING = ("advance", "checkpoint")


class FleetBounds(NamedTuple):
    """How often may happen what ends by itself only if it is bounded. Resuming a suspended job is free."""

    suspensions: int = 0
    crashes: int = 0
    """Crashes after which a job has failed."""
    deletions: int = 0
    """Jobs that the user deletes."""
    limits: int = 0
    """Changes of the limit."""
    deaths: int = 0
    """Deaths of the operator, each between any two writes."""
    others: int = 0
    """Decisions of another operator, which knows all."""


_BOUND_BY = {
    "suspend": "suspensions", "crash": "crashes", "delete the job": "deletions", "limit the jobs": "limits",
    "die": "deaths", "die with an old view": "deaths", "die with an old list of jobs": "deaths",
    "another operator decides the fleet": "others",
}  # fmt: skip


def explore_fleet(fleet: FleetSimulation, bounds: FleetBounds, *, states_at_most: int = 10_000_000) -> Result:
    """Walk through all states that can be reached from `fleet`. InvariantError: with the moves that lead to it.

    RuntimeError where there are more than `states_at_most`.
    """
    return _Walk(fleet, bounds, states_at_most).to_the_end()


class _Walk(Walk[FleetSimulation, FleetBounds]):
    def key_of(self, simulation: FleetSimulation) -> Hashable:
        return fleet_key(simulation)

    def expand(self, state: State[FleetSimulation, FleetBounds]) -> int | None:
        fleet, fair = state.simulation, None
        for move in chain(fleet.operator_moves(), fleet.environment_moves()):
            if move.name != "poll":
                there = self._go(state, move)
                fair = there if fair is None else fair
        if fair is None:
            fair = next((self._go(state, move) for move in fleet.time_moves()), None)
        for move in _faults(fleet):
            if (bounds := _spend(state.bounds, move)) is not None:
                self.arrive(state, (move,), self.after(state, (move,)), bounds)
        return fair

    def _go(self, state: State[FleetSimulation, FleetBounds], move: Move) -> int:
        if move.name == "decide":
            return self._pass(state, move.job)
        moves: Moves = (move,)
        fleet = self.after(state, moves)
        while move.name in _TRAINING and (then := _next_of_training(fleet, move.job)) is not None:
            self.do(state, moves, fleet, then)
            moves = (*moves, then)
        return self.arrive(state, moves, fleet, state.bounds)

    def _pass(self, state: State[FleetSimulation, FleetBounds], job: str) -> int:
        """The operator decides about a job, and writes until it has nothing to do, or dies before."""
        moves: Moves = (Move("decide", job=job),)
        fleet = self.after(state, moves)
        while (move := _next_of_a_pass(fleet, job)) is not None:
            self.do(state, moves, fleet, move)
            moves = (*moves, move)
            self.hold_to_an_end(state, moves)
            bounds = _spend(state.bounds, Move("die"))
            if bounds is not None and move.name == "write" and _next_of_a_pass(fleet, job) is not None:
                for death in (Move("die"), Move("die with an old view")):
                    dead = fleet.copy()
                    self.do(state, moves, dead, death)
                    self.arrive(state, (*moves, death), dead, bounds)
        return self.arrive(state, moves, fleet, state.bounds)


def _next_of_training(fleet: FleetSimulation, job: str) -> Move | None:
    moves = fleet.jobs[job].environment_moves()
    return next((move._replace(job=job) for move in moves if move.name in _TRAINING), None)


def _next_of_a_pass(fleet: FleetSimulation, job: str) -> Move | None:
    simulation = fleet.jobs[job]
    operator = simulation.operator
    if operator.pending:
        return Move("write", job=job)
    again = operator.needs_pass and operator.job.version == simulation.world.job.version
    return Move("decide", job=job) if again else None


def _faults(fleet: FleetSimulation) -> Iterator[Move]:
    """What others do."""
    for name, simulation in fleet.jobs.items():
        job = simulation.world.job
        if not job.deleted and not is_finished(job.status):
            yield Move("resume" if job.spec.suspend else "suspend", job=name)
            yield Move("delete the job", job=name)
        for process in simulation.world.children.values():
            if process.child.phase == "Running":
                yield Move("crash", process.child.name, PERMANENT, name)
    for limit in LIMITS:
        if (limit or None) != fleet.limit:
            yield Move("limit the jobs", code=limit)
    yield Move("die")
    yield Move("die with an old view")
    yield Move("die with an old list of jobs", code=1)
    yield Move("another operator decides the fleet")


def _spend(bounds: FleetBounds, move: Move) -> FleetBounds | None:
    """What is left after `move`; None: it has happened often enough."""
    limit = _BOUND_BY.get(move.name)
    if limit is None:
        return bounds
    left = getattr(bounds, limit)
    return bounds._replace(**{limit: left - 1}) if left else None


def small_fleet(*, workers: int = 1, by_power: bool = False, preempts: bool = False) -> FleetSimulation:
    """Two jobs of one step under a limit of one, the younger one of higher priority. The operator knows neither yet.
    `by_power`: the limit is a cap that has no room for both. `preempts`: the higher takes the place of the other
    where that runs, and both find their checkpoints again."""
    specs = {"low": _small_job(0, workers), "high": _small_job(10, workers)}
    setting = Setting(shared_storage=preempts, reads_own_writes=True)
    return FleetSimulation(specs, 1, setting, by_power=by_power, preempts=preempts)


def _small_job(priority: int, workers: int) -> TrainingJobSpec:
    return TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 1, "batchSize": workers},
            "workers": {"replicas": workers},
            "queue": {"priority": priority},
            "policy": {
                "maxRestarts": 0, "startDeadlineSeconds": 182, "progressDeadlineSeconds": 91, "keepPods": "None",
            },
        }
    )  # fmt: skip


def main() -> int:
    """Explore, and print the numbers."""
    parser = argparse.ArgumentParser(description="Walk through every state of two small jobs under a limit.")
    for name in FleetBounds._fields:
        parser.add_argument(f"--{name}", type=int, default=FleetBounds._field_defaults[name])
    args = parser.parse_args()
    try:
        result = explore_fleet(small_fleet(), FleetBounds(**vars(args)))
    except invariants.InvariantError as violation:
        notes = getattr(violation, "__notes__", [])
        sys.stdout.write("\n".join([str(violation), *notes, ""]))
        return 1
    sys.stdout.write(f"{result}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
