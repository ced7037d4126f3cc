"""A random walk over the simulated backend: hypothesis chooses what happens next, and makes what it finds small.

It is a fixture, `walk`, so that the planted bugs can be looked for in the same way. At the end of a session it is said
how much was really simulated; xdist hands the numbers over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.shell import Cache, Shell
from wattrain_operator.simulated.simulation import Move, Simulation
from wattrain_operator.simulated.world import JobObject

COUNTED = ("steps of the state machine", "states of the exhaustive walk", "transitions of the exhaustive walk")
SETTLED_AFTER_MOVES = 1500
POLICIES = (
    {"maxRestarts": 1, "keepPods": "None"},
    {"maxRestarts": 0, "keepPods": "Failed"},
    {"maxRestarts": 3, "keepPods": "All"},
    {"maxRestarts": 2, "restartWindowSeconds": 50},
    {"maxRestarts": 3, "activeDeadlineSeconds": 400},
    {"maxRestarts": 2, "ttlSecondsAfterFinished": 60, "keepPods": "Failed"},
)


def spec(policy: dict[str, Any], workers: int) -> TrainingJobSpec:
    """A job of two steps with deadlines that are soon over."""
    deadlines = {"startDeadlineSeconds": 200, "progressDeadlineSeconds": 100}
    return TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 2},
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
        interval=st.sampled_from([0.0, 15.0]), reads_own_writes=st.booleans(),
    )  # fmt: skip
    def a_job_is_written(
        self, policy: dict[str, Any], workers: int, shared: bool, interval: float, reads_own_writes: bool
    ) -> None:
        self.simulation = Simulation(
            spec(policy, workers), shared_storage=shared, status_interval_seconds=interval,
            reads_own_writes=reads_own_writes,
        )  # fmt: skip

    def _make(self, moves: list[Move], which: int) -> None:
        if moves:
            self._do(moves[which % len(moves)])

    def _do(self, move: Move, old: tuple[JobObject, Cache] | None = None) -> None:
        type(self).steps += 1
        self.simulation.do(move, old)

    @rule(which=which)
    def the_operator_goes_on(self, which: int) -> None:
        self._make(list(self.simulation.operator_moves()), which)

    @rule(times=st.integers(2, 6))
    def the_operator_is_quick(self, times: int) -> None:
        for _ in range(times):
            self._make(list(self.simulation.operator_moves()), 0)

    @rule(which=which)
    def the_children_go_on(self, which: int) -> None:
        self._make(list(self.simulation.environment_moves()), which)

    @rule(times=st.integers(2, 6))
    def all_goes_well_for_a_while(self, times: int) -> None:
        for _ in range(times):
            if (move := self.simulation.fair_move()) is not None:
                self._do(move)

    @rule(which=which)
    def something_fails(self, which: int) -> None:
        moves = [m for m in self.simulation.fault_moves() if not m.name.startswith("die")]
        self._make(moves, which)

    @rule()
    def the_operator_dies(self) -> None:
        self._do(Move("die"))

    @rule(job=which, children=which)
    def the_operator_dies_and_reads_old_lists(self, job: int, children: int) -> None:
        past = [*self.past, (self.simulation.shell.job, self.simulation.shell.cache)]
        self._do(Move("die with an old view"), (past[-1 - job % len(past)][0], past[-1 - children % len(past)][1]))

    @rule()
    def the_past_is_kept_by_a_slow_server(self) -> None:
        self.past = [*self.past[-8:], (self.simulation.world.job, Shell.read(self.simulation.world))]

    @rule(which=which)
    def time_passes(self, which: int) -> None:
        self._make(list(self.simulation.time_moves()), which)

    @rule(seconds=st.integers(1, 120))
    def any_time_passes(self, seconds: int) -> None:
        self._do(Move("wait", code=seconds))

    @rule()
    def the_user_suspends_or_resumes(self) -> None:
        self._do(Move("resume" if self.simulation.world.job.spec.suspend else "suspend"))

    @rule(ahead=st.integers(0, 1))
    def another_job_comes_or_goes(self, ahead: int) -> None:
        self._do(Move("let others go first", code=ahead))

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
        raise invariants.Violation(invariants.SETTLES, f"not after {SETTLED_AFTER_MOVES} fair moves")


def _walk(number: int, examples: int, steps_each: int) -> int:
    chosen = settings(
        max_examples=examples, stateful_step_count=steps_each, deadline=None, database=None, print_blob=False,
        phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    machine = seed(number)(type(f"CoreMachine{number}", (CoreMachine,), {"steps": 0}))
    try:
        run_state_machine_as_test(machine, settings=chosen)
    except BaseException as error:
        error.add_note(f"seed {number}")
        raise
    return machine.steps


@pytest.fixture
def walk() -> Callable[[int, int, int], int]:
    """Walk with a seed, so many examples and steps an example. Returns the number of moves that were really made."""
    return _walk


def pytest_terminal_summary(terminalreporter: Any) -> None:
    sums = dict.fromkeys(COUNTED, 0)
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            if name in sums:
                sums[name] += value
    for name, value in sums.items():
        if value:
            terminalreporter.write_line(f"core: {value:,} {name}")
