"""A walk over all states that can be reached, breadth first, to the last one: what every exhaustive walk has in common.

Who derives from `Walk` says what makes two states the same, and in which ways it goes on from one. Every move checks
itself; in the end every state must lead to rest by fair moves alone.
"""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeAlias, TypeVar

from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.faults import Move

Moves: TypeAlias = tuple[Move, ...]
MOVES_IN_A_PASS_AT_MOST = 100


class Walkable(Protocol):
    """What a walk goes through."""

    def copy(self) -> Self:
        """Another one in the same state."""
        ...

    def do(self, move: Move) -> None:
        """Make a move. InvariantError: something does not hold after it."""
        ...

    def check_rest(self) -> None:
        """InvariantError: something does not hold although nothing more happens by itself."""
        ...


SimulationT = TypeVar("SimulationT", bound=Walkable)
BoundsT = TypeVar("BoundsT", bound=Hashable)


@dataclass(frozen=True)
class Result:
    """What a walk has seen."""

    states: int
    transitions: int
    at_rest: int
    """States in which nothing more happens by itself."""
    depth: int
    """Moves to the last state found."""

    def __str__(self) -> str:
        return (
            f"{self.states} states, {self.transitions} transitions, {self.at_rest} states at rest, "
            f"{self.depth} moves to the last one, no violation"
        )


@dataclass(frozen=True)
class State(Generic[SimulationT, BoundsT]):
    """A state to go on from."""

    id: int
    depth: int
    simulation: SimulationT
    bounds: BoundsT


class Walk(ABC, Generic[SimulationT, BoundsT]):
    """Walk through all states that can be reached from `simulation`. InvariantError: with the moves that lead to it.

    RuntimeError where there are more than `states_at_most`.
    """

    def __init__(self, simulation: SimulationT, bounds: BoundsT, states_at_most: int) -> None:
        self.came_from: dict[int, tuple[int, Moves] | None] = {}
        self.fair_next: dict[int, int | None] = {}
        self.frontier: deque[State[SimulationT, BoundsT]] = deque()
        self.states_at_most = states_at_most
        self.transitions = 0
        self.arrive(None, (), simulation, bounds)

    @abstractmethod
    def key_of(self, simulation: SimulationT) -> Hashable:
        """What makes two states the same for everything that can follow."""

    @abstractmethod
    def expand(self, state: State[SimulationT, BoundsT]) -> int | None:
        """Go on in every way. Returns the state that follows where nothing goes wrong any more; None: this is rest."""

    def to_the_end(self) -> Result:
        """Go on until no state is left."""
        with _no_garbage_collected():
            depth = self._go_on()
            self._check_that_all_settle()
        rest = sum(there is None for there in self.fair_next.values())
        return Result(len(self.came_from), self.transitions, rest, depth)

    def _go_on(self) -> int:
        """Until no state is left; the depth of the last one."""
        depth = 0
        while self.frontier:
            state = self.frontier.popleft()
            depth = state.depth
            fair = self.fair_next[state.id] = self.expand(state)
            if fair is None:
                self._check(self.path(state.id), state.simulation.check_rest)
        return depth

    def after(self, state: State[SimulationT, BoundsT], moves: Moves) -> SimulationT:
        """Another simulation in which `moves` have been made from `state`."""
        simulation = state.simulation.copy()
        for index, move in enumerate(moves):
            self.do(state, moves[:index], simulation, move)
        return simulation

    def do(self, state: State[SimulationT, BoundsT], before: Moves, simulation: SimulationT, move: Move) -> None:
        """Make `move` in `simulation`, which came from `state` by the moves `before`."""
        try:
            simulation.do(move)
        except invariants.InvariantError as violation:
            raise explained(violation, [*self.path(state.id), *before, move]) from None

    def hold_to_an_end(self, state: State[SimulationT, BoundsT], moves: Moves) -> None:
        """InvariantError where a pass of the operator from `state` has made more `moves` than one that ends would."""
        if len(moves) > MOVES_IN_A_PASS_AT_MOST:
            endless = invariants.InvariantError(invariants.NOTHING_AT_REST, "the operator writes and writes")
            raise explained(endless, [*self.path(state.id), *moves])

    def arrive(
        self, state: State[SimulationT, BoundsT] | None, moves: Moves, simulation: SimulationT, bounds: BoundsT
    ) -> int:
        """Note that `moves` lead from `state` to `simulation`. Returns the id of that state."""
        # 64 bits: that two of a million states share a hash has a probability below one in ten million.
        there = hash((self.key_of(simulation), bounds))
        self.transitions += state is not None
        if there not in self.came_from:
            if len(self.came_from) >= self.states_at_most:
                raise RuntimeError(f"more than {self.states_at_most} states: lower the bounds")
            self.came_from[there] = None if state is None else (state.id, moves)
            self.frontier.append(State(there, 0 if state is None else state.depth + 1, simulation, bounds))
        return there

    def path(self, here: int) -> list[Move]:
        """Moves that lead to a state."""
        parts: list[Moves] = []
        step = self.came_from[here]
        while step is not None:
            parts.append(step[1])
            step = self.came_from[step[0]]
        return [move for part in reversed(parts) for move in part]

    def _check_that_all_settle(self) -> None:
        """Fair moves lead from state to state; where they lead round in a circle, the job never settles."""
        settled: set[int] = set()
        for start in self.came_from:
            path: dict[int, None] = {}
            here: int | None = start
            while here is not None and here not in settled:
                if here in path:
                    circle = invariants.InvariantError(invariants.SETTLES, "fair moves that lead round in a circle")
                    raise explained(circle, self.path(here))
                path[here] = None
                here = self.fair_next[here]
            settled.update(path)

    def _check(self, path: list[Move], check: Callable[[], None]) -> None:
        try:
            check()
        except invariants.InvariantError as violation:
            raise explained(violation, path) from None


@contextmanager
def _no_garbage_collected() -> Iterator[None]:
    """States have no cycles, and looking for some among all that are kept is a quarter of a walk's time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def explained(violation: invariants.InvariantError, moves: list[Move]) -> invariants.InvariantError:
    """`violation` with the moves that lead to it."""
    violation.add_note("after: " + "; ".join(" ".join(str(part) for part in move if part) for move in moves))
    return violation
