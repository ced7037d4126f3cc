"""What restarts of a script have cost, which saves checkpoints that only it knows of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.failures import Failure
from wattrain_api.status import Meter, TrainingJobStatus
from wattrain_operator.core.observed import ChildEnergy, InPlaceRestart, Report
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import EPOCH

Scene = Callable[..., Any]
SCRIPT = {"script": {"command": ["python", "train.py"]}, "recipe": None, "data": None, "training": None}


@pytest.fixture
def job(scene: Scene) -> Any:
    """A script that has come to step 100 at 10 J a step."""
    made = scene(SCRIPT, workers=1, shared=True, maxRestarts=5)
    made.run()
    for step in range(1, 101):
        _tell(made, step, 10.0 * step)
    return made


def _tell(job: Any, step: int, joules: float, **fields: Any) -> None:
    meter = Meter(component="cpu", source="model", joules=joules, low_joules=joules, high_joules=joules)
    attempt = job.status.attempt
    energy = (ChildEnergy(f"uid of job-{attempt}-0", 0, (meter,)),)
    phase = "training" if step else "starting"
    job.report = Report(Role.WORKER, attempt, 0.0, phase=phase, step=step, energy=energy, **fields)
    job.settle()


def _restart(job: Any, exit_code: int = -9) -> None:
    job.fail(0, exit_code, step=100)
    job.settle()
    job.seconds += 60
    job.settle()
    job.add(0)
    job.settle()


def _exported(job: Any) -> list[float]:
    return job.exported("wasted_energy_joules")


def test_a_script_that_goes_on_from_its_own_checkpoint_has_wasted_what_it_does_again_and_the_restart(job: Any) -> None:
    _restart(job)
    _tell(job, 0, 25.0)
    _tell(job, 91, 30.0)  # it had saved step 90: 10 steps are lost, and 20 J of starting; step 91 has cost 10 J
    energy = job.status.energy
    assert (energy.joules, energy.wasted_joules, energy.waste_is_known) == (1030, 120, True)
    assert (job.status.restarts[-1].joules_lost, _exported(job)) == (120, [120])
    _tell(job, 200, 1120.0)
    assert job.status.energy.wasted_joules == 120


def test_a_script_that_begins_anew_has_wasted_all_that_was_before(job: Any) -> None:
    _restart(job)
    _tell(job, 1, 10.0)
    assert job.status.energy.wasted_joules == pytest.approx(1000)
    _restart(job)
    _tell(job, 1, 10.0)
    assert job.status.energy.wasted_joules == pytest.approx(1010)


def test_as_long_as_the_script_reports_no_step_it_is_not_known_what_was_wasted(job: Any) -> None:
    _restart(job)
    _tell(job, 0, 25.0)
    job.status = TrainingJobStatus.from_json_object(job.status.to_json_object())
    energy = job.status.energy
    assert (energy.wasted_joules, energy.waste_is_known) == (0, False)
    assert (job.status.restarts[-1].joules_lost, _exported(job)) == (None, [])


def test_what_two_restarts_without_a_step_between_them_have_cost_is_known_with_the_next_step(job: Any) -> None:
    _restart(job)
    _tell(job, 0, 40.0)
    _restart(job, exit_code=-11)
    _tell(job, 101, 30.0)
    assert [r.joules_lost for r in job.status.restarts] == [None, 60]
    assert (job.status.energy.wasted_joules, job.status.energy.waste_is_known) == (60, True)


def test_a_restart_in_place_of_a_script_is_measured_by_its_steps_too(job: Any) -> None:
    restart = InPlaceRestart(EPOCH, 0, Failure("Killed", -9, step=100), 0, 1000.0)
    _tell(job, 100, 1020.0, generation=1, restarts=(restart,))
    assert not job.status.energy.waste_is_known
    again = replace(restart, joules_lost=1030.0, recovery_seconds=4.0)
    _tell(job, 96, 1030.0, generation=1, restarts=(again,))
    assert (job.status.energy.wasted_joules, job.status.restarts[-1].joules_lost) == (70, 70)


def test_a_script_that_reports_its_checkpoints_is_measured_by_these(job: Any) -> None:
    _tell(job, 100, 1000.0, checkpoint_step=90, checkpoint_joules=900.0)
    _restart(job)
    assert (job.status.energy.wasted_joules, job.status.restarts[-1].joules_lost) == (100, 100)


def test_the_status_keeps_a_few_steps_however_many_there_were(job: Any) -> None:
    for step in range(101, 1000):
        _tell(job, step, 10.0 * step)
    kept = job.status.internal.step_joules
    assert len(kept) <= 13
    assert all(entry.joules == 10 * entry.step for entry in kept)
    assert kept[-1].step == 999
