"""A random walk over several jobs of one power domain, as there is one over one job: the fixture `walk_fleet`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.faults import Move, fault_moves
from wattrain_operator.simulated.fleet_simulation import FleetSimulation, OldView
from wattrain_operator.simulated.simulated_operator import Setting

SETTLED_AFTER_MOVES = 3000
FAULTS = ("crash", "crash", "evict", "remove", "lose the node of", "hang", "silence", "relist")
OF_THE_DOMAIN = ("deliver the domain", "decide the fleet", "write the fleet")
POLICIES = (
    {"maxRestarts": 1, "keepPods": "None"},
    {"maxRestarts": 0, "keepPods": "Failed"},
    {"maxRestarts": 2, "activeDeadlineSeconds": 400},
    {"maxRestarts": 2, "ttlSecondsAfterFinished": 60, "keepPods": "All"},
)


def spec(priority: int, workers: int, policy: dict[str, object]) -> TrainingJobSpec:
    """A job of six steps with deadlines that are soon over."""
    return TrainingJobSpec.model_validate(
        {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"maxSteps": 6},
            "workers": {"replicas": workers},
            "queue": {"priority": priority},
            "policy": {"startDeadlineSeconds": 200, "progressDeadlineSeconds": 100} | policy,
        }
    )


class FleetMachine(RuleBasedStateMachine):
    """Each rule makes one move of its kind, if there is one; `which` chooses among them. Every move checks itself."""

    steps: ClassVar[int] = 0
    which = st.integers(0, 23)

    def __init__(self) -> None:
        super().__init__()
        self.past: list[OldView] = []

    @initialize(
        priorities=st.sampled_from([[0, 10], [0, 10], [0, 0], [10, 0], [0, 0, 10], [0, 10, 0], [0, 5, 10]]),
        workers=st.integers(1, 2), policy=st.sampled_from(POLICIES), limit=st.sampled_from([1, 1, 2, None]),
        shared=st.booleans(), reads_own_writes=st.booleans(), by_power=st.booleans(),
        age=st.sampled_from([0, 0, 10, 30]), preempts=st.booleans(),
    )  # fmt: skip
    def jobs_are_written_and_live_for_a_while(
        self, priorities: list[int], workers: int, policy: dict[str, object], limit: int | None, shared: bool,
        reads_own_writes: bool, by_power: bool, age: int, preempts: bool,
    ) -> None:  # fmt: skip
        specs = {f"job-{index}": spec(priority, workers, policy) for index, priority in enumerate(priorities)}
        setting = Setting(shared, reads_own_writes=reads_own_writes)
        self.fleet = FleetSimulation(specs, limit, setting, by_power=by_power, preempts=preempts)
        self.past = [self.fleet.view()]
        self.all_goes_well_for_a_while(age)

    def _make(self, moves: list[Move], which: int) -> None:
        if moves:
            self._do(moves[which % len(moves)])

    def _do(self, move: Move, old: OldView | None = None) -> None:
        type(self).steps += 1
        self.fleet.do(move, old)

    @rule(which=which, then=st.integers(0, 6))
    def the_operator_goes_on(self, which: int, then: int) -> None:
        self._make(list(self.fleet.operator_moves()), which)
        for _ in range(then):
            self._make(list(self.fleet.operator_moves()), which // 4)

    @rule(which=which)
    def the_children_go_on(self, which: int) -> None:
        self._make(list(self.fleet.environment_moves()), which)

    @rule(which=which, times=st.integers(1, 12))
    def one_job_goes_on(self, which: int, times: int) -> None:
        name = [*self.fleet.jobs][which % len(self.fleet.jobs)]
        for _ in range(times):
            moves = chain(self.fleet.operator_moves(), self.fleet.environment_moves())
            self._make([move for move in moves if move.job == name][:1], 0)

    @rule(kinds=st.lists(st.sampled_from(OF_THE_DOMAIN), min_size=1, max_size=4))
    def the_domain_goes_on(self, kinds: list[str]) -> None:
        for kind in kinds:
            self._make([move for move in self.fleet.operator_moves() if move.name == kind], 0)

    @rule(limit=st.sampled_from([None, None, 1]), which=which, times=st.integers(1, 12))
    def the_domain_changes_between_a_decision_and_its_write(self, limit: int | None, which: int, times: int) -> None:
        self.the_domain_goes_on(["decide the fleet"])
        other = Move("another operator decides the fleet")
        self._do(other if limit is None else Move("limit the jobs", code=limit))
        self.the_domain_goes_on(["deliver the domain"])
        self.one_job_goes_on(which, times)
        self.the_domain_goes_on(["write the fleet"])

    @rule(times=st.integers(2, 12))
    def all_goes_well_for_a_while(self, times: int) -> None:
        for _ in range(times):
            if (move := self.fleet.fair_move()) is not None:
                self._do(move)

    @rule(kind=st.sampled_from(FAULTS), which=which)
    def something_fails(self, kind: str, which: int) -> None:
        faults = [
            move._replace(job=name)
            for name, simulation in self.fleet.jobs.items()
            for move in fault_moves(simulation.world, simulation.operator)
            if move.name == kind and name not in self.fleet.operator.unseen
        ]
        self._make(faults, which)

    @rule(what=st.sampled_from(["suspend", "suspend", "suspend", "limit", "delete the job"]), which=which)
    def a_person_changes_something(self, what: str, which: int) -> None:
        name, simulation = [*self.fleet.jobs.items()][which % len(self.fleet.jobs)]
        job = simulation.world.job
        if what == "limit":
            self._do(Move("limit the jobs", code=which % 3))
        elif job.deleted or is_finished(job.status):
            return
        elif what == "suspend":
            self._do(Move("resume" if job.spec.suspend else "suspend", job=name))
        elif which > 20:
            self._do(Move(what, job=name))

    @rule(
        what=st.sampled_from(
            [
                "die", "die with an old view", "read old lists", "an old list of jobs", "an old list of jobs",
                "keep a view", "wait", "another", "another",
            ]
        ),
        which=which,
    )  # fmt: skip
    def something_rare_happens(self, what: str, which: int) -> None:
        if what == "die":
            self._do(Move("die"))
        elif what == "die with an old view":
            self._do(Move("die with an old view"))
        elif what == "read old lists":
            jobs, domain = self.past[-1 - which % len(self.past)], self.past[-1 - which // 3 % len(self.past)]
            self._do(Move("die with an old view"), jobs._replace(domain=domain.domain))
        elif what == "an old list of jobs":
            self._do(Move("die with an old list of jobs", code=which % len(self.fleet.jobs)))
        elif what == "keep a view":
            self.past = [*self.past[-8:], self.fleet.view()]
        elif what == "wait":
            self._do(Move("wait", code=1 + 11 * which))
        elif what == "another":
            self._do(Move("another operator decides the fleet"))

    def teardown(self) -> None:
        """Faults stop: every job must settle."""
        if not hasattr(self, "fleet"):
            return
        for _ in range(SETTLED_AFTER_MOVES):
            move = self.fleet.fair_move()
            if move is None:
                self.fleet.check_rest()
                return
            self._do(move)
        raise invariants.InvariantError(invariants.SETTLES, f"not after {SETTLED_AFTER_MOVES} fair moves")


@pytest.fixture
def walk_fleet(walk_of: Callable[..., int]) -> Callable[..., int]:
    """Walk with a seed, so many examples and steps an example. Returns the number of moves that were really made."""
    return partial(walk_of, FleetMachine)
