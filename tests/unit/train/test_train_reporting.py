"""What a person sees of a training in the log."""

from __future__ import annotations

from typing import Any

from wattrain_worker.train.reporting import Reporter


def record_every_four_seconds(reporter: Reporter, now: list[float]) -> None:
    for step in range(1, 7):
        now[0] += 4.0
        reporter.record(step, 0, 0.001, 1 / step, None)


def test_a_line_every_ten_seconds_says_how_far_the_training_is(capsys: Any) -> None:
    now = [100.0]
    record_every_four_seconds(Reporter(6, 1, prints=True, clock=lambda: now[0]), now)
    assert capsys.readouterr().out == "step 3/6, loss 0.33333\nstep 6/6, loss 0.16667\n"


def test_all_ranks_but_one_are_silent(capsys: Any) -> None:
    now = [100.0]
    record_every_four_seconds(Reporter(6, 1, prints=False, clock=lambda: now[0]), now)
    assert capsys.readouterr().out == ""
