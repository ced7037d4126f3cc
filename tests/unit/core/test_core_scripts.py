"""Scripts of a user's own: what they print or report says how far they are, and their exit codes are their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.progress import Notice
from wattrain_operator.core.observed import InPlaceRestart, Report, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
SCRIPT = {"recipe": None, "data": None, "training": None, "script": {"command": ["python", "train.py"]}}


def _script(scene: Scene, step: int, phase: str = "training", **policy: Any) -> Any:
    """A script that runs and stands at `step`, of how many nobody knows."""
    job = scene(SCRIPT, **policy).run()
    job.report = Report(Role.WORKER, 1, 0.0, phase=phase, step=step)
    job.status = replace(job.status, progress=None)
    job.settle()
    return job


@pytest.mark.parametrize("total_steps", [0, 100])
def test_a_script_that_told_a_step_and_no_other_is_ended_after_the_deadline(scene: Scene, total_steps: int) -> None:
    job = _script(scene, 5, progressDeadlineSeconds=6)
    job.report = replace(job.report, total_steps=total_steps, unchanged_seconds=5.0)
    job.plan()
    assert job.status.attempt == 1
    job.report = replace(job.report, unchanged_seconds=6.0)
    job.plan()
    [restart] = job.status.restarts
    assert (job.status.attempt, restart.reason, restart.step) == (2, reasons.NO_PROGRESS, 5)
    assert "training has not moved from step 5 for 6 s" in restart.last_line
    assert "policy.progressDeadlineSeconds" in restart.last_line


def test_a_script_that_never_told_a_step_is_never_taken_for_hanging(scene: Scene) -> None:
    job = _script(scene, 0, "starting", progressDeadlineSeconds=6, startDeadlineSeconds=60)
    job.report = replace(job.report, unchanged_seconds=1e6)
    job.seconds = 1e6
    job.settle()
    assert (job.status.attempt, job.status.state) == (1, "Running")


def test_a_script_that_told_steps_before_it_was_restarted_may_not_start_for_ever(scene: Scene) -> None:
    job = _script(scene, 5, progressDeadlineSeconds=6, startDeadlineSeconds=60)
    in_place = InPlaceRestart(moment(0), 0, Failure("Killed", -9, rank=1, step=5))
    job.report = replace(job.report, generation=1, phase="starting", restarts=(in_place,), unchanged_seconds=59.0)
    job.plan()
    assert job.status.attempt == 1
    job.report = replace(job.report, unchanged_seconds=60.0)
    job.plan()
    assert job.status.attempt == 2


def test_a_rank_that_left_while_another_hangs_is_named(scene: Scene) -> None:
    job = _script(scene, 1, progressDeadlineSeconds=8)
    job.report = replace(job.report, unchanged_seconds=8.0, ranks_left=(0,))
    job.plan()
    assert "rank 0 had left with exit code 0 while others still ran" in job.status.restarts[0].last_line


def test_the_time_left_is_unknown_where_nobody_says_how_long_a_step_takes(scene: Scene) -> None:
    job = _script(scene, 5)
    job.report = replace(job.report, total_steps=10)
    job.plan()
    assert (job.status.progress.percent, job.status.progress.eta_seconds) == (50.0, None)


@pytest.mark.parametrize("code", [64, 65, 66, 67, 70, 75, 76, 77, 80, 143])
def test_a_scripts_exit_code_is_told_as_it_is_and_restarted_by_the_budget(scene: Scene, code: int) -> None:
    job = _script(scene, 9, maxRestarts=1)
    for step in (9, 10):
        told = Failure(reasons.PROGRAM_FAILED, code, worker=1, rank=1, last_line="had enough", step=step)
        job.add(1, phase="Failed", ready=False, termination=TerminationMessage(1, told))
        job.plan()
        job.seconds += 10
        if step == 9:
            [restart] = job.status.restarts
            assert (restart.reason, restart.exit_code, restart.counted) == (reasons.PROGRAM_FAILED, code, True)
            job.children.clear()
            job.run()
    assert (job.status.state, job.status.reason) == ("Failed", reasons.RESTART_BUDGET_EXHAUSTED)
    assert f"rank 1 failed at step 10 (ProgramFailed, exit code {code}): had enough" in job.status.message


def test_a_scripts_exit_code_in_place_counts_as_well(scene: Scene) -> None:
    job = _script(scene, 9)
    in_place = InPlaceRestart(moment(0), 0, Failure(reasons.PROGRAM_FAILED, 143, rank=1, step=9))
    job.report = replace(job.report, generation=1, restarts=(in_place,))
    job.settle()
    assert (job.status.restarts[0].counted, job.status.internal.failures_since_checkpoint) == (True, 1)


def test_a_rank_that_left_early_is_told_in_one_sentence(scene: Scene) -> None:
    job = _script(scene, 9)
    line = "rank 0, which still needed it, then ended with exit code 1: Connection closed by peer"
    told = Failure(reasons.LEFT_EARLY, 0, worker=1, rank=1, last_line=line, step=9)
    job.add(0, phase="Failed", ready=False, termination=TerminationMessage(1, told))
    job.plan()
    assert f"rank 1 left with exit code 0 at step 9 (RankLeftEarly): {line}" in job.status.message
    assert job.status.restarts[0].counted


def test_a_notice_becomes_one_event_an_attempt(scene: Scene) -> None:
    job = _script(scene, 9)
    nan, misfit = Notice(reasons.NON_FINITE, "the loss is NaN"), Notice(reasons.PATTERN_MISFIT, "finds 9.5")
    for notices in ((nan,), (nan,), (nan, misfit), (nan, misfit)):
        job.report = replace(job.report, notices=notices, loss_not_finite="NaN")
        job.plan()
    told = [(event.type, event.reason, event.message) for event in job.events]
    assert told[-2:] == [("Warning", nan.reason, nan.message), ("Warning", misfit.reason, misfit.message)]
    assert len([reason for _, reason, _ in told if reason == nan.reason]) == 1
    assert (job.status.progress.loss, job.status.progress.loss_not_finite) == (None, "NaN")
    job.fail(0, -9)
    job.plan()
    assert job.status.internal.notices_told == 0


def _suspended(scene: Scene, exit_codes: tuple[int, int], **report: Any) -> Any:
    """A script that was asked to save and stop, and ended with these."""
    job = scene(SCRIPT, shared=True).run()
    job.report = replace(job.report, **report)
    job.settle()
    job.spec = job.spec.model_copy(update={"suspend": True})
    job.plan()
    for worker, code in enumerate(exit_codes):
        told = (
            None
            if code == 143
            else Failure(reasons.PROGRAM_FAILED, code, worker=worker, rank=worker, last_line="no disk")
        )
        left = TerminationMessage(code, told, disruption=code == 143)
        job.add(worker, phase="Failed", ready=False, termination=left)
    for _ in range(3):
        job.plan()
    job.children.clear()
    job.settle()
    return job


def test_a_save_that_fails_when_the_script_is_asked_to_stop_is_told_once(scene: Scene) -> None:
    job = _suspended(scene, (1, 143))
    [event] = [event for event in job.events if event.reason == reasons.SAVE_FAILED]
    assert (event.type, "exit code 1): no disk; it was asked to save and stop" in event.message) == ("Warning", True)
    assert job.answer("Suspended") == ("True", reasons.JOB_SUSPENDED)
    message = next(c.message for c in job.status.conditions if c.type == "Suspended")
    assert message.startswith("suspended, but not saved: rank 0 failed")
    assert "checkpoint" not in message
    assert job.status.internal.save_failure == ""


def test_a_script_that_told_of_no_checkpoint_is_not_said_to_have_one(scene: Scene) -> None:
    job = _suspended(scene, (143, 143))
    message = next(c.message for c in job.status.conditions if c.type == "Suspended")
    assert message == "suspended; the script will start again, with what it has saved in WATTRAIN_CHECKPOINT_DIR"
    assert not [event for event in job.events if event.reason == reasons.SAVE_FAILED]


def test_a_script_that_told_of_a_checkpoint_goes_on_from_there(scene: Scene) -> None:
    job = _suspended(scene, (143, 143), checkpoint_step=7)
    message = next(c.message for c in job.status.conditions if c.type == "Suspended")
    assert message == "suspended; it will go on from the newest checkpoint, which is at step 7 or later"
