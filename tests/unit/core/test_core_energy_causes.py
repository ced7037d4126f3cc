"""What time and energy of a job went to, and that it sums up to the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, get_args

import pytest

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.spent_seconds import CAUSE_OF_PHASE, SpentSeconds
from wattrain_api.status import Cause, CauseSeconds, Meter, TrainingJobStatus
from wattrain_operator.core import energy_causes
from wattrain_operator.core.energy_causes import Division
from wattrain_operator.core.observed import GRANTED, ChildEnergy, Grant, TerminationMessage
from wattrain_operator.core.roles import Role

Scene = Callable[..., Any]


def _meters(joules: float) -> tuple[Meter, ...]:
    return (Meter("cpu", "rapl", joules, joules, joules),)


def _spent(seconds: dict[Any, float]) -> tuple[CauseSeconds, ...]:
    return tuple(CauseSeconds(cause, of) for cause, of in seconds.items())


def _tell(job: Any, joules: float, *, uid: str = "", **seconds: float) -> None:
    """Worker 0 says what it has used, and what the group's time has gone to, since it started."""
    first = next(c for c in job.children.values() if (c.role, c.worker) == (Role.WORKER, 0))
    one = ChildEnergy(uid or first.uid, 0, _meters(joules), _spent(seconds))
    job.report = replace(job.report, energy=(one,))


def _totals(job: Any) -> dict[str, tuple[float, float]]:
    causes = job.status.causes
    assert sum(totals.joules for totals in causes) == pytest.approx(job.status.energy.joules, abs=1e-6)
    assert all(totals.joules >= 0 and totals.seconds >= 0 for totals in causes)
    return {totals.cause: (totals.seconds, totals.joules) for totals in causes}


def test_joules_are_divided_by_the_seconds_that_are_told_with_them(scene: Scene) -> None:
    job = scene().run()
    job.seconds = 10.0
    _tell(job, 60.0, start=2.0, training=4.0)
    job.settle()
    assert _totals(job) == {"start": (2.0, 20.0), "training": (4.0, 40.0)}
    job.seconds = 20.0
    _tell(job, 100.0, start=2.0, training=6.0, evaluation=6.0)
    job.settle()
    assert _totals(job) == {"start": (2.0, 20.0), "training": (6.0, 50.0), "evaluation": (6.0, 30.0)}


def test_what_is_repeated_late_or_told_without_seconds_changes_no_sum(scene: Scene) -> None:
    job = scene().run()
    job.seconds = 10.0
    _tell(job, 60.0, training=6.0)
    job.settle()
    for joules, training in [(60.0, 6.0), (20.0, 2.0), (60.0, 6.0)]:
        _tell(job, joules, training=training)
        job.settle()
    assert _totals(job) == {"training": (6.0, 60.0)}
    job.report = replace(job.report, phase="evaluating")
    _tell(job, 75.0, training=6.0)  # a supervisor of another version, or that of a script
    job.settle()
    assert _totals(job) == {"training": (6.0, 60.0), "evaluation": (0.0, 15.0)}


def test_a_new_worker_0_counts_from_nothing(scene: Scene) -> None:
    job = scene().run()
    _tell(job, 60.0, training=6.0)
    job.settle()
    _tell(job, 30.0, uid="another", start=2.0, training=1.0)
    job.settle()
    assert _totals(job) == {"training": (7.0, 70.0), "start": (2.0, 20.0)}


