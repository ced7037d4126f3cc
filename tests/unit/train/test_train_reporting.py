"""What a person sees of a training in the log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wattrain_api.contract.progress import StepLoss
from wattrain_worker.train import reporting
from wattrain_worker.train.reporting import Reporter


def record_every_four_seconds(reporter: Reporter, now: list[float]) -> None:
    for step in range(1, 7):
        now[0] += 4.0
        reporter.record([StepLoss(step, 0, 1 / step, 0.001)], step, 0, None)


def test_a_line_every_ten_seconds_says_how_far_the_training_is(capsys: Any) -> None:
    now = [100.0]
    record_every_four_seconds(Reporter(6, 1, is_first=True, clock=lambda: now[0]), now)
    assert capsys.readouterr().out == "step 3/6, loss 0.33333\nstep 6/6, loss 0.16667\n"


def test_all_ranks_but_one_are_silent(capsys: Any) -> None:
    now = [100.0]
    record_every_four_seconds(Reporter(6, 1, is_first=False, clock=lambda: now[0]), now)
    assert capsys.readouterr().out == ""


def test_many_losses_are_told_in_reports_that_fit_and_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(reporting, "report", lambda **fields: sent.append(fields))
    reporter = Reporter(1000, 1, is_first=True)
    for _ in range(150):
        reporter.step_begins()
        reporter.step_ends(samples=8, data_seconds=0.0)
    losses = [StepLoss(10**9 + step, 10**6, -1.2345678901234567e-300, 1.2345678901234567e-100) for step in range(150)]
    reporter.record(losses, 10**9 + 149, 10**6, None)
    assert [step for report in sent for step in report["losses"]["step"]] == [loss.step for loss in losses]
    assert [(report["steps"], report.get("samples", 0)) for report in sent] == [(0, 0), (0, 0), (150, 1200)]
    assert all(len(json.dumps(report, separators=(",", ":"))) < 8192 - 512 for report in sent)


def test_another_rank_than_the_first_tells_the_newest_loss_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(reporting, "report", lambda **fields: sent.append(fields))
    Reporter(1000, 1, is_first=False).record([StepLoss(step, 0, 1 / step, 0.1) for step in range(1, 200)], 199, 0, None)
    assert [report["losses"]["step"] for report in sent] == [[199]]
