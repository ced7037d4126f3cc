"""A power domain sheds power: who gives how much, who waits, and that all is given back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api.powerdomain import PowerDomainSpec, Reservation, Shed
from wattrain_operator.core.domains import Domain, grant_of
from wattrain_operator.core.fleet import FleetObserved, FleetPlan, plan_fleet
from wattrain_operator.core.fleet_job import FleetJob, fleet_job
from wattrain_operator.core.observed import GRANTED, ShedGrant
from wattrain_operator.core.reservations import Draw
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
BEGIN, UNTIL = 1000.0, 4600.0


def job(name: str, watts: float = 100.0, flexibility: Any = "throttle", priority: int = 0, **fields: Any) -> FleetJob:
    runs = FleetJob("team", name, f"uid-{name}", priority, moment(0), 1, wants=False, runs=True, living_children=True)
    draw = Draw(watts, moment(BEGIN), measured=True)
    figures = {"full_watts": 2 * watts, "draw": draw, "flexibility": flexibility, "floor_ratio": 0.55}
    return replace(runs, **{**figures, **fields})


class Fleet:
    """A domain whose plans are stored, and whose jobs draw what they are held to."""

    def __init__(self, *jobs: FleetJob, cap_watts: float | None = None, **shed: Any) -> None:
        self.spec = PowerDomainSpec(cap_watts=cap_watts, shed=Shed(until=moment(UNTIL), **shed))
        self.jobs = {each.uid: each for each in jobs}
        self.now = BEGIN
        self.held: tuple[Reservation, ...] = ()
        self.plan: FleetPlan | None = None

    def decide(self, seconds: float = 0.0) -> FleetPlan:
        self.now += seconds
        shedding = None if self.plan is None else self.plan.shedding
        seen = FleetObserved(moment(self.now), "rack", self.spec, self.held, tuple(self.jobs.values()), shedding)
        self.plan = plan_fleet(seen)
        self.held = self.plan.reservations
        return self.plan

    def orders(self) -> dict[str, float]:
        assert self.plan is not None
        shedding = self.plan.shedding
        return {} if shedding is None else {order.name: order.most_watts for order in shedding.orders}

    def obey(self) -> None:
        """Each job draws what it is held to; one that pauses has no place and no process any more."""
        for each in self.jobs.values():
            watts = self.orders().get(each.name, 0.0 if each.draw is None else each.draw.watts)
            obeyed = replace(each, draw=Draw(watts, moment(self.now), measured=True))
            if watts == 0:
                obeyed = replace(obeyed, runs=False, turn=2, living_children=False, fresh=True)
            self.jobs[each.uid] = obeyed


@pytest.mark.parametrize(
    ("jobs", "shed", "orders"),
    [
        ([job("a"), job("b")], {"percent": 30}, {"a": 67.9, "b": 67.9}),
        ([job("a"), job("b")], {"watts": 20.0}, {"a": 87.3, "b": 87.3}),
        ([job("a", 50.0), job("b", 150.0)], {"percent": 30}, {"a": 34.0, "b": 101.9}),
        ([job("low", priority=-1), job("high")], {"percent": 20}, {"low": 55.2}),
        ([job("low", priority=-1), job("high")], {"percent": 30}, {"low": 55.0, "high": 80.8}),
        ([job("rigid", flexibility="none"), job("a")], {"percent": 20}, {"a": 55.2}),
        ([job("a", floor_ratio=0.9), job("b", floor_ratio=0.1)], {"percent": 30}, {"a": 93.6, "b": 42.2}),
        ([job("a", flexibility="pause"), job("b")], {"percent": 30}, {"a": 67.9, "b": 67.9}),
        ([job("a", flexibility="pause"), job("b")], {"percent": 50}, {"a": 0.0, "b": 97.0}),
        ([job("a", 50.0, "pause"), job("b", 150.0, "pause")], {"percent": 60}, {"b": 0.0}),
        ([job("p", 100.0, "pause", priority=5), job("q", 100.0, "pause")], {"percent": 50}, {"p": 97.0, "q": 0.0}),
        ([job("a", flexibility="pause"), job("b", flexibility="pause")], {"percent": 100}, {"a": 0.0, "b": 0.0}),
        ([job(name, 0.4) for name in "abcd"], {"percent": 30}, dict.fromkeys("abcd", 0.27)),
    ],
)
def test_what_loses_least_is_given_up_first(
    jobs: list[FleetJob], shed: dict[str, Any], orders: dict[str, float]
) -> None:
    fleet = Fleet(*jobs, **shed)
    plan = fleet.decide()
    assert plan.shedding is not None
    assert fleet.orders() == pytest.approx(orders, abs=0.11)
    assert plan.shedding.message == ""
    drawn = sum(fleet.orders().get(each.name, each.draw.watts if each.draw else 0.0) for each in jobs)
    assert drawn <= plan.shedding.target_watts


def test_what_jobs_do_not_give_up_is_said_with_a_remedy() -> None:
    plan = Fleet(job("a", flexibility="none"), job("b"), percent=40).decide()
    assert plan.shedding is not None
    assert plan.shedding.message == (
        "38.6 W too much: jobs give up no more; write energy.flexibility: throttle or pause into more of them, suspend "
        "one, or shed less"
    )


def test_orders_stay_as_they_are_while_the_target_is_kept_and_end_with_the_time() -> None:
    fleet = Fleet(job("a"), job("b", flexibility="pause"), percent=50)
    fleet.decide()
    before = fleet.orders()
    assert before == pytest.approx({"a": 97.0, "b": 0.0})
    for _ in range(20):
        fleet.obey()
        plan = fleet.decide(5.0)
        assert fleet.orders() == before
        assert plan.shedding is not None
        assert plan.shedding.drawn_watts <= plan.shedding.target_watts == 100.0
        assert plan.wake_after_seconds == 5.0
    assert [r.name for r in fleet.held] == ["a"]
    plan = fleet.decide(UNTIL - fleet.now)
    assert (plan.shedding, fleet.orders()) == (None, {})


def test_a_job_that_draws_more_than_before_makes_the_others_give_more() -> None:
    fleet = Fleet(job("rigid", flexibility="none"), job("a"), percent=10)
    fleet.decide()
    assert fleet.orders() == {"a": pytest.approx(74.6)}
    fleet.jobs["uid-rigid"] = replace(fleet.jobs["uid-rigid"], draw=Draw(115.0, moment(BEGIN + 5), measured=True))
    fleet.decide(5.0)
    assert fleet.orders() == {"a": pytest.approx(59.6)}


@pytest.mark.parametrize("cap_watts", [None, 1000.0])
def test_nobody_is_admitted_who_would_exceed_the_target(cap_watts: float | None) -> None:
    new = job("new", 10.0, runs=False, wants=True, living_children=False, draw=None, full_watts=20.0)
    fleet = Fleet(job("a"), new, cap_watts=cap_watts, percent=30)
    plan = fleet.decide()
    [waiting] = plan.waiting
    told = f"waits while power domain rack sheds power, until {moment(UNTIL):%Y-%m-%d %H:%M:%S} UTC"
    assert (waiting.reason, waiting.waits_for) == ("Shedding", told)
    domain = Domain("rack", fleet.spec, reservations=plan.reservations, shedding=plan.shedding)
    assert not grant_of(domain, new.uid, 1, waiting).granted
    after = fleet.decide(UNTIL - fleet.now)
    assert {r.name for r in after.reservations} == {"a", "new"}


def test_shedding_begins_at_its_time() -> None:
    fleet = Fleet(job("a"), percent=30, start=moment(BEGIN + 60))
    plan = fleet.decide()
    assert (plan.shedding, plan.wake_after_seconds) == (None, 60.0)
    assert fleet.decide(60.0).shedding is not None


def test_a_job_that_has_ended_gives_up_nothing_more() -> None:
    fleet = Fleet(job("a"), job("b"), percent=30)
    fleet.decide()
    fleet.jobs["uid-b"] = replace(fleet.jobs["uid-b"], runs=False, finished=True, living_children=False, fresh=True)
    fleet.decide(5.0)
    assert list(fleet.orders()) == ["a"]


def test_what_a_job_is_told_reaches_it_with_its_grant() -> None:
    fleet = Fleet(job("a"), job("b", flexibility="none"), percent=10)
    plan = fleet.decide()
    domain = Domain("rack", fleet.spec, reservations=plan.reservations, shedding=plan.shedding)
    why = f"power domain rack sheds power until {moment(UNTIL):%Y-%m-%d %H:%M:%S} UTC"
    assert grant_of(domain, "uid-a", 1, None) == replace(GRANTED, shed=ShedGrant(fleet.orders()["a"], why))
    assert grant_of(domain, "uid-b", 1, None) == GRANTED


def test_how_much_is_shed_may_change_while_it_is_shed() -> None:
    fleet = Fleet(job("a"), job("b"), percent=10)
    fleet.decide()
    fleet.obey()
    fleet.spec = fleet.spec.model_copy(update={"shed": Shed(percent=30, until=moment(UNTIL) + timedelta(hours=1))})
    plan = fleet.decide(30.0)
    assert plan.shedding is not None
    assert (plan.shedding.from_watts, plan.shedding.target_watts) == (200.0, 140.0)
    assert fleet.orders() == pytest.approx({"a": 67.9, "b": 67.9}, abs=0.11)


def test_a_job_that_is_to_give_speed_up_is_throttled_from_what_it_draws_and_let_go(scene: Scene) -> None:
    running = scene(spec={"energy": {"flexibility": "throttle"}}).run()
    running.report = replace(running.report, training_watts=2.0, training_watts_seconds=5.0)
    running.grant = replace(GRANTED, shed=ShedGrant(1.4, "power domain rack sheds power until noon"))
    [asked] = running.plan().directs
    assert 0.5 < asked.directive.duty_ratio < 0.7
    assert (running.status.power_cap.target_watts, running.status.power_cap.message) == (1.4, running.grant.shed.why)
    running.obey(asked)
    running.grant = GRANTED
    [asked] = running.plan().directs
    assert (asked.directive.duty_ratio, running.status.power_cap) == (None, None)


def test_a_jobs_own_lower_cap_holds_on(scene: Scene) -> None:
    capped = scene(spec={"energy": {"powerCap": {"jobWatts": 4.0, "minPercent": 1}, "flexibility": "throttle"}}).run()
    capped.grant = replace(GRANTED, shed=ShedGrant(6.0, "power domain rack sheds power until noon"))
    assert capped.plan().directs == ()
    assert capped.status.power_cap.target_watts == 4.0


def test_a_job_that_is_to_pause_saves_and_goes_on_by_itself(scene: Scene) -> None:
    paused = scene(spec={"energy": {"flexibility": "pause"}}, shared=True).run()
    paused.grant = replace(GRANTED, shed=ShedGrant(0.0, "power domain rack sheds power until noon"))
    paused.settle()
    assert (paused.status.state, paused.answer("Suspended")) == ("Suspended", ("True", "Shedding"))
    assert not fleet_job(paused.job, paused.status, living_children=False, fresh=True).wants
    paused.grant = GRANTED
    paused.settle()
    assert paused.answer("Suspended") == ("False", "JobResumed")
    assert paused.status.attempt == 2
