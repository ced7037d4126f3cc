"""A job of higher priority takes the place of a lower one: who is asked to go, what it does then, and that it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from wattrain_api.powerdomain import PowerDomainSpec, Reservation, Shed
from wattrain_operator.core.admission import Room
from wattrain_operator.core.domains import Domain, grant_of
from wattrain_operator.core.fleet import FleetObserved, FleetPlan, plan_fleet
from wattrain_operator.core.fleet_job import FleetJob
from wattrain_operator.core.preemption import Claim, who_gives_way
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
WHY = "preempted by team/high, priority 5 > 1, in power domain rack"


def waits(name: str, priority: int, watts: float = 100.0, age: float = 0, **fields: Any) -> FleetJob:
    job = FleetJob("team", name, f"uid-{name}", priority, moment(1000 - age), 1, wants=True, runs=False)
    return replace(job, full_watts=watts, **fields)


def runs(name: str, priority: int, watts: float = 100.0, age: float = 0, **fields: Any) -> FleetJob:
    return replace(waits(name, priority, watts, age), wants=False, runs=True, living_children=True, **fields)


class Fleet:
    """A domain whose plans are stored."""

    def __init__(self, *jobs: FleetJob, preemption: str = "LowerPriority", **spec: Any) -> None:
        self.spec = PowerDomainSpec.model_validate({"preemption": preemption, "headroomPercent": 0, **spec})
        self.jobs = {job.name: job for job in jobs}
        self.held: tuple[Reservation, ...] = ()
        self.moves = 0

    def decide(self) -> FleetPlan:
        self.moves += 1
        plan = plan_fleet(
            FleetObserved(moment(2000 + self.moves), "rack", self.spec, self.held, (*self.jobs.values(),))
        )
        self.held = plan.reservations
        return plan

    def asked(self) -> dict[str, str]:
        return {r.name: r.preempted_by for r in self.held if r.preempted_by}

    def stop_who_is_asked(self) -> None:
        """They have saved, stopped, and are in the queue again."""
        for name in self.asked():
            job = self.jobs[name]
            self.jobs[name] = replace(
                job, turn=job.turn + 1, wants=True, runs=False, living_children=False, fresh=True
            )  # fmt: skip

    def start_who_is_granted(self) -> None:
        for reservation in self.held:
            job = self.jobs[reservation.name]
            if job.turn == reservation.turn and not reservation.preempted_by:
                self.jobs[job.name] = replace(job, wants=False, runs=True, living_children=True, fresh=False)

    def running(self) -> set[str]:
        return {job.name for job in self.jobs.values() if job.runs}


def test_a_job_without_room_has_one_of_lower_priority_asked_to_go_and_gets_its_place_once_it_is_gone() -> None:
    fleet = Fleet(runs("low", 1), maxRunningJobs=1)
    fleet.decide()
    fleet.jobs["high"] = waits("high", 5)
    plan = fleet.decide()
    assert fleet.asked() == {"low": "team/high, priority 5 > 1"}
    assert [waiting.uid for waiting in plan.waiting] == ["uid-high"]
    domain = Domain("rack", fleet.spec, reservations=plan.reservations)
    assert (grant_of(domain, "uid-low", 1, None).preempted, grant_of(domain, "uid-low", 2, None).preempted) == (WHY, "")
    assert fleet.decide().reservations == plan.reservations
    fleet.stop_who_is_asked()
    assert [(r.name, r.preempted_by) for r in fleet.decide().reservations] == [("high", "")]


@pytest.mark.parametrize(
    ("low", "spec"),
    [
        (runs("low", 5), {"maxRunningJobs": 1}),
        (runs("low", 9), {"maxRunningJobs": 1}),
        (runs("low", 1), {"maxRunningJobs": 1, "preemption": "Never"}),
        (runs("low", 1, keeps_checkpoints=False), {"maxRunningJobs": 1}),
        (runs("low", 1), {"maxRunningJobs": 1, "shed": Shed(percent=10, until=moment(9000))}),
        (runs("low", 1, watts=60.0), {"capWatts": 99}),
    ],
    ids=["equal", "higher", "never", "would-begin-anew", "while-power-is-shed", "cap-too-small-for-it"],
)
def test_nobody_is_asked_to_go(low: FleetJob, spec: dict[str, Any]) -> None:
    fleet = Fleet(low, **spec)
    fleet.decide()
    fleet.jobs["high"] = waits("high", 5)
    fleet.decide()
    assert fleet.asked() == {}


def test_the_lowest_priority_goes_first_then_the_youngest_and_nobody_more_than_is_needed() -> None:
    fleet = Fleet(
        runs("old", 1, 40.0, age=9),
        runs("young", 1, 30.0),
        runs("small", 0, 10.0),
        runs("other", 2, 20.0),
        capWatts=100,
    )
    fleet.decide()
    fleet.jobs["high"] = waits("high", 5, 30.0)
    fleet.decide()
    assert set(fleet.asked()) == {"young"}  # the room of `small` would not be enough, and is not needed


def test_nobody_is_asked_where_it_would_not_be_enough() -> None:
    fleet = Fleet(runs("low", 1, 30.0), runs("same", 5, 70.0), capWatts=100)
    fleet.decide()
    fleet.jobs["high"] = waits("high", 5, 40.0)
    fleet.decide()
    assert fleet.asked() == {}


@pytest.mark.parametrize("leaves", [{"is_leaving": True}, {"turn": 2, "runs": False}], ids=["held", "suspended"])
def test_who_stops_already_is_counted_as_gone(leaves: dict[str, Any]) -> None:
    fleet = Fleet(runs("stopping", 1), runs("low", 1), maxRunningJobs=2)
    fleet.decide()
    fleet.jobs["stopping"] = replace(fleet.jobs["stopping"], **leaves)
    fleet.jobs["high"] = waits("high", 5)
    fleet.decide()
    assert fleet.asked() == {}
    fleet.jobs["second"] = waits("second", 5)
    fleet.decide()
    assert set(fleet.asked()) == {"low"}


def test_each_that_waits_has_as_many_go_as_it_needs_and_who_waits_behind_one_that_cannot_be_helped_has_none() -> None:
    fleet = Fleet(runs("a", 1), runs("b", 2), runs("c", 3), maxRunningJobs=3)
    fleet.decide()
    fleet.jobs |= {"x": waits("x", 9), "y": waits("y", 3), "z": waits("z", 2)}
    fleet.decide()
    assert fleet.asked() == {"a": "team/x, priority 9 > 1", "b": "team/y, priority 3 > 2"}


def test_a_limit_that_was_lowered_below_what_runs_is_kept_to() -> None:
    fleet = Fleet(runs("a", 1), runs("b", 1), runs("c", 9), maxRunningJobs=3)
    fleet.decide()
    fleet.spec = fleet.spec.model_copy(update={"max_running_jobs": 2})
    fleet.jobs["high"] = waits("high", 5)
    fleet.decide()
    assert set(fleet.asked()) == {"a", "b"}


def test_a_job_that_goes_leaves_its_room_to_the_one_that_it_goes_for() -> None:
    """One behind the head may not take the room that is free meanwhile, however short it is: the head would wait on."""
    fleet = Fleet(runs("low", 1, 60.0, ends=moment(9000)), capWatts=100)
    fleet.decide()
    fleet.jobs |= {"high": waits("high", 5, 90.0), "short": waits("short", 1, 40.0, longest_seconds=900.0)}
    plan = fleet.decide()
    assert [r.name for r in plan.reservations] == ["low"]
    assert plan.waiting[0].expected_start is not None
    assert plan.waiting[0].expected_start <= moment(2000 + 240)


def test_chains_of_priorities_end_and_equals_never_take_turns() -> None:
    fleet = Fleet(waits("a", 0, age=9), waits("b", 0), maxRunningJobs=1)

    def go_on(times: int) -> list[str]:
        gone: list[str] = []
        for _ in range(times):
            fleet.decide()
            fleet.start_who_is_granted()
            gone += fleet.asked()
            fleet.stop_who_is_asked()
        return gone

    assert (go_on(9), fleet.running()) == ([], {"a"})
    for name, priority, preempted in (("c", 1, ["a"]), ("d", 1, []), ("e", 2, ["c"]), ("f", 3, ["e"]), ("g", 3, [])):
        fleet.jobs[name] = waits(name, priority)
        assert go_on(9) == preempted
    assert fleet.running() == {"f"}


def test_room_that_more_than_may_run_leaves_is_none() -> None:
    assert who_gives_way(Claim(5, 0.0), [Claim(1, 0.0)] * 3, Room(-1, inf)) == [1, 0]
    assert who_gives_way(Claim(5, 10.0), [Claim(1, 5.0), Claim(2, 5.0), Claim(5, 90.0)], Room(1, 0.0)) == [1, 0]


def test_it_saves_stops_says_for_whom_and_queues_again_until_it_goes_on(scene: Scene) -> None:
    job = scene(shared=True).run()
    granted = job.grant
    job.report = replace(job.report, checkpoint_step=5, step=7)
    job.grant = replace(granted, preempted=WHY)
    asked = job.plan()
    assert [d.directive.stop_at_step for d in asked.directs] == [0]
    assert (job.status.state, job.status.message) == ("Suspending", f"{WHY}; waiting for the workers to save and stop")
    assert [(e.type, e.message) for e in job.events if e.reason == "PreemptedByPriority"] == [
        ("Normal", f"{WHY}; the job saves and stops, and goes on once there is room for it again")
    ]
    job.settle()
    assert (job.status.state, job.answer("Suspended")) == ("Suspended", ("True", "PreemptedByPriority"))
    assert (job.children, job.status.internal.turn, job.status.restart_count) == ({}, 2, 0)
    job.grant = replace(granted, granted=False, reason="Queued", message="waits for a place", position=1)
    job.settle()
    assert (job.status.state, job.status.internal.holds) == ("Queued", ())
    told = next(c for c in job.status.conditions if c.type == "Suspended")
    assert (told.status, told.message) == ("False", f"{WHY}; it has stopped and queues again")
    job.grant = granted
    job.run()
    assert (job.status.state, job.status.restart_count, job.status.checkpoint.step) == ("Running", 0, 5)


def test_what_else_holds_it_holds_it_after_it_was_preempted(scene: Scene) -> None:
    job = scene(shared=True).run()
    granted = job.grant
    job.grant = replace(granted, preempted=WHY)
    job.plan()
    job.spec = job.spec.model_copy(update={"suspend": True})
    job.settle()
    job.grant = granted
    job.settle()
    assert (job.status.state, job.answer("Suspended")) == ("Suspended", ("True", "JobSuspended"))


def test_a_job_that_is_granted_but_not_admitted_yet_gives_its_place_without_having_started(scene: Scene) -> None:
    job = scene(shared=True)
    job.grant = replace(job.grant, preempted=WHY)
    job.settle()
    assert (job.status.state, job.status.attempt, job.status.internal.turn) == ("Suspended", 0, 2)
