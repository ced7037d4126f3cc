"""The exhaustive walk: every state that one job of two workers can reach, breadth first, to the last one.

    python -m wattrain_operator.simulated.explore

Every move that can happen in a state is made from it, and all invariants are checked after each. What would go on for
ever is bounded, and said so in `Bounds`; time is a move to the next deadline. In the end every state must lead to rest
without further faults.

A pass of the operator is one transition, for any set of the events that are on their way, and forks where it dies
between two of its writes. That loses nothing: what happens to others between an event's arrival and the pass, or
between a decision and its status write, could as well have happened before or after. (What happens between two writes
of a living operator is left to the random walk.)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Hashable, Iterator
from itertools import chain, combinations
from typing import NamedTuple

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.canonical import key
from wattrain_operator.simulated.faults import KILLED, Move, fault_moves
from wattrain_operator.simulated.simulated_operator import Setting
from wattrain_operator.simulated.simulation import Simulation
from wattrain_operator.simulated.walk import Moves, Result, State, Walk


class Bounds(NamedTuple):
    """How often may happen what the core itself does not bound."""

    disruptions: int = 0
    """Evictions, deletions from outside and lost nodes."""
    suspensions: int = 0
    """Suspensions."""
    deaths: int = 0
    """Deaths of the operator, each after any single write."""
    stalls: int = 0
    """Groups that hang, and children that never start."""
    silences: int = 0
    """Times that a supervisor stops answering, for a while or for ever."""
    quotas: int = 0
    """Quotas that leave room for one more child; each may be lifted again."""
    lost_notifications: int = 0
    """Tries to notify the receiver that fail, whether it has taken them or not."""
    crashes: int = 1
    """Crashes of a rank. The core allows two, and two more after each checkpoint."""
    exit_code: int = KILLED
    """How ranks crash."""
    resumptions: int = 9
    """How often a suspension is taken back."""
    time_last: int = 0
    """1: time passes only when nothing else happens, which leaves far fewer orders to walk through."""


_BOUND_BY = {
    "crash": "crashes", "evict": "disruptions", "remove": "disruptions", "lose the node of": "disruptions",
    "silence": "silences", "silence for ever": "silences", "limit the children": "quotas", "hang": "stalls",
    "never start": "stalls", "refuse the notification": "lost_notifications",
    "take the notification unheard": "lost_notifications",
    "suspend": "suspensions", "resume": "resumptions", "die": "deaths", "die with an old view": "deaths",
}  # fmt: skip


def explore(simulation: Simulation, bounds: Bounds, *, states_at_most: int = 10_000_000) -> Result:
    """Walk through all states that can be reached from `simulation`. InvariantError: with the moves that lead to it.

    RuntimeError where there are more than `states_at_most`.
    """
    return _Walk(simulation, bounds, states_at_most).to_the_end()


class _Walk(Walk[Simulation, Bounds]):
    def key_of(self, simulation: Simulation) -> Hashable:
        return key(simulation)

    def expand(self, state: State[Simulation, Bounds]) -> int | None:
        operator, events = state.simulation.operator, _events(state.simulation)
        fair = None
        if events:
            self._pass(state, (Move("relist"),))
        for arrived in _subsets(events):
            if arrived or operator.needs_pass or state.simulation.is_awake():
                fair = self._pass(state, arrived)  # the last one is that of all events
        next_move = state.simulation.fair_move() if fair is None else None
        for move, bounds in _moves(state.simulation, state.bounds):
            there = self.arrive(state, (move,), self.after(state, (move,)), bounds)
            fair = there if move == next_move else fair
        return fair

    def _pass(self, state: State[Simulation, Bounds], arrived: Moves) -> int:
        """The operator sees some events, decides, and writes until it has nothing to do, or dies before."""
        moves = (*arrived, Move("decide"))
        simulation = self.after(state, moves)
        operator = simulation.operator
        while operator.pending or (operator.needs_pass and operator.job.version == simulation.world.job.version):
            move = Move("write") if operator.pending else Move("decide")
            self.do(state, moves, simulation, move)
            moves = (*moves, move)
            self.hold_to_an_end(state, moves)
            if state.bounds.deaths and move.name == "write" and (operator.pending or operator.needs_pass):
                for death in (Move("die"), Move("die with an old view")):
                    dead = simulation.copy()
                    self.do(state, moves, dead, death)
                    self.arrive(state, (*moves, death), dead, _spend(state.bounds, death))
        return self.arrive(state, moves, simulation, state.bounds)


def _events(simulation: Simulation) -> Moves:
    """What is on its way to the operator."""
    return tuple(move for move in simulation.operator_moves() if move.name != "decide")


def _subsets(events: Moves) -> Iterator[Moves]:
    return chain.from_iterable(combinations(events, size) for size in range(len(events) + 1))


def _moves(simulation: Simulation, bounds: Bounds) -> Iterator[tuple[Move, Bounds]]:
    """All moves but the operator's passes."""
    job = simulation.world.job
    user = () if is_finished(job.status) else (Move("resume" if job.spec.suspend else "suspend"),)
    waits = not (bounds.time_last and simulation.goes_on() is not None)
    fair = chain(simulation.environment_moves(), simulation.time_moves() if waits else ())
    for move in chain(fair, fault_moves(simulation.world, simulation.operator), user):
        if move.name == "relist":
            continue  # a pass of its own
        other_crash = move.name == "crash" and move.code != bounds.exit_code
        if not other_crash and (move.name not in _BOUND_BY or getattr(bounds, _BOUND_BY[move.name])):
            yield move, _spend(bounds, move)


def _spend(bounds: Bounds, move: Move) -> Bounds:
    limit = _BOUND_BY.get(move.name)
    return bounds if limit is None else bounds._replace(**{limit: getattr(bounds, limit) - 1})


def small_simulation(*, max_restarts: int = 1, prepare: bool = False, workers: int = 2) -> Simulation:
    """A job of one step with deadlines that lie apart, and an operator that knows what it wrote."""
    spec = TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 1, "batchSize": workers},
            "workers": {"replicas": workers},
            "policy": {
                "maxRestarts": max_restarts, "startDeadlineSeconds": 182, "progressDeadlineSeconds": 91,
                "keepPods": "Failed",
            },
        }
    )  # fmt: skip
    return Simulation(spec, Setting(shared_storage=prepare, reads_own_writes=True))


def main() -> int:
    """Explore, and print the numbers."""
    parser = argparse.ArgumentParser(description="Walk through every state of a small job.")
    for name in Bounds._fields:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=Bounds._field_defaults[name])
    parser.add_argument("--max-restarts", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--prepare", action="store_true", help="with the preparation of the data")
    args = parser.parse_args()
    bounds = Bounds(**{name: getattr(args, name) for name in Bounds._fields})
    simulation = small_simulation(max_restarts=args.max_restarts, prepare=args.prepare, workers=args.workers)
    try:
        result = explore(simulation, bounds)
    except invariants.InvariantError as violation:
        notes = getattr(violation, "__notes__", [])
        sys.stdout.write("\n".join([str(violation), *notes, ""]))
        return 1
    sys.stdout.write(f"{result}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
