"""Where time and energy of a job went by its state, how many steps it made, and what no longer holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.status import Meter
from wattrain_operator.core import phase_totals
from wattrain_operator.core.observed import GRANTED, ChildEnergy, Grant, TerminationMessage
from wattrain_operator.core.resumption import resume
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
QUEUED = Grant(granted=False, reason=reasons.QUEUED, message="waits", position=1)


def _meters(joules: float) -> tuple[Meter, ...]:
    return (Meter("cpu", "rapl", joules, joules, joules),)


def _seconds(job: Any, at: float | None = None) -> dict[str, int]:
    phases = job.status.phases if at is None else phase_totals.as_of(job.status, moment(at))
    return {totals.phase: totals.seconds for totals in phases}


def _joules(job: Any) -> dict[str, float]:
    return {totals.phase: totals.joules for totals in job.status.phases}


def _use(job: Any, joules: float) -> None:
    """Worker 0 says what it has used."""
    first = next(c for c in job.children.values() if (c.role, c.worker) == (Role.WORKER, 0))
    job.report = replace(job.report, energy=(ChildEnergy(first.uid, 0, _meters(joules)),))


def test_every_second_from_first_sight_to_the_end_counts_for_the_state_that_it_passed_in(scene: Scene) -> None:
    job = scene()
    job.grant = QUEUED
    job.settle()
    job.seconds = 100.0
    job.grant = GRANTED
    job.settle()
    job.seconds = 107.0
    job.run()
    assert _seconds(job) == {"Pending": 0, "Queued": 100, "Starting": 7}
    assert _seconds(job, at=127.0) == {"Pending": 0, "Queued": 100, "Starting": 7, "Running": 20}
    job.seconds = 150.0
    for worker in (0, 1):
        job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()
    job.seconds = 900.0
    job.settle()
    done = {"Pending": 0, "Queued": 100, "Starting": 7, "Running": 43}
    assert (job.status.state, _seconds(job), _seconds(job, at=900.0)) == ("Complete", done, done)
    assert job.exported("phase_seconds_total") == [0, 100, 7, 43]
    assert job.exported("samples_per_second") == [0.0]


def test_a_state_that_is_come_back_to_is_one_sum(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.seconds = 10.0
    job.fail(1, -9)
    job.plan()
    assert job.status.state == "Restarting"
    job.seconds = 14.0
    job.run()
    job.seconds = 20.0
    assert _seconds(job, at=20.0)["Running"] == 10 + 6
    assert sum(_seconds(job, at=20.0).values()) == 20


def test_what_is_shown_of_the_present_state_never_falls_where_it_is_counted_later_than_states_are_written(
    scene: Scene,
) -> None:
    job = scene(shared=True).run()
    before: dict[str, int] = {}
    for second in range(0, 60, 3):
        job.seconds = float(second)
        if second == 30:
            job.fail(1, -9)
        job.plan()
        shown = _seconds(job, at=second - 5)
        assert all(shown[phase] >= seconds for phase, seconds in before.items())
        before = shown


def test_a_clock_that_goes_back_takes_no_time_away(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.seconds = -30.0
    job.fail(1, -9)
    job.plan()
    assert (job.status.state, _seconds(job)["Running"]) == ("Restarting", 0)


def test_a_joule_counts_for_the_state_in_which_it_was_used(scene: Scene) -> None:
    job = scene().run()
    job.seconds = 10.0
    _use(job, 50.0)
    job.settle()
    job.seconds = 20.0
    _use(job, 80.0)
    job.fail(1, -9)
    job.plan()
    assert (job.status.state, _joules(job)["Running"], _joules(job).get("Restarting", 0.0)) == ("Restarting", 80.0, 0.0)


@pytest.mark.parametrize(
    ("heard_until", "running", "restarting"),
    [(20.0, 100.0, 0.0), (25.0, 90.0, 10.0), (15.0, 100.0, 0.0)],
)
def test_what_is_heard_late_is_divided_by_the_time_of_its_use(
    scene: Scene, heard_until: float, running: float, restarting: float
) -> None:
    job = scene(shared=True).run()
    job.seconds = 10.0
    _use(job, 70.0)
    job.settle()
    job.seconds = 20.0
    job.fail(1, -9)
    job.plan()
    job.seconds = 30.0
    left = TerminationMessage(143, energy=_meters(100.0), time=moment(heard_until))  # 30 J from second 10 on
    job.add(0, attempt=1, phase="Failed", ready=False, termination=left)
    job.plan()
    found = _joules(job)
    assert (found["Running"], found.get("Restarting", 0.0)) == (running, restarting)
    assert sum(found.values()) == job.status.energy.joules == 100.0
    assert sum(job.exported("phase_energy_joules_total")) == 100.0


def test_the_time_in_which_no_command_ran_counts_for_no_state(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.status = resume(job.status, 1000.0, None)
    assert _seconds(job, at=1010.0)["Running"] == 10


def test_steps_are_added_up_over_attempts_and_what_was_told_before_counts_once(scene: Scene) -> None:
    job = scene(shared=True).run()
    assert job.exported("steps_total") == []
    for told in (0, 30, 30, 20, 45):  # 20: by a message that was left before the last answer
        job.report = replace(job.report, steps_done=told)
        job.settle()
    assert job.exported("steps_total") == [45]
    job.fail(1, -9)
    job.plan()
    job.seconds = 10.0
    job.run()
    job.report = replace(job.report, steps_done=15)
    job.settle()
    assert (job.status.attempt, job.exported("steps_total")) == (2, [60])


def test_a_speed_that_was_told_long_ago_is_not_known_any_more(scene: Scene) -> None:
    job = scene().run()
    job.report = replace(job.report, interval_seconds=10.0, samples_per_second=100.0, step_seconds=1.0)
    decided = job.settle()
    assert (job.exported("samples_per_second"), job.exported("eta_seconds")) == ([100.0], [9.0])
    assert decided.wake_after_seconds is not None
    assert decided.wake_after_seconds <= 20.0
    job.report = replace(job.report, age_seconds=20.0)
    job.settle()
    assert (job.exported("samples_per_second"), job.exported("eta_seconds")) == ([], [])


def test_a_job_that_fails_while_it_waits_is_in_no_queue(scene: Scene) -> None:
    job = scene()
    job.grant = QUEUED
    job.settle()
    assert job.exported("queue_position") == [1]
    job.storage_failure = "the disk is full"
    job.settle()
    assert (job.status.state, job.exported("queue_position")) == ("Failed", [])


def test_the_epoch_of_who_does_not_tell_one_is_absent(scene: Scene) -> None:
    job = scene().run()
    assert job.exported("epoch") == []
    job.report = replace(job.report, epoch=0)
    job.settle()
    assert job.exported("epoch") == [0]


def test_steps_and_joules_by_state_are_held_back_like_other_figures(scene: Scene) -> None:
    job = scene().run()
    job.interval_seconds = 15.0
    job.report = replace(job.report, step=2, steps_done=2)
    _use(job, 5.0)
    job.plan()  # the first figures, for which somebody waits
    before = job.status
    job.report = replace(job.report, step=3, steps_done=3)
    _use(job, 7.0)
    job.seconds = 3.0
    job.plan()
    assert job.status == before
    job.seconds = 16.0
    job.plan()
    assert (job.exported("steps_total"), job.status.energy.joules) == ([3], 7.0)
