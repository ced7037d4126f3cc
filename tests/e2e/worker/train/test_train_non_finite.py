"""Steps whose loss or gradient is no finite number, where they are not to end the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_api import reasons
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive

PASSES = 4
STEPS = 5 * PASSES


def job_on(make_job: Any, data: Path, kind: str, **training: Any) -> Any:
    settings = {"epochs": PASSES, "nonFinite": kind, "deterministic": True, **training}
    return make_job(data=data, training=settings, checkpoint={"every": {"steps": 2}})


def weights(job: Any) -> bytes:
    return (job.model / "model.safetensors").read_bytes()


def test_a_step_is_left_out_on_all_ranks_alike_and_counted_over_a_restart(make_job: Any, broken: Any) -> None:
    data = broken(slice(7, 8))
    jobs = [job_on(make_job, data, "skip", ema=0.5) for _ in range(2)]
    run = jobs[0].start(1).succeeds()
    jobs[1].directive.write_bytes(encode_json(Directive(1, stop_at_step=9)))
    stopped = jobs[1].start(2)
    assert stopped.codes() == [reasons.EXIT_PREEMPTED] * 2
    jobs[1].directive.unlink()
    resumed = jobs[1].start(3).succeeds()
    curve = run.reports.curve()
    assert len(curve) == STEPS - PASSES, "the row is in one batch of each pass"
    assert max(curve) <= STEPS
    assert np.isfinite(list(curve.values())).all()
    assert {**stopped.reports.curve(), **resumed.reports.curve()} == curve
    assert weights(jobs[1]) == weights(jobs[0])
    assert run.reports.of("nonFiniteSteps") == list(range(PASSES + 1))
    assert resumed.reports.of("nonFiniteSteps")[-1] == PASSES
    [notice] = run.reports.of("notice")
    assert notice["reason"] == reasons.NON_FINITE
    assert "is no finite number at learning rate 0.01: it is left out" in notice["message"]


def test_without_determinism_a_rank_whose_samples_are_well_leaves_the_step_out_too(make_job: Any, broken: Any) -> None:
    job = job_on(make_job, broken(slice(7, 8)), "skip", deterministic=False, gradientAccumulation=2)
    run = job.start(2).succeeds()
    assert len(run.reports.curve(0)) == STEPS - PASSES
    assert run.reports.curve(1)
    assert run.reports.curve(1).items() <= run.reports.curve(0).items()
    assert run.reports.of("nonFiniteSteps")[-1] == PASSES


@pytest.mark.parametrize(
    ("epochs", "words"),
    [(PASSES, "step 10 is no finite number at learning rate 0.01, as in the 9 steps before"), (1, "of every step is")],
)
def test_a_training_of_which_nothing_is_left_fails(make_job: Any, broken: Any, epochs: int, words: str) -> None:
    job = job_on(make_job, broken(slice(None)), "skip", epochs=epochs)
    run = job.start(2)
    assert run.codes() == [reasons.EXIT_NON_FINITE] * 2
    assert words in run.log()
    assert not job.model.exists()


def test_a_training_goes_back_to_its_checkpoint_and_on_with_other_batches(make_job: Any, broken: Any) -> None:
    data = broken(slice(7, 8))
    jobs = [job_on(make_job, data, "rollback") for _ in range(2)]
    runs = [job.start(world).succeeds() for world, job in zip((1, 3), jobs, strict=True)]
    assert weights(jobs[1]) == weights(jobs[0])
    back = [resumed["step"] for resumed in runs[0].reports.of("resumed")]
    assert back == [resumed["step"] for resumed in runs[1].reports.of("resumed")]
    assert len(back) >= PASSES - 1
    assert all(step % 2 == 0 for step in back), "checkpoints are of every second step"
    assert sorted(runs[0].reports.curve()) == list(range(1, STEPS + 1))
    assert np.isfinite(list(runs[0].reports.curve().values())).all()
    assert runs[0].reports.of("nonFiniteSteps")[-1] == len(back)
    assert f"back to the checkpoint of step {back[0]}, and on" in runs[0].reports.of("notice")[0]["message"]


def test_a_training_that_breaks_each_time_gives_up(make_job: Any, broken: Any) -> None:
    run = job_on(make_job, broken(slice(None)), "rollback").start(2)
    assert run.codes() == [reasons.EXIT_NON_FINITE] * 2
    assert [resumed["step"] for resumed in run.reports.of("resumed")] == [0, 0, 0]
    assert "going back to step 0 has not helped 3 times" in run.log()
