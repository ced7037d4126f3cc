"""A random walk over the simulated backend: hypothesis chooses what happens next, and makes what it finds small.

It is a fixture, `walk`, so that the planted bugs can be looked for in the same way. At the end of a session it is said
how much was really simulated; xdist hands the numbers over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from wattrain_api.energy import Budget
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.accounts import JOULES_PER_KWH
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.faults import Move, fault_moves
from wattrain_operator.simulated.objects import JobObject
from wattrain_operator.simulated.simulated_operator import Cache, Setting, SimulatedOperator
from wattrain_operator.simulated.simulation import Simulation

COUNTED = ("steps of the state machine", "states of the exhaustive walk", "transitions of the exhaustive walk")
SETTLED_AFTER_MOVES = 1500
RAISES_AT_MOST = 20
FAULTS = (
    "crash", "crash", "crash", "evict", "remove", "lose the node of", "hang", "silence", "silence for ever",
    "never start", "relist",
)  # fmt: skip
POLICIES = (
    {"maxRestarts": 1, "keepPods": "None"},
    {"maxRestarts": 0, "keepPods": "Failed"},
    {"maxRestarts": 3, "keepPods": "All"},
    {"maxRestarts": 2, "restartWindowSeconds": 50},
    {"maxRestarts": 3, "activeDeadlineSeconds": 400},
    {"maxRestarts": 2, "ttlSecondsAfterFinished": 60, "keepPods": "Failed"},
)


def spec(policy: dict[str, Any], workers: int) -> TrainingJobSpec:
    """A job of six steps with deadlines that are soon over."""
    deadlines = {"startDeadlineSeconds": 200, "progressDeadlineSeconds": 100}
    return TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 6},
            "workers": {"replicas": workers},
            "policy": deadlines | policy,
        }
    )


class CoreMachine(RuleBasedStateMachine):
    """Each rule makes one move of its kind, if there is one; `which` chooses among them. Every move checks itself."""

    steps: ClassVar[int] = 0
    which = st.integers(0, 11)

    def __init__(self) -> None:
        super().__init__()
        self.past: list[tuple[JobObject, Cache]] = []

    @initialize(
        policy=st.sampled_from(POLICIES), workers=st.integers(1, 3), shared=st.booleans(),
        interval=st.sampled_from([0.0, 15.0]), reads_own_writes=st.booleans(), age=st.integers(0, 60),
    )  # fmt: skip
    def a_job_is_written_and_lives_for_a_while(
        self, policy: dict[str, Any], workers: int, shared: bool, interval: float, reads_own_writes: bool, age: int
    ) -> None:
        self.simulation = Simulation(spec(policy, workers), Setting(shared, interval, reads_own_writes))
        self.all_goes_well_for_a_while(age)

    def _make(self, moves: list[Move], which: int) -> None:
        if moves:
            self._do(moves[which % len(moves)])

    def _do(self, move: Move, old: tuple[JobObject, Cache] | None = None) -> None:
        type(self).steps += 1
        self.simulation.do(move, old)

    @rule(which=which, then=st.integers(0, 6))
    def the_operator_goes_on(self, which: int, then: int) -> None:
        self._make(list(self.simulation.operator_moves()), which)
        for _ in range(then):  # it is mostly quicker than what it looks at
            self._make(list(self.simulation.operator_moves()), 0)

    @rule(which=which)
    def the_children_go_on(self, which: int) -> None:
        self._make(list(self.simulation.environment_moves()), which)

    @rule(times=st.integers(2, 25))
    def all_goes_well_for_a_while(self, times: int) -> None:
        for _ in range(times):
            if (move := self.simulation.fair_move()) is not None:
                self._do(move)

    @rule(kind=st.sampled_from(FAULTS), which=which)
    def something_fails(self, kind: str, which: int) -> None:
        faults = fault_moves(self.simulation.world, self.simulation.operator)
        self._make([move for move in faults if move.name == kind], which)

    @rule(which=which)
    def time_passes(self, which: int) -> None:
        self._make(list(self.simulation.time_moves()), which)

    @rule(
        what=st.sampled_from(["die", "die", "read old lists", "a list is kept", "wait", "suspend", "queue", "quota"]),
        which=which,
    )
    def something_rare_happens(self, what: str, which: int) -> None:
        world, operator = self.simulation.world, self.simulation.operator
        if what == "die":
            self._do(Move("die"))
        elif what == "read old lists":
            past = [*self.past, (operator.job, operator.cache)]
            self._do(
                Move("die with an old view"), (past[-1 - which % len(past)][0], past[-1 - which // 3 % len(past)][1])
            )
        elif what == "a list is kept":
            self.past = [*self.past[-8:], (world.job, SimulatedOperator.read(world))]
        elif what == "wait":
            self._do(Move("wait", code=1 + 11 * which))
        elif what == "quota":
            self._do(Move("limit the children", code=which % 4) if world.room is None else Move("lift the quota"))
        elif what == "queue":
            self._do(Move("let others go first", code=which % 2))
        elif what == "suspend" and (which > 6 or world.job.spec.suspend):
            self._do(Move("resume" if world.job.spec.suspend else "suspend"))

    def teardown(self) -> None:
        """Faults stop: the job must settle."""
        if not hasattr(self, "simulation"):
            return
        self._do(Move("let others go first", code=0))
        for _ in range(SETTLED_AFTER_MOVES):
            move = self.simulation.fair_move()
            if move is None:
                self.simulation.check_rest()
                return
            self._do(move)
        raise invariants.InvariantError(invariants.SETTLES, f"not after {SETTLED_AFTER_MOVES} fair moves")


class BudgetMachine(CoreMachine):
    """A job whose budget is mostly spent before it is through, and may be raised at any time."""

    @initialize(
        policy=st.sampled_from(POLICIES), workers=st.integers(1, 3), shared=st.booleans(),
        reads_own_writes=st.booleans(), joules=st.integers(6, 60), stops=st.integers(0, 3),
    )  # fmt: skip
    def a_job_is_written_and_lives_for_a_while(  # type: ignore[override]
        self, policy: dict[str, Any], workers: int, shared: bool, reads_own_writes: bool, joules: int, stops: int
    ) -> None:
        plain = spec(policy, workers)
        action = "Stop" if stops == 0 else "CheckpointAndSuspend"
        budget = Budget(energy_kwh=joules / JOULES_PER_KWH, action=action)
        energy = plain.energy.model_copy(update={"budget": budget})
        setting = Setting(shared, 0.0, reads_own_writes)
        self.simulation = Simulation(plain.model_copy(update={"energy": energy}), setting)

    @rule()
    def the_budget_is_raised(self) -> None:
        self._do(Move("raise the budget"))

    def teardown(self) -> None:
        super().teardown()
        if not hasattr(self, "simulation"):
            return
        world = self.simulation.world
        if world.job.spec.suspend:
            self._do(Move("resume"))
        for _ in range(RAISES_AT_MOST):
            super().teardown()
            if world.job.deleted or is_finished(world.job.status):
                return
            self._do(Move("raise the budget"))
        raise invariants.InvariantError(invariants.SETTLES, f"not after {RAISES_AT_MOST} raises")


class PointMachine(CoreMachine):
    """A job that looks for its best number of threads. It is long, and time passes while all goes well."""

    chosen: ClassVar[int] = 0

    @initialize(
        policy=st.sampled_from(POLICIES), workers=st.integers(1, 2), shared=st.booleans(),
        reads_own_writes=st.booleans(), interval=st.sampled_from([0.0, 15.0]), rounds=st.integers(0, 16),
    )  # fmt: skip
    def a_job_is_written_and_lives_for_a_while(  # type: ignore[override]
        self, policy: dict[str, Any], workers: int, shared: bool, reads_own_writes: bool, interval: float, rounds: int
    ) -> None:
        plain = spec(policy, workers)
        energy = plain.energy.model_copy(update={"objective": "energy"})
        training = TrainingJobSpec.model_validate({**plain.to_json_object(), "training": {"maxSteps": 150}}).training
        changed = plain.model_copy(update={"energy": energy, "training": training})
        self.simulation = Simulation(changed, Setting(shared, interval, reads_own_writes))
        self.all_goes_well_for_a_while(30)
        self.it_trains_for_some_seconds(4, rounds)

    @rule(seconds=st.integers(1, 10), rounds=st.integers(1, 6))
    def it_trains_for_some_seconds(self, seconds: int, rounds: int) -> None:
        for _ in range(rounds):
            self._do(Move("wait", code=seconds))
            self.all_goes_well_for_a_while(6)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "simulation"):
            best = self.simulation.world.job.status.best_point
            PointMachine.chosen += best is not None and best.chosen_threads == 2


def _walk(
    kind: type[RuleBasedStateMachine], number: int, examples: int, steps_each: int, *, shrink: bool = True
) -> int:
    chosen = settings(
        max_examples=examples, stateful_step_count=steps_each, deadline=None, database=None, print_blob=False,
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])], report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    machine: Any = seed(number)(type(f"{kind.__name__}{number}", (kind,), {"steps": 0}))
    try:
        run_state_machine_as_test(machine, settings=chosen)
    except BaseException as error:
        error.add_note(f"seed {number}")
        raise
    return int(machine.steps)


@pytest.fixture
def walk_of() -> Callable[..., int]:
    """Walk with a machine, a seed, so many examples and steps an example. Returns the number of moves really made."""
    return _walk


@pytest.fixture
def walk() -> Callable[..., int]:
    """The same with the machine of one job."""
    return partial(_walk, CoreMachine)


@pytest.fixture
def walk_budgets() -> Callable[..., int]:
    """The same with the machine of one job that has a budget."""
    return partial(_walk, BudgetMachine)


@pytest.fixture
def walk_points() -> Callable[..., int]:
    """The same with the machine of one job that has an objective; it must have been met in some examples."""

    def walk(number: int, examples: int, steps_each: int, *, shrink: bool = True) -> int:
        before = PointMachine.chosen
        steps = _walk(PointMachine, number, examples, steps_each, shrink=shrink)
        assert PointMachine.chosen > before, "no example has come to a choice: nothing was tried"
        return steps

    return walk


def pytest_terminal_summary(terminalreporter: Any) -> None:
    sums = dict.fromkeys(COUNTED, 0)
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name in sums:
                sums[name] += value
    for name, value in sums.items():
        if value:
            terminalreporter.write_line(f"core: {value:,} {name}")