def test_steps_that_were_made_before_are_computed_again(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.report = replace(job.report, step=100, steps_done=100)
    _tell(job, 100.0, training=10.0)
    job.settle()
    job.fail(1, -9)
    job.plan()
    job.seconds = 20.0
    job.run()
    job.report = replace(job.report, step=70, steps_done=20, resumed_step=50)
    _tell(job, 24.0, start=1.0, restore=1.0, training=4.0)
    job.settle()
    found = _totals(job)
    assert (found["training"], found["computed_again"]) == ((10.0, 100.0), (4.0, 16.0))
    assert (found["start"], found["restore"]) == ((1.0, 4.0), (1.0, 4.0))
    job.seconds = 40.0
    job.report = replace(job.report, step=110, steps_done=60)  # 30 of these 40 steps repeat
    _tell(job, 64.0, start=1.0, restore=1.0, training=12.0)
    job.settle()
    found = _totals(job)
    assert (found["training"], found["computed_again"]) == ((12.0, 110.0), (10.0, 46.0))


def test_a_step_that_is_found_in_a_checkpoint_of_another_job_repeats_nothing(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.report = replace(job.report, step=510, steps_done=10, resumed_step=500)
    _tell(job, 10.0, training=1.0)
    job.settle()
    assert _totals(job) == {"training": (1.0, 10.0)}


def test_what_a_hang_has_used_is_moved_to_it_when_it_is_found(scene: Scene) -> None:
    job = scene(progressDeadlineSeconds=60).run()
    job.seconds = 30.0
    job.report = replace(job.report, step=30, steps_done=30, step_seconds=1.0)
    _tell(job, 300.0, start=5.0, training=25.0)
    job.settle()
    for seconds in (60.0, 95.0):
        job.seconds = seconds
        job.report = replace(job.report, unchanged_seconds=seconds - 30)
        _tell(job, 10 * seconds, start=5.0, training=seconds - 5)
        job.settle()
    found = _totals(job)
    assert job.status.restarts[-1].reason == "NoProgress"
    assert found["hang"] == (65.0, 650.0)
    assert found["training"] == (25.0, 250.0)
    assert sum(job.exported("cause_energy_joules")) == job.status.energy.joules == 950.0


def test_waiting_for_the_domain_and_a_place_without_a_process_are_shown_without_joules(scene: Scene) -> None:
    job = scene()
    job.grant = Grant(granted=False, reason="Queued", message="waits", position=1)
    job.settle()
    job.seconds = 100.0
    job.grant = GRANTED
    job.settle()
    job.seconds = 130.0
    job.run()
    _tell(job, 50.0, start=10.0)
    job.settle()
    shown = energy_causes.with_waiting(job.status.causes, job.status.phases)
    assert {t.cause: (t.seconds, t.joules) for t in shown} == {
        "start": (10.0, 50.0), "idle": (20.0, 0.0), "queue": (100.0, 0.0)
    }  # fmt: skip


def test_a_job_that_an_older_version_began_sums_up_all_the_same(scene: Scene) -> None:
    job = scene().run()
    _tell(job, 60.0)
    job.settle()
    job.status = replace(job.status, causes=())
    job.seconds = 10.0
    _tell(job, 70.0, training=3.0)
    job.settle()
    assert _totals(job) == {"training": (3.0, 70.0)}


def test_the_end_of_worker_0_tells_the_rest_once(scene: Scene) -> None:
    job = scene(workers=1).run()
    _tell(job, 60.0, training=6.0)
    job.settle()
    uid = job.report.energy[0].uid
    left = TerminationMessage(0, energy=_meters(80.0), spent=_spent({"training": 6.0, "export": 2.0}))
    job.add(0, phase="Succeeded", ready=False, termination=left)
    assert next(iter(job.children.values())).uid == uid
    job.settle()
    assert _totals(job) == {"training": (6.0, 60.0), "export": (2.0, 20.0)}


def test_parts_that_cannot_be_divided_evenly_sum_up_to_the_thousandth() -> None:
    status = TrainingJobStatus()
    for joules in (0.001, 0.002, 10.0, 0.005):
        status = energy_causes.enter(
            status, joules, _spent({"start": 1.0, "training": 1.0, "evaluation": 1.0}), Division(0.5, "start")
        )
    assert sum(totals.joules for totals in status.causes) == pytest.approx(10.008, abs=1e-9)
    assert min(totals.joules for totals in status.causes) >= 0.0


def test_supervisor_and_operator_have_the_same_causes() -> None:
    told = [each.name for each in fields(SpentSeconds)]
    assert list(energy_causes.TOLD_CAUSES) == told
    assert set(get_args(Cause)) == {*told, "computed_again", "hang", "idle", "queue"}
    assert set(CAUSE_OF_PHASE) == set(Phase)
    assert set(CAUSE_OF_PHASE.values()) <= set(told)
