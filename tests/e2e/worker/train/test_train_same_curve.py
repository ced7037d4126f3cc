"""The loss curve does not depend on how many ranks compute it: almost with DDP, bit for bit in deterministic mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

STEPS = 10  # two passes of five steps, the last of a pass with 3 samples only: fewer than ranks


def curve_of(job: Any, world: int) -> dict[int, float]:
    run = job.start(world).succeeds()
    first, *others = [run.reports.curve(rank) for rank in range(world)]
    # The others tell the newest loss of each report.
    assert all(curve and curve.items() <= first.items() for curve in others), "the ranks disagree about the global loss"
    assert len(first) == STEPS
    return first


def test_ddp_has_the_same_curve_on_one_to_four_ranks(make_job: Any) -> None:
    curves = [list(curve_of(make_job(), world).values()) for world in (1, 2, 3, 4)]
    np.testing.assert_allclose(curves[1:], [curves[0]] * 3, rtol=2e-5)
    assert curves[0][-1] < 0.9 * curves[0][0]


def test_deterministic_mode_has_identical_bits_on_one_to_four_ranks(make_job: Any) -> None:
    changes = {"training": {"deterministic": True}, "recipe": {"params": {"hidden": [12], "dropout": 0.3}}}
    jobs = [make_job(**changes) for _ in range(4)]
    curves = [curve_of(job, world) for world, job in enumerate(jobs, start=1)]
    assert curves[1:] == curves[:1] * 3
    scores = [(job.runs[0].reports.of("validation"), job.runs[0].reports.of("test")) for job in jobs]
    assert scores[1:] == scores[:1] * 3
    assert 0 < scores[0][1][0]["rocAuc"] < 1
    assert len({(job.model / "model.safetensors").read_bytes() for job in jobs}) == 1


@pytest.mark.parametrize("optimizer", ["adafactor", "muon"])
def test_an_optimizer_that_looks_at_whole_matrices_has_identical_bits_too(make_job: Any, optimizer: str) -> None:
    training = {"deterministic": True, "optimizer": {"name": optimizer, "lr": 0.02}, "schedule": {"name": "one-cycle"}}
    jobs = [make_job(training=training, recipe={"params": {"hidden": [12, 12]}}) for _ in range(2)]
    curves = [curve_of(job, world) for world, job in zip((1, 3), jobs, strict=True)]
    assert curves[0] == curves[1]
    assert curves[0][STEPS] < 0.95 * curves[0][1]
    assert len({(job.model / "model.safetensors").read_bytes() for job in jobs}) == 1


def test_what_is_chosen_by_measuring_changes_nothing_but_rounding_and_is_kept(make_job: Any) -> None:
    job = make_job(training={"auto": ["fused"]})
    np.testing.assert_allclose(list(curve_of(job, 2).values()), list(curve_of(make_job(), 2).values()), rtol=2e-5)
    [told] = job.runs[0].reports.of("tuning")
    assert told.startswith("fused o")
    assert f"| chosen by measuring | {told} |" in (job.model / "README.md").read_text()
    again = job.start(3).succeeds()
    assert again.reports.of("tuning") == job.runs[0].reports.of("tuning"), "a restart chooses anew"


def test_another_seed_gives_another_curve(make_job: Any) -> None:
    curves = [curve_of(make_job(training={"deterministic": True, "seed": seed}), 1) for seed in (1, 2)]
    assert curves[0] != curves[1]


@pytest.mark.parametrize("world", [1, 2])
def test_accumulating_gradients_changes_nothing(make_job: Any, world: int) -> None:
    plain = curve_of(make_job(), 1)
    accumulated = curve_of(make_job(training={"gradientAccumulation": 3}), world)
    np.testing.assert_allclose(list(accumulated.values()), list(plain.values()), rtol=2e-5)


def test_logistic_regression_trains(make_job: Any) -> None:
    curve = curve_of(make_job(recipe={"name": "logistic-regression"}), 2)
    assert curve[1] == pytest.approx(4 * np.log(2)), "each of the four sigmoids starts at 1/2"
    assert curve[STEPS] < 0.95 * curve[1]


def test_bf16_follows_the_curve_of_fp32(make_job: Any) -> None:
    exact, rounded = curve_of(make_job(), 1), curve_of(make_job(training={"precision": "bf16"}), 1)
    np.testing.assert_allclose(list(rounded.values()), list(exact.values()), rtol=0.05)
    assert rounded != exact


def test_all_samples_are_reported_once(make_job: Any) -> None:
    reports = make_job().start(3).succeeds().reports
    assert sum(reports.of("samples")) == 2 * 203
    assert [sum(r["steps"] for r in reports.all if r["rank"] == k and "steps" in r) for k in range(3)] == [STEPS] * 3


def test_steps_between_records_are_counted_but_not_recorded(make_job: Any) -> None:
    run = make_job(training={"recordEverySteps": 4}).start(2).succeeds()
    curve = make_job().start(1).succeeds().reports.curve()
    assert set(run.reports.curve()) == {4, 8, 10}
    assert run.reports.curve()[8] == pytest.approx(curve[8], rel=2e-5)
    assert sum(run.reports.of("samples")) == 2 * 203


def test_quick_steps_are_told_several_at_once_and_none_is_left_out(make_job: Any) -> None:
    run = make_job(training={"epochs": 60}).start(2).succeeds()
    told = [len(report["losses"]["step"]) for report in run.reports.all if report.get("losses") and report["rank"] == 0]
    assert list(run.reports.curve()) == list(range(1, 301))
    assert len(told) < 150 < sum(told) == 300
