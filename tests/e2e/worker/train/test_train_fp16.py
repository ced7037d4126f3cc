"""`precision: fp16`: the factor of the loss, and the steps at which it is too large."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_api import reasons
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive

PASSES = 4
STEPS = 5 * PASSES
LOUD = 20000.0
"""The gradient of a row with a feature of this size is no number of 16 bits at the first factors, and its loss is."""
ROWS = slice(7, 13)
"""Rows of several classes: not all of them can be learned with that feature."""


def fp16_job(make_job: Any, data: Path, **training: Any) -> Any:
    settings = {"epochs": PASSES, "precision": "fp16", **training}
    return make_job(data=data, training=settings, checkpoint={"every": {"steps": 2}})


def weights(job: Any) -> bytes:
    return (job.model / "model.safetensors").read_bytes()


def scales(job: Any) -> list[dict[str, Any]]:
    """Of the checkpoints, the oldest first."""
    return [json.loads(path.read_bytes())["lossScale"] for path in sorted(job.checkpoints.glob("*/manifest.json"))]


def test_a_resumed_training_has_the_factor_of_its_checkpoint_and_the_same_bits(make_job: Any, broken: Any) -> None:
    data = broken(ROWS, LOUD)
    whole, cut = (
        fp16_job(
            make_job,
            data,
            deterministic=True,
            logicalShards=3,
            ema=0.5,
            optimizer={"lr": 0.01, "clipGradientNorm": 0.5},
        )
        for _ in range(2)
    )
    run = whole.start(1).succeeds()
    cut.directive.write_bytes(encode_json(Directive(1, stop_at_step=9)))
    stopped = cut.start(2)
    assert stopped.codes() == [reasons.EXIT_PREEMPTED] * 2
    cut.directive.unlink()
    resumed = cut.start(3).succeeds()
    assert {**stopped.reports.curve(), **resumed.reports.curve()} == run.reports.curve()
    assert weights(cut) == weights(whole)
    assert scales(cut)[-1] == scales(whole)[-1]
    overflows = run.reports.of("overflowSteps")
    assert overflows == list(range(len(overflows)))
    assert len(overflows) > 3
    assert scales(whole)[-1]["factor"] == 2.0 ** (16 - overflows[-1])
    assert stopped.reports.of("overflowSteps") + resumed.reports.of("overflowSteps")[1:] == overflows
    assert len(run.reports.curve()) == STEPS
    assert not run.reports.of("notice"), "an overflow is no fault"


def test_ranks_of_which_one_overflows_leave_the_step_out_and_lower_their_factors_alike(
    make_job: Any, broken: Any
) -> None:
    job = fp16_job(make_job, broken(ROWS, LOUD), gradientAccumulation=2, nonFinite="skip")
    run = job.start(2).succeeds()
    assert run.reports.of("overflowSteps")[-1] > 1
    assert run.reports.of("nonFiniteSteps") == [0]
    assert len(run.reports.curve(0)) == STEPS
    assert run.reports.curve(1)
    assert run.reports.curve(1).items() <= run.reports.curve(0).items()
    assert np.isfinite(list(run.reports.curve().values())).all()
    assert run.reports.of("flopsPerSample") == [2 * (2 * (8 * 12 + 12 * 4) + 12 * 4)], "no gradient of the features"
    [peak] = run.reports.of("peakFlopsPerSecond")
    assert peak > 1e6
    assert run.reports.of("peakSource") == ["measured"]


def test_a_loss_that_is_no_number_is_no_overflow(make_job: Any, broken: Any) -> None:
    run = fp16_job(make_job, broken(slice(7, 8)), nonFinite="skip").start(2).succeeds()
    assert run.reports.of("nonFiniteSteps")[-1] == PASSES
    assert run.reports.of("overflowSteps") == [0]


@pytest.mark.parametrize("kind", ["fail", "rollback"])
def test_a_training_that_breaks_in_fp16_ends_as_any_other(make_job: Any, broken: Any, kind: str) -> None:
    run = fp16_job(make_job, broken(slice(None)), nonFinite=kind).start(2)
    assert run.codes() == [reasons.EXIT_NON_FINITE] * 2


def test_fp16_follows_the_curve_of_fp32(make_job: Any, data_dir: Path) -> None:
    exact = make_job(training={"epochs": PASSES}).start(2).succeeds().reports.curve()
    rounded = fp16_job(make_job, data_dir).start(2).succeeds().reports.curve()
    assert list(rounded.values()) == pytest.approx(list(exact.values()), rel=0.02)
    assert rounded != exact
