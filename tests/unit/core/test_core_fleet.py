"""Who of all jobs of a power domain may run, in which order, and what the others are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.powerdomain import PowerDomainSpec, Reservation
from wattrain_api.status import QueueStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.core.domains import Domain, conditions_of, grant_of
from wattrain_operator.core.fleet import FleetObserved, FleetPlan, plan_fleet
from wattrain_operator.core.fleet_job import FleetJob, fleet_job
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.observed import Grant
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]


def job(name: str, priority: int = 0, age: float = 0, **fields: Any) -> FleetJob:
    """A job that waits; `age`: how many seconds older than others."""
    waits = FleetJob("team", name, f"uid-{name}", priority, moment(1000 - age), turn=1, wants=True, runs=False)
    return replace(waits, **fields)


def running(name: str, **fields: Any) -> FleetJob:
    return job(name, wants=False, runs=True, living_children=True, **fields)


def finished(name: str, **fields: Any) -> FleetJob:
    return job(name, **({"wants": False, "finished": True} | fields))


def reservation(name: str, turn: int = 1) -> Reservation:
    return Reservation("team", name, f"uid-{name}", turn, moment(0))


def decide(*jobs: FleetJob, limit: int | None = 1, held: tuple[Reservation, ...] = (), **seen: Any) -> FleetPlan:
    spec = PowerDomainSpec(max_running_jobs=limit)
    return plan_fleet(FleetObserved(moment(2000), "default", spec, held, jobs, **seen))


def names(reservations: tuple[Reservation, ...]) -> list[str]:
    return [r.name for r in reservations]


def test_the_higher_priority_goes_first_and_among_equals_the_older() -> None:
    plan = decide(job("young"), job("old", age=9), job("high", priority=1), job("low", priority=-1, age=99), limit=2)
    assert names(plan.reservations) == ["high", "old"]
    assert [(w.uid, w.position) for w in plan.waiting] == [("uid-young", 1), ("uid-low", 2)]


def test_who_waits_is_told_the_limit_and_who_has_the_place() -> None:
    (waiting,) = decide(job("second"), running("first"), held=(reservation("first"),)).waiting
    assert (waiting.waits_for, waiting.held_by) == ("a place: maxRunningJobs 1 of power domain default", "team/first")


def test_a_place_that_is_held_is_not_given_again() -> None:
    plan = decide(job("second", priority=9), running("first"), held=(reservation("first"),))
    assert plan.reservations == (reservation("first"),)
    assert plan.look_at == ()


def test_without_a_limit_nobody_waits_and_nothing_is_stored() -> None:
    plan = decide(job("a"), running("b"), limit=None, held=(reservation("b"),))
    assert (plan.reservations, plan.waiting, plan.running) == ((), (), 1)


def test_a_limit_below_what_runs_takes_nobodys_place_and_gives_none() -> None:
    plan = decide(running("a"), running("b"), job("c"), limit=1)
    assert names(plan.reservations) == ["a", "b"]
    assert [w.uid for w in plan.waiting] == ["uid-c"]


@pytest.mark.parametrize("old", [finished("first"), job("first", turn=2, wants=False)], ids=["finished", "suspended"])
def test_a_place_is_free_again_once_the_source_says_that_its_job_is_over(old: FleetJob) -> None:
    seems = decide(job("second"), old, held=(reservation("first"),))
    assert names(seems.reservations) == ["first"]
    assert names(seems.look_at) == ["first"]
    certain = decide(job("second"), replace(old, fresh=True), held=(reservation("first"),))
    assert (names(certain.reservations), certain.look_at) == (["second"], ())


def test_a_finished_job_keeps_its_place_while_a_child_of_it_lives() -> None:
    leaving = finished("first", living_children=True, fresh=True)
    plan = decide(job("second"), leaving, held=(reservation("first"),))
    assert (names(plan.reservations), plan.look_at) == (["first"], ())


def test_the_place_of_a_job_that_is_not_known_is_free_only_when_it_is_gone_for_certain() -> None:
    held = (reservation("deleted"),)
    assert names(decide(job("second"), held=held).look_at) == ["deleted"]
    plan = decide(job("second"), held=held, gone=frozenset({"uid-deleted"}))
    assert names(plan.reservations) == ["second"]


def test_a_resumed_job_needs_another_reservation_than_the_one_it_had_before() -> None:
    resumed = job("first", turn=2, fresh=True)
    plan = decide(resumed, job("second", priority=1), held=(reservation("first"),))
    assert [(r.name, r.turn) for r in plan.reservations] == [("second", 1)]
    spec = PowerDomainSpec(max_running_jobs=1)
    stale = Domain("default", spec, reservations=(reservation("first"),))
    assert not grant_of(stale, "uid-first", 2, None).granted
    assert grant_of(stale, "uid-first", 1, None).granted


def test_a_job_that_no_fleet_plan_has_seen_yet_is_told_nothing() -> None:
    grant = grant_of(Domain("default", PowerDomainSpec(max_running_jobs=1)), "uid", 1, None)
    assert (grant.granted, grant.reason) == (False, reasons.PENDING)


def test_a_waiting_job_is_told_its_position() -> None:
    domain = Domain("default", PowerDomainSpec(max_running_jobs=1))
    grant = grant_of(
        domain, "uid", 1, Waiting("uid", 3, "a place: maxRunningJobs 1 of power domain default", "team/first")
    )
    message = "waits for a place: maxRunningJobs 1 of power domain default"
    assert grant == Grant(False, reasons.QUEUED, message, 3, "team/first")


def test_a_missing_power_domain_is_told_with_the_remedy(scene: Scene) -> None:
    grant = grant_of(Domain("clean", None), "uid", 1, None)
    told = scene()
    told.grant = grant
    told.settle()
    assert told.answer("Admitted") == ("False", "PowerDomainNotFound")
    assert (told.status.state, "create it" in told.status.message) == ("Pending", True)
    assert [(e.type, e.reason) for e in told.events] == [("Warning", "PowerDomainNotFound")]


def test_a_power_domain_that_cannot_be_read_is_told_with_what_is_wrong() -> None:
    grant = grant_of(Domain("clean", None, "spec.pue=0.5: must be at least 1"), "uid", 1, None)
    assert (grant.granted, grant.reason) == (False, reasons.POWER_DOMAIN_UNREADABLE)
    assert "spec.pue=0.5" in grant.message


def test_the_default_power_domain_need_not_exist_and_the_job_says_so(scene: Scene) -> None:
    told = scene()
    told.grant = grant_of(Domain("default", None), "uid", 1, None)
    told.settle()
    condition = next(c for c in told.status.conditions if c.type == "Admitted")
    assert condition.status == "True"
    assert "there is no PowerDomain default: nothing is limited" in condition.message


def test_a_running_job_whose_domain_is_gone_goes_on_and_says_so_until_it_is_back(scene: Scene) -> None:
    told = scene().run()
    told.grant = grant_of(Domain("clean", None), "uid", 1, None)
    told.settle()
    assert (told.status.state, told.answer("Admitted")) == ("Running", ("True", "PowerDomainNotFound"))
    assert told.events[-1].reason == "PowerDomainNotFound"
    told.grant = Grant(granted=True)
    told.settle()
    assert told.answer("Admitted") == ("True", "JobAdmitted")


def test_a_job_that_is_suspended_while_it_waits_is_in_no_queue_any_more(scene: Scene) -> None:
    told = scene()
    told.grant = Grant(False, reasons.QUEUED, "waits for a place", position=1, held_by="team/a")
    told.settle()
    told.spec = told.spec.model_copy(update={"suspend": True})
    told.settle()
    assert (told.status.state, told.status.queue) == ("Suspended", QueueStatus())


def test_a_change_of_position_alone_is_written_no_more_often_than_figures(scene: Scene) -> None:
    told = scene()
    told.interval_seconds = 15.0
    told.grant = Grant(False, reasons.QUEUED, "waits for a place", position=3, held_by="team/a")
    told.settle()
    told.grant = replace(told.grant, position=2)
    told.seconds += 5
    decided = told.plan()
    assert (told.status.queue.position, decided.wake_after_seconds) == (3, 10.0)
    told.seconds += 10
    told.plan()
    assert told.status.queue.position == 2


def test_the_place_of_a_job_in_a_namespace_that_is_not_watched_is_left_to_its_own_operator() -> None:
    other = Reservation("elsewhere", "first", "uid-first", 1, moment(0))
    plan = decide(job("second"), held=(other,), gone=frozenset({"uid-first"}), namespaces=frozenset({"team"}))
    assert (plan.reservations, plan.look_at) == ((other,), ())
    assert [w.uid for w in plan.waiting] == ["uid-second"]


def test_a_resumed_job_waits_once_its_status_says_so_or_another_suspension_would_keep_its_place(scene: Scene) -> None:
    told = scene(spec={"suspend": True})
    told.settle()
    told.spec = told.spec.model_copy(update={"suspend": False})
    metadata = ObjectMeta(name="job", uid="uid")

    def wants() -> bool:
        written = TrainingJob(metadata=metadata, spec=told.spec)
        return fleet_job(written, told.status, living_children=False, fresh=True).wants

    assert not wants()
    told.grant = Grant(granted=False, reason=reasons.PENDING)
    told.plan()
    assert wants()


def test_a_domain_is_accepted_or_says_what_to_correct_and_since_when() -> None:
    good = Domain("grid", PowerDomainSpec(), generation=2)
    (accepted,) = conditions_of(good, moment(10))
    assert (accepted.type, accepted.status, accepted.reason) == ("Accepted", "True", "Accepted")
    bad = replace(good, spec=None, problem="spec.capWatts: remove it", reason="NotSupported", conditions=(accepted,))
    (refused,) = conditions_of(bad, moment(20))
    assert (refused.status, refused.reason, refused.observed_generation) == ("False", "NotSupported", 2)
    assert refused.message == "spec.capWatts: remove it; until then its jobs wait"
    assert refused.last_transition_time == moment(20)
    (still,) = conditions_of(replace(bad, conditions=(refused,)), moment(30))
    assert still == refused


def capped(*jobs: FleetJob, cap: float = 100.0, held: tuple[Reservation, ...] = (), **spec: Any) -> FleetPlan:
    domain = PowerDomainSpec.model_validate({"capWatts": cap, "headroomPercent": 0, **spec})
    return plan_fleet(FleetObserved(moment(2000), "hall", domain, held, jobs))


def test_jobs_are_granted_watts_until_the_cap_and_reserve_the_most_that_they_may_draw() -> None:
    plan = capped(job("first", age=2, full_watts=60.0), job("second", age=1, full_watts=50.0))
    assert [(r.name, r.watts, r.full_watts) for r in plan.reservations] == [("first", 60.0, 60.0)]
    [waiting] = plan.waiting
    assert (waiting.position, waiting.waits_for) == (1, "50 W of the 100 W for jobs of power domain hall")
    assert plan.power is not None
    assert (plan.power.reserved_watts, plan.power.free_watts) == (60.0, 40.0)


def test_headroom_and_base_are_not_for_jobs() -> None:
    assert capped(job("one", full_watts=85.0), headroomPercent=10, baseWatts=5).reservations
    assert not capped(job("one", full_watts=85.1), headroomPercent=10, baseWatts=5).reservations


def test_a_job_that_the_cap_never_has_room_for_is_told_so_and_holds_nobody_up() -> None:
    plan = capped(job("huge", priority=9, full_watts=100.5), job("small", full_watts=60.0))
    assert names(plan.reservations) == ["small"]
    [waiting] = plan.waiting
    assert (waiting.reason, waiting.position) == (reasons.POWER_CAP_TOO_SMALL, 0)
    domain = Domain("hall", PowerDomainSpec(cap_watts=100.0))
    grant = grant_of(domain, "uid-huge", 1, waiting)
    assert (grant.granted, grant.reason) == (False, reasons.POWER_CAP_TOO_SMALL)
    assert "100.5 W by their limits" in grant.message
    assert "capWatts 100" in grant.message


def test_who_waits_is_told_when_those_that_run_will_have_ended() -> None:
    runs = running("first", full_watts=90.0, ends=moment(2000 + 600))
    plan = capped(runs, job("second", full_watts=50.0))
    assert plan.waiting[0].expected_start == moment(2000 + 660).replace(second=0)


def test_a_cap_that_is_new_is_filled_by_what_runs_and_what_was_granted_before() -> None:
    plan = capped(running("a", full_watts=70.0), running("b", full_watts=70.0), held=(reservation("a"),))
    assert {r.name: r.watts for r in plan.reservations} == {"a": 70.0, "b": 70.0}
    assert not capped(running("a", full_watts=70.0), job("b", full_watts=40.0)).waiting[0].expected_start


def test_among_equals_the_namespace_that_holds_least_for_its_weight_goes_first() -> None:
    jobs = [job(f"{team}-{n}", age=-n, namespace=team, full_watts=10.0) for team in ("x", "y") for n in range(4)]
    plan = capped(*jobs, cap=60.0, namespaceWeights={"y": 2.0})
    assert [r.namespace for r in plan.reservations].count("y") == 4
    assert capped(*jobs, job("urgent", priority=1, namespace="x", full_watts=10.0), cap=10.0,
                  namespaceWeights={"y": 2.0}).reservations[0].name == "urgent"  # fmt: skip
