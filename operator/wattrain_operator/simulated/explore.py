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
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from typing import NamedTuple, TypeAlias

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.canonical import key
from wattrain_operator.simulated.faults import KILLED, Move, fault_moves
from wattrain_operator.simulated.shell import Setting
from wattrain_operator.simulated.simulation import Simulation


class Bounds(NamedTuple):
    """How often may happen what the core itself does not bound."""

    disruptions: int = 0
    """Evictions, deletions from outside and lost nodes."""
    suspensions: int = 0
    """Suspensions, each of which may be taken back."""
    deaths: int = 0
    """Deaths of the operator, each after any single write."""
    stalls: int = 0
    """Groups that hang, and children that never start."""
    silences: int = 0
    """Times that a supervisor stops answering."""
    crashes: int = 1
    """Crashes of a rank. The core allows two, and two more after each checkpoint."""
    exit_code: int = KILLED
    """How ranks crash."""


_BOUND_BY = {
    "crash": "crashes", "evict": "disruptions", "remove": "disruptions", "lose the node of": "disruptions",
    "silence": "silences", "hang": "stalls", "never start": "stalls", "suspend": "suspensions", "die": "deaths",
    "die with an old view": "deaths",
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """What a walk has seen."""

    states: int
    transitions: int
    at_rest: int
    """States in which nothing more happens by itself."""
    depth: int
    """Moves to the last state found."""


Moves: TypeAlias = tuple[Move, ...]
MOVES_IN_A_PASS_AT_MOST = 100


def explore(simulation: Simulation, bounds: Bounds, *, states_at_most: int = 10_000_000) -> Result:
    """Walk through all states that can be reached from `simulation`. InvariantError: with the moves that lead to it.

    RuntimeError where there are more than `states_at_most`.
    """
    return _Walk(simulation, bounds, states_at_most).to_the_end()


@dataclass(frozen=True)
class _State:
    """A state to go on from."""

    id: int
    depth: int
    simulation: Simulation
    bounds: Bounds


class _Walk:
    def __init__(self, simulation: Simulation, bounds: Bounds, states_at_most: int) -> None:
        self.came_from: dict[int, tuple[int, Moves] | None] = {}
        self.fair_next: dict[int, int | None] = {}
        self.frontier: deque[_State] = deque()
        self.states_at_most = states_at_most
        self.transitions = 0
        self._arrive(None, (), simulation, bounds)

    def to_the_end(self) -> Result:
        depth = 0
        while self.frontier:
            state = self.frontier.popleft()
            depth = state.depth
            self.fair_next[state.id] = self._expand(state)
        self._check_that_all_settle()
        rest = sum(there is None for there in self.fair_next.values())
        return Result(len(self.came_from), self.transitions, rest, depth)

    def _expand(self, state: _State) -> int | None:
        """Go on in every way. Returns the state that follows where nothing goes wrong any more; None: this is rest."""
        shell, events = state.simulation.shell, _events(state.simulation)
        fair = None
        if events:
            self._pass(state, (Move("relist"),))
        for arrived in _subsets(events):
            if arrived or shell.needs_pass or state.simulation.is_awake():
                fair = self._pass(state, arrived)  # the last one is that of all events
        next_move = state.simulation.fair_move() if fair is None else None
        for move, bounds in _moves(state.simulation, state.bounds):
            there = self._arrive(state, (move,), self._after(state, (move,)), bounds)
            fair = there if move == next_move else fair
        if fair is None:
            self._check(self._path(state.id), state.simulation.check_rest)
        return fair

    def _pass(self, state: _State, arrived: Moves) -> int:
        """The operator sees some events, decides, and writes until it has nothing to do, or dies before."""
        moves = (*arrived, Move("decide"))
        simulation = self._after(state, moves)
        shell = simulation.shell
        while shell.pending or (shell.needs_pass and shell.job.version == simulation.world.job.version):
            move = Move("write") if shell.pending else Move("decide")
            self._do(state, moves, simulation, move)
            moves = (*moves, move)
            if len(moves) > MOVES_IN_A_PASS_AT_MOST:
                endless = invariants.InvariantError(invariants.NOTHING_AT_REST, "the operator writes and writes")
                raise _explained(endless, [*self._path(state.id), *moves])
            if state.bounds.deaths and move.name == "write" and (shell.pending or shell.needs_pass):
                for death in (Move("die"), Move("die with an old view")):
                    dead = simulation.copy()
                    self._do(state, moves, dead, death)
                    self._arrive(state, (*moves, death), dead, _spend(state.bounds, death))
        return self._arrive(state, moves, simulation, state.bounds)

    def _after(self, state: _State, moves: Moves) -> Simulation:
        simulation = state.simulation.copy()
        for index, move in enumerate(moves):
            self._do(state, moves[:index], simulation, move)
        return simulation

    def _do(self, state: _State, before: Moves, simulation: Simulation, move: Move) -> None:
        try:
            simulation.do(move)
        except invariants.InvariantError as violation:
            raise _explained(violation, [*self._path(state.id), *before, move]) from None

    def _arrive(self, state: _State | None, moves: Moves, simulation: Simulation, bounds: Bounds) -> int:
        # 64 bits: that two of a million states share a hash has a probability below one in ten million.
        there = hash((key(simulation), bounds))
        self.transitions += state is not None
        if there not in self.came_from:
            if len(self.came_from) >= self.states_at_most:
                raise RuntimeError(f"more than {self.states_at_most} states: lower the bounds")
            self.came_from[there] = None if state is None else (state.id, moves)
            self.frontier.append(_State(there, 0 if state is None else state.depth + 1, simulation, bounds))
        return there

    def _check_that_all_settle(self) -> None:
        """Fair moves lead from state to state; where they lead round in a circle, the job never settles."""
        settled: set[int] = set()
        for start in self.came_from:
            path: dict[int, None] = {}
            here: int | None = start
            while here is not None and here not in settled:
                if here in path:
                    circle = invariants.InvariantError(invariants.SETTLES, "fair moves that lead round in a circle")
                    raise _explained(circle, self._path(here))
                path[here] = None
                here = self.fair_next[here]
            settled.update(path)

    def _check(self, path: list[Move], check: Callable[[], None]) -> None:
        try:
            check()
        except invariants.InvariantError as violation:
            raise _explained(violation, path) from None

    def _path(self, here: int) -> list[Move]:
        parts: list[Moves] = []
        step = self.came_from[here]
        while step is not None:
            parts.append(step[1])
            step = self.came_from[step[0]]
        return [move for part in reversed(parts) for move in part]


def _explained(violation: invariants.InvariantError, moves: list[Move]) -> invariants.InvariantError:
    violation.add_note("after: " + "; ".join(" ".join(str(part) for part in move if part) for move in moves))
    return violation


def _events(simulation: Simulation) -> Moves:
    """What is on its way to the operator."""
    return tuple(move for move in simulation.operator_moves() if move.name != "decide")


def _subsets(events: Moves) -> Iterator[Moves]:
    return chain.from_iterable(combinations(events, size) for size in range(len(events) + 1))


def _moves(simulation: Simulation, bounds: Bounds) -> Iterator[tuple[Move, Bounds]]:
    """All moves but the operator's passes."""
    job = simulation.world.job
    user = () if is_finished(job.status) else (Move("resume" if job.spec.suspend else "suspend"),)
    fair = chain(simulation.environment_moves(), simulation.time_moves())
    for move in chain(fair, fault_moves(simulation.world, simulation.shell), user):
        if move.name == "relist":
            continue  # a pass of its own
        other_crash = move.name == "crash" and move.code != bounds.exit_code
        if not other_crash and (move.name not in _BOUND_BY or getattr(bounds, _BOUND_BY[move.name])):
            yield move, _spend(bounds, move)


def _spend(bounds: Bounds, move: Move) -> Bounds:
    limit = _BOUND_BY.get(move.name)
    return bounds if limit is None else bounds._replace(**{limit: getattr(bounds, limit) - 1})


def small_simulation(*, max_restarts: int = 1, prepare: bool = False) -> Simulation:
    """A job of two workers and one step, with deadlines that lie apart, and an operator that knows what it wrote."""
    spec = TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 1, "batchSize": 2},
            "workers": {"replicas": 2},
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
    parser.add_argument("--prepare", action="store_true", help="with the preparation of the data")
    args = parser.parse_args()
    bounds = Bounds(**{name: getattr(args, name) for name in Bounds._fields})
    simulation = small_simulation(max_restarts=args.max_restarts, prepare=args.prepare)
    try:
        result = explore(simulation, bounds)
    except invariants.InvariantError as violation:
        notes = getattr(violation, "__notes__", [])
        sys.stdout.write("\n".join([str(violation), *notes, ""]))
        return 1
    sys.stdout.write(
        f"{result.states} states, {result.transitions} transitions, {result.at_rest} states at rest, "
        f"{result.depth} moves to the last one, no violation\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
