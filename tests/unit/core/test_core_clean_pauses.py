"""A job that pauses in dirty hours: by a hold, from which it goes on by itself, and never past its deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.carbon_series import HOUR, CarbonSeries, Interval
from wattrain_operator.core.observed import NO_SERIES, CarbonView
from wattrain_operator.simulated.objects import EPOCH

Scene = Callable[..., Any]


def hourly(*grams: float) -> CarbonView:
    parts = (Interval(EPOCH + n * HOUR, EPOCH + (n + 1) * HOUR, float(each)) for n, each in enumerate(grams))
    return CarbonView(CarbonSeries(tuple(parts), "MADE-UP", "Average", "made by us"))


CLEAN_AT_0_AND_4 = hourly(100, 100, 400, 400, 50, 50, 400, 400, 400, 400, 400, 400)


def begun(scene: Scene, deadline_hours: float = 10, shared: bool = True, **more: Any) -> Any:
    """A job of four hours that has run since the epoch."""
    deadline = f"{EPOCH + deadline_hours * HOUR:%Y-%m-%dT%H:%M:%SZ}"
    carbon = {"mode": "PauseResume", "deadline": deadline, "estimatedDurationSeconds": 4 * 3600, **more}
    job = scene(shared=shared, spec={"energy": {"carbon": carbon}})
    job.carbon = CLEAN_AT_0_AND_4
    job.run()
    assert (job.status.attempt, job.status.state) == (1, "Running")
    return job


def at(job: Any, hours: float, left_hours: float = 1.5) -> str:
    """The job's state, at so many hours with so much left by its steps."""
    job.seconds = hours * 3600
    job.report = replace(job.report, step=0, total_steps=100, step_seconds=left_hours * 36, attempt=job.status.attempt)
    job.settle()
    return str(job.status.state)


def test_it_pauses_when_dirty_hours_come_and_goes_on_by_itself_in_the_next_clean_ones(scene: Scene) -> None:
    job = begun(scene)
    assert (
        at(job, 1.25, left_hours=2.5) == "Running"
    )  # the rest of the clean hour is not left unused for the sake of a whole one
    assert at(job, 1.75, left_hours=2) == "Running"
    assert at(job, 2.0) == "Suspended"
    assert job.answer("Suspended") == ("True", "PausedInDirtyHours")
    hours = job.status.clean_hours
    assert (hours.start, hours.paused_since) == (EPOCH + 4 * HOUR, EPOCH + 2 * HOUR)
    assert job.status.message.startswith("paused in dirty hours until 2026-01-01 04:00 UTC, for 50 g/kWh in place of")
    assert job.status.internal.holds[0].by_itself
    job.seconds = 4 * 3600 - 1
    assert job.settle().wake_after_seconds == 1
    assert job.status.state == "Suspended"
    job.seconds += 1
    job.settle()
    assert (job.status.state, job.status.clean_hours.held_seconds) == ("Starting", 7200)
    assert (job.status.internal.holds, job.status.clean_hours.start, job.status.restart_count) == ((), None, 0)
    job.run()
    assert at(job, 5.0) == "Running"  # it has run for an hour, and the dirty ones are to come; but it is nearly through


def test_the_deadline_always_wins(scene: Scene) -> None:
    job = begun(scene, deadline_hours=5)
    assert at(job, 2.0, left_hours=2) == "Running"  # by 1.25 times its steps it would be late
    paused = begun(scene, deadline_hours=9)
    assert at(paused, 2.0) == "Suspended"
    deadline = EPOCH + 4 * HOUR
    carbon = paused.spec.energy.carbon.model_copy(update={"deadline": deadline})
    energy = paused.spec.energy.model_copy(update={"carbon": carbon})
    paused.spec = paused.spec.model_copy(update={"energy": energy})
    paused.seconds = 2 * 3600 + 300
    paused.settle()
    assert paused.status.state == "Starting"


@pytest.mark.parametrize("why", ["ephemeral", "no series", "little to save", "nearly through"])
def test_it_does_not_pause_where_that_would_lose_or_save_nothing(scene: Scene, why: str) -> None:
    job = begun(scene, shared=why != "ephemeral", minBenefitPercent=90 if why == "little to save" else 5)
    job.carbon = NO_SERIES if why == "no series" else job.carbon
    assert at(job, 2.0, left_hours=0.5 if why == "nearly through" else 1.5) == "Running"


def test_it_runs_for_an_hour_before_it_pauses(scene: Scene) -> None:
    job = begun(scene)
    job.carbon = hourly(400, 400, 400, 50, 50, 400, 400, 400, 400, 400, 400)
    assert at(job, 0.9) == "Running"
    assert at(job, 1.0) == "Suspended"


@pytest.mark.parametrize("how", ["mode Off", "its user suspends it", "the series is gone"])
def test_a_pause_ends_when_its_reason_is_gone(scene: Scene, how: str) -> None:
    job = begun(scene)
    at(job, 2.0)
    job.seconds += 300
    if how == "the series is gone":
        job.carbon = NO_SERIES
    elif how == "mode Off":
        carbon = job.spec.energy.carbon.model_copy(update={"mode": "Off"})
        energy = job.spec.energy.model_copy(update={"carbon": carbon})
        job.spec = job.spec.model_copy(update={"energy": energy})
    else:
        job.spec = job.spec.model_copy(update={"suspend": True})
    job.settle()
    assert job.status.state == ("Suspended" if how == "its user suspends it" else "Starting")
    assert (job.status.internal.holds, job.status.clean_hours.held_seconds) == ((), 300)


def test_without_an_estimate_it_starts_at_once_and_pauses_by_its_steps(scene: Scene) -> None:
    job = scene(shared=True, spec={"energy": {"carbon": {"mode": "PauseResume"}}})
    job.carbon = hourly(100, 100, 400, 400, *[50] * 30)
    job.run()
    assert job.status.attempt == 1
    assert at(job, 2.0) == "Suspended"
    assert job.status.clean_hours.start == EPOCH + 4 * HOUR


def test_at_rest_a_paused_job_decides_nothing_until_it_looks_again(scene: Scene) -> None:
    job = begun(scene)
    at(job, 2.0)
    before = job.status
    job.seconds += 60
    decided = job.plan()
    assert (decided.status, decided.events, decided.wake_after_seconds) == (before, (), 240)
