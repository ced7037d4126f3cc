"""Ranks die, are told to stop, and go on in another number; checkpoints are damaged. The curve must not show it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from wattrain_api import reasons

# Long enough to be hit in the middle. Dropout, because its random numbers are what is lost most easily.
LONG: dict[str, Any] = {
    "training": {"maxSteps": 400, "epochs": None, "deterministic": True, "evaluateEvery": {"steps": 150}},
    "recipe": {"params": {"hidden": [12], "dropout": 0.2}},
    "checkpoint": {"every": {"steps": 18}},  # within a pass of five steps, not at its end
}


@pytest.fixture
def undisturbed(make_job: Any) -> dict[int, float]:
    curve: dict[int, float] = make_job(**LONG).start(1).succeeds().reports.curve()
    assert len(curve) == 400
    return curve


def checkpoint_steps(directory: Path) -> list[int]:
    return sorted(json.loads(path.read_bytes())["step"] for path in directory.glob("step-*/manifest.json"))


def test_a_killed_and_resized_training_has_the_curve_of_one_never_touched(
    make_job: Any, undisturbed: dict[int, float]
) -> None:
    job = make_job(**LONG)
    first = job.start(3)
    first.reports.wait_for(lambda r: r.get("checkpoint", {}).get("step", 0) >= 40)
    first.kill(1)
    assert first.codes() == [reasons.EXIT_PEER_LOST, -signal.SIGKILL, reasons.EXIT_PEER_LOST]
    assert "another rank of the group is gone" in first.log(0)
    second = job.start(2)
    second.reports.wait_for(lambda r: r.get("step", 0) >= 200)
    second.kill(0)
    second.codes()
    third = job.start(4).succeeds()

    merged: dict[int, float] = {}
    for run in job.runs:
        curve = run.reports.curve()
        assert min(curve) <= max(merged, default=0) + 1, "steps are missing"
        merged |= curve
    assert merged == undisturbed
    assert second.reports.of("resumed")[0]["step"] >= 40
    assert third.reports.of("resumed")[0]["step"] > second.reports.of("resumed")[0]["step"]


def test_sigterm_to_one_rank_stops_all_at_one_step_with_a_checkpoint_there(
    make_job: Any, undisturbed: dict[int, float]
) -> None:
    job = make_job(**LONG)
    run = job.start(3)
    run.reports.wait_for(lambda r: r.get("step", 0) >= 30)
    run.kill(2, signal.SIGTERM)
    assert run.codes() == [reasons.EXIT_PREEMPTED] * 3
    stopped_at = {max(run.reports.curve(rank)) for rank in range(3)}
    assert len(stopped_at) == 1
    assert checkpoint_steps(job.checkpoints)[-1] == stopped_at.pop() < 400
    rest = job.start(1).succeeds()
    assert run.reports.curve() | rest.reports.curve() == undisturbed
    assert not run.reports.curve().keys() & rest.reports.curve().keys(), "a step was done twice"


def test_a_stop_is_heard_between_recorded_steps_too(make_job: Any) -> None:
    job = make_job(training={"maxSteps": 10**6, "epochs": None, "recordEverySteps": 10**6})
    run = job.start(2)
    run.reports.wait_for(lambda r: r.get("step", 0) >= 1)
    run.kill(1, signal.SIGTERM)
    assert run.codes() == [reasons.EXIT_PREEMPTED] * 2
    assert checkpoint_steps(job.checkpoints)


def test_sigterm_ends_a_rank_that_still_waits_for_its_peers(make_job: Any) -> None:
    run = make_job().start(2, absent=1)
    run.reports.wait_for(lambda r: r.get("phase") == "starting")
    run.kill(0, signal.SIGTERM)
    assert run.codes() == [reasons.EXIT_PREEMPTED]


def test_the_last_whole_step_is_saved_when_a_rank_is_silent(make_job: Any, undisturbed: dict[int, float]) -> None:
    job = make_job(**LONG)
    run = job.start(3)
    run.reports.wait_for(lambda r: r.get("step", 0) >= 60)
    run.kill(2, signal.SIGSTOP)
    run.kill(0, signal.SIGTERM)
    run.kill(1, signal.SIGTERM)
    assert [run.ends_within_grace(0), run.ends_within_grace(1)] == [reasons.EXIT_PREEMPTED] * 2
    saved = checkpoint_steps(job.checkpoints)[-1]
    assert run.reports.of("checkpoint")[-1]["step"] == saved
    assert f"another rank does not answer: stopped without it, and step {saved} is saved" in run.log(0)
    assert "rank 0 alone saves" in run.log(1)  # it may be a step behind or ahead
    run.kill(2)
    rest = job.start(2).succeeds()
    assert rest.reports.of("resumed") == [{"step": saved}]
    assert run.reports.curve() | rest.reports.curve() == undisturbed
    assert not run.reports.curve().keys() & rest.reports.curve().keys(), "a step was done twice"


def test_where_rank_0_is_silent_nothing_is_saved_and_that_is_said(make_job: Any) -> None:
    job = make_job(**LONG)
    run = job.start(2)
    run.reports.wait_for(lambda r: r.get("checkpoint", {}).get("step", 0) >= 18)
    run.kill(0, signal.SIGSTOP)
    run.kill(1, signal.SIGTERM)
    assert run.ends_within_grace(1) == reasons.EXIT_PREEMPTED
    assert "rank 0 alone saves" in run.log(1)
    before = checkpoint_steps(job.checkpoints)
    run.kill(0)
    assert checkpoint_steps(job.checkpoints) == before
    [resumed] = job.start(1).succeeds().reports.of("resumed")
    assert resumed == {"step": before[-1]}


def test_ranks_that_all_answer_agree_on_a_step_before_one_loses_patience(make_job: Any) -> None:
    run = make_job(**LONG).start(2)
    run.reports.wait_for(lambda r: r.get("step", 0) >= 30)
    run.kill(1, signal.SIGTERM)
    assert run.codes() == [reasons.EXIT_PREEMPTED] * 2
    assert "does not answer" not in run.log(0) + run.log(1)


def finished_job(make_job: Any) -> Any:
    job = make_job(checkpoint={"every": {"steps": 3}, "keep": 3, "async": False})
    job.start(2).succeeds()
    assert checkpoint_steps(job.checkpoints) == [6, 9, 10], "the newest three are kept"
    return job


def newest_file(job: Any, pattern: str) -> Path:
    return sorted(job.checkpoints.glob(f"step-00000010*/{pattern}"))[0]


def test_a_flipped_bit_is_noticed_and_the_checkpoint_before_is_loaded(make_job: Any) -> None:
    job = finished_job(make_job)
    path = newest_file(job, "*.distcp")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    run = job.start(2).succeeds()
    assert run.reports.of("resumed") == [{"step": 9}]
    [[damaged]] = run.reports.of("damaged")
    assert damaged["step"] == 10
    assert f"{path.name} has other bytes than were written" in damaged["damage"]
    assert "checkpoint step-10 is damaged, going on from step-9" in run.reports.of("message")
    assert run.reports.curve()[10] == pytest.approx(job.runs[0].reports.curve()[10], rel=2e-5)


@pytest.mark.parametrize("torn", ["*.distcp", ".metadata", "manifest.json"])
def test_a_torn_checkpoint_is_skipped_and_the_one_before_is_loaded(make_job: Any, torn: str) -> None:
    job = finished_job(make_job)
    path = newest_file(job, torn)
    path.write_bytes(path.read_bytes()[:-20])
    assert job.start(1).succeeds().reports.of("resumed") == [{"step": 9}]


def test_an_uncommitted_checkpoint_of_an_earlier_start_is_ignored_and_removed(make_job: Any) -> None:
    job = finished_job(make_job)
    manifest = newest_file(job, "manifest.json")
    manifest.unlink()
    run = job.start(1).succeeds()
    assert run.reports.of("resumed") == [{"step": 9}]
    assert not run.reports.of("message"), "it was never a checkpoint: nothing is damaged"
    assert not manifest.parent.exists()
    assert checkpoint_steps(job.checkpoints) == [6, 9, 10]


def test_without_a_whole_checkpoint_the_training_starts_again_and_says_so(make_job: Any) -> None:
    job = finished_job(make_job)
    for path in job.checkpoints.glob("step-*/*.distcp"):
        path.write_bytes(b"")
    run = job.start(1).succeeds()
    assert run.reports.of("resumed") == [{"step": 0}]
    assert [damaged["step"] for damaged in run.reports.of("damaged")[0]] == [10, 9, 6]
    assert any("starting from the beginning" in message for message in run.reports.of("message"))
    assert len(run.reports.curve()) == 10


def test_a_checkpoint_of_another_training_is_refused(make_job: Any) -> None:
    job = finished_job(make_job)
    job.spec["training"]["seed"] = 8
    run = job.start(1)
    assert run.codes() == [reasons.EXIT_BAD_SPEC]
    assert "another training" in run.log()
    assert run.log().count("\n") == 1


def test_a_finished_training_is_not_trained_again(make_job: Any) -> None:
    job = finished_job(make_job)
    run = job.start(2).succeeds()
    assert not run.reports.curve()
    assert run.reports.of("test") == job.runs[0].reports.of("test")
