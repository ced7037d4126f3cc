"""A job that waits for clean hours: until when, why not, and what that has saved. The series are made by us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.carbon_series import HOUR, Basis, CarbonSeries, Interval
from wattrain_api.powerdomain import CarbonIntensity, PowerDomainSpec
from wattrain_api.status import Meter
from wattrain_operator.core.clean_hours import series_condition
from wattrain_operator.core.fleet_job import fleet_job
from wattrain_operator.core.observed import CarbonView, ChildEnergy
from wattrain_operator.simulated.objects import EPOCH, moment

Scene = Callable[..., Any]
KWH = 3.6e6


def hourly(*grams: float, basis: Basis = "Average") -> CarbonView:
    parts = (Interval(EPOCH + n * HOUR, EPOCH + (n + 1) * HOUR, float(each)) for n, each in enumerate(grams))
    return CarbonView(CarbonSeries(tuple(parts), "MADE-UP", basis, "made by us"))


SERIES = hourly(400, 300, 100, 200, 400, 400, 400)


def carbon(hours: float = 1.0, deadline_hours: float | None = 6, **more: Any) -> dict[str, Any]:
    deadline = {} if deadline_hours is None else {"deadline": f"{EPOCH + deadline_hours * HOUR:%Y-%m-%dT%H:%M:%SZ}"}
    estimate = {"estimatedDurationSeconds": int(hours * 3600)}
    return {"energy": {"carbon": {"mode": "StartWindow", **deadline, **estimate, **more}}}


def wants(job: Any) -> bool:
    return fleet_job(job.job, job.status, living_children=False, fresh=True).wants


def test_a_job_waits_for_its_window_asks_for_no_place_meanwhile_and_says_what_that_saves(scene: Scene) -> None:
    job = scene(carbon())
    job.carbon = SERIES
    assert not wants(job)  # before its first look, too: a place would stand empty
    decided = job.settle()
    assert job.answer(reasons.ADMITTED) == ("False", reasons.WAITING_FOR_CLEAN_HOURS)
    assert "for 100 g/kWh in place of 400, which saves 75 %" in job.status.message
    assert (job.status.state, job.status.queue.position, job.status.attempt) == ("Pending", 0, 0)
    assert job.status.clean_hours.start == EPOCH + 2 * HOUR
    assert (wants(job), decided.wake_after_seconds) == (False, 300)
    job.seconds = 2 * 3600 - 1
    job.settle()
    assert job.status.attempt == 0
    job.seconds += 1
    job.settle()
    assert (job.status.attempt, job.status.clean_hours.held_seconds) == (1, 7200)
    assert [e.reason for e in job.events].count(reasons.WAITING_FOR_CLEAN_HOURS) == 1


def test_its_grams_are_counted_by_the_hour_beside_those_of_a_start_at_once(scene: Scene) -> None:
    job = scene(carbon(hours=2), workers=1)
    job.carbon, job.domain = SERIES, PowerDomainSpec(carbon=CarbonIntensity(grams_per_kwh=1000), pue=1.5)
    job.settle()
    assert job.status.clean_hours.start == EPOCH + 2 * HOUR
    job.seconds = 2 * 3600
    job.run()
    job.seconds = 4 * 3600
    used = Meter(component="gpu", source="nvml", joules=2 * KWH, low_joules=2 * KWH, high_joules=2 * KWH)
    job.report = replace(job.report, energy=(ChildEnergy(job.children["job-1-0"].uid, 0, (used,)),))
    job.settle()
    assert job.status.energy.carbon_grams == pytest.approx(3 * 150)  # 1 kWh at 100, 1 kWh at 200, PUE 1.5
    hours = job.status.clean_hours
    assert (hours.grams, hours.at_once_grams, hours.compared_joules) == (450, 3 * 350, 3 * KWH)
    (account,) = job.status.energy.accounts
    assert (account.zone, account.grams_per_kwh) == ("MADE-UP", None)
    job.seconds, job.carbon = 8 * 3600, hourly(1)  # behind its end the domain's own figure counts
    more = replace(used, joules=3 * KWH, low_joules=3 * KWH, high_joules=3 * KWH)
    job.report = replace(job.report, energy=(ChildEnergy(job.children["job-1-0"].uid, 0, (more,)),))
    job.settle()
    assert job.status.energy.carbon_grams == pytest.approx(450 + 1500)
    assert job.status.clean_hours.compared_joules == 3 * KWH


def test_a_marginal_series_chooses_the_time_and_counts_nothing(scene: Scene) -> None:
    job = scene(carbon(), workers=1)
    job.carbon, job.domain = hourly(400, 100, 400, basis="Marginal"), PowerDomainSpec()
    job.settle()
    assert job.status.clean_hours.start == EPOCH + HOUR
    job.seconds = 3600
    job.run()
    used = Meter(component="gpu", source="nvml", joules=KWH, low_joules=KWH, high_joules=KWH)
    job.seconds = 3660
    job.report = replace(job.report, energy=(ChildEnergy(job.children["job-1-0"].uid, 0, (used,)),))
    job.settle()
    assert job.status.energy.carbon_grams == pytest.approx(458)
    assert (job.status.clean_hours.basis, job.status.clean_hours.at_once_grams) == ("Marginal", 400)


@pytest.mark.parametrize(
    ("spec", "view", "why"),
    [
        (carbon(deadline_hours=1), SERIES, "leaves no time to wait"),
        (carbon(), CarbonView(), "names no series"),
        (carbon(), CarbonView(problem="there is no ConfigMap grid/x; create it"), "there is no ConfigMap grid/x"),
        (carbon(minBenefitPercent=80), SERIES, "waiting would save 75.0 %, less than minBenefitPercent 80"),
        (carbon(hours=9, deadline_hours=20), SERIES, "does not know the hours of a start now"),
        ({"energy": {"carbon": {"mode": "StartWindow"}}}, SERIES, "estimatedDurationSeconds"),
    ],
)
def test_a_job_that_cannot_or_need_not_wait_starts_now_and_says_why(
    scene: Scene, spec: dict[str, Any], view: CarbonView, why: str
) -> None:
    job = scene(spec)
    job.carbon = view
    job.settle()
    assert job.status.attempt == 1
    assert why in job.status.clean_hours.message
    assert why in next(e.message for e in job.events if e.reason == reasons.CLEAN_HOURS_OVER)


def test_a_series_that_is_about_to_be_read_is_awaited_and_a_new_one_moves_the_start(scene: Scene) -> None:
    job = scene(carbon())
    job.carbon = CarbonView(awaited=True)
    assert job.settle().wake_after_seconds == 1
    assert (job.status.attempt, wants(job)) == (0, False)
    job.carbon = SERIES
    job.settle()
    job.seconds, job.carbon = 600, hourly(400, 400, 400, 400, 50, 400, 400)
    job.settle()
    assert job.status.clean_hours.start == EPOCH + 4 * HOUR
    job.carbon = hourly(400, 400, 400, 400, 390, 400, 400)
    job.settle()
    assert job.status.clean_hours.start == EPOCH + 4 * HOUR  # what it waits for is still the best
    job.carbon = hourly(400, 400, 390, 400, 400, 400, 400)  # a new start must be worth waiting for
    job.settle()
    assert job.status.attempt == 1


def test_without_a_deadline_a_job_starts_within_a_day_and_mode_off_starts_it_now(scene: Scene) -> None:
    job = scene(carbon(deadline_hours=None))
    job.carbon = hourly(*[400] * 23, 300, *[400] * 6, 0, 0)
    job.settle()
    assert job.status.clean_hours.start == EPOCH + 23 * HOUR
    off = {"carbon": job.spec.energy.carbon.model_copy(update={"mode": "Off"})}
    job.spec = job.spec.model_copy(update={"energy": job.spec.energy.model_copy(update=off)})
    job.settle()
    assert (job.status.attempt, wants(job)) == (1, False)


def test_a_suspension_while_it_waits_is_none_of_the_waiting(scene: Scene) -> None:
    job = scene(carbon())
    job.carbon = SERIES
    job.settle()
    job.spec = job.spec.model_copy(update={"suspend": True})
    job.seconds = 1000
    job.settle()
    assert job.status.state == "Suspended"
    job.spec = job.spec.model_copy(update={"suspend": False})
    job.seconds = 3600
    job.settle()
    assert job.status.clean_hours.since == EPOCH + HOUR
    assert job.answer(reasons.ADMITTED) == ("False", reasons.WAITING_FOR_CLEAN_HOURS)


def test_a_domain_says_whether_its_series_can_be_read_and_until_when_it_goes() -> None:
    told = series_condition(SERIES, (), moment(0), 3)
    assert told is not None
    assert (told.status, told.message) == (
        "True", f"7 intensities, average, zone MADE-UP, until {EPOCH + 7 * HOUR:%Y-%m-%d %H:%M} UTC"
    )  # fmt: skip
    failed = series_condition(CarbonView(None, "no"), (told,), moment(60), 3)
    assert failed is not None
    assert (failed.status, failed.last_transition_time) == ("False", EPOCH + timedelta(minutes=1))
    assert series_condition(CarbonView(awaited=True), (told,), moment(60), 3) == told
