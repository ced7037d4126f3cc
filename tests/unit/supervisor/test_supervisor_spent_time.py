"""What the time of a group goes to, and how long its ranks wait for the slowest."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import pytest

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Checkpoint, RankReport
from wattrain_api.contract.spent_seconds import SpentSeconds
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.slowest_rank import SlowestRank, Waits
from wattrain_worker.supervisor.step_count import StepCount


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reports(clock: Clock) -> RankReports:
    steps = StepCount(is_script=False, first_attempt=True)
    return RankReports(Phase.STARTING, 0, lambda _: None, steps, lambda: 1000.0, clock)


def _spent(reports: RankReports) -> SpentSeconds:
    spent = reports.progress().spent
    assert spent is not None
    return spent


def test_each_second_goes_to_what_the_leading_rank_says_that_it_does(reports: RankReports, clock: Clock) -> None:
    for seconds, phase in [
        (2.0, Phase.RESTORING), (1.0, Phase.TRAINING), (10.0, Phase.EVALUATING), (3.0, Phase.CHECKPOINTING),
        (0.5, Phase.TRAINING), (4.0, Phase.EXPORTING), (0.25, Phase.DONE),
    ]:  # fmt: skip
        clock.now += seconds
        reports.ingest(RankReport(phase=phase, step=3))
        reports.ingest(RankReport(rank=1, phase=Phase.STARTING))  # which is another one
    assert _spent(reports) == SpentSeconds(
        start=2.0, restore=1.0, training=14.0, evaluation=3.0, checkpoint=0.5, export=0.25
    )
    assert sum(astuple(_spent(reports))) == clock.now


def test_a_restart_in_place_starts_again_and_stopping_saves(reports: RankReports, clock: Clock) -> None:
    reports.ingest(RankReport(phase=Phase.TRAINING))
    clock.now = 5.0
    reports.start_generation(Phase.STARTING)
    clock.now = 7.0
    reports.set_phase(Phase.STOPPING)
    clock.now = 8.0
    assert _spent(reports) == SpentSeconds(training=5.0, start=2.0, checkpoint=1.0)


def test_what_a_step_waited_for_is_taken_out_of_the_training_and_nothing_ever_falls(
    reports: RankReports, clock: Clock
) -> None:
    reports.ingest(RankReport(phase=Phase.TRAINING))
    before = _spent(reports)
    for seconds, data, slowest in [(10.0, 0.0, 0.0), (1.0, 4.0, 0.5), (5.0, 4.0, 0.5)]:  # 4 s are told of a long step
        clock.now += seconds
        reports.take_group_waits(data, slowest)
        spent = _spent(reports)
        assert all(new >= old for new, old in zip(astuple(spent), astuple(before), strict=True))
        assert sum(astuple(spent)) == clock.now
        before = spent
    assert before == SpentSeconds(training=11.5, data_wait=4.0, slowest_rank=0.5)


def test_pauses_are_taken_out_of_the_training_by_the_word_of_the_leading_rank(
    reports: RankReports, clock: Clock
) -> None:
    reports.ingest(RankReport(phase=Phase.TRAINING))
    clock.now = 4.0
    for rank in (0, 1):
        reports.ingest(RankReport(rank=rank, paused_seconds=1.5))
    assert _spent(reports) == SpentSeconds(training=2.5, paused=1.5)


def test_a_checkpoint_in_the_background_costs_what_the_loop_stood_still(reports: RankReports, clock: Clock) -> None:
    reports.ingest(RankReport(phase=Phase.TRAINING))
    clock.now = 2.0
    reports.ingest(RankReport(checkpoint=Checkpoint(10, blocked_seconds=0.5)))
    clock.now = 3.0
    assert _spent(reports) == SpentSeconds(training=2.5, checkpoint=0.5)


def test_a_checkpoint_that_is_waited_for_is_counted_once(reports: RankReports, clock: Clock) -> None:
    reports.ingest(RankReport(phase=Phase.CHECKPOINTING))
    clock.now = 2.0
    reports.ingest(RankReport(checkpoint=Checkpoint(10, blocked_seconds=2.0)))
    reports.ingest(RankReport(phase=Phase.TRAINING))
    clock.now = 5.0
    assert _spent(reports) == SpentSeconds(training=3.0, checkpoint=2.0)


def test_of_the_ranks_of_a_worker_the_mean_waits_for_data_and_each_for_the_others(reports: RankReports) -> None:
    for rank, data, peers in [(0, 1.0, 0.25), (1, 3.0, 0.0), (0, 1.0, 0.25)]:
        reports.ingest(RankReport(rank=rank, data_wait_seconds=data, peer_wait_seconds=peers))
    assert reports.waits() == (2.5, (0.5, 0.0))
    reports.ingest(RankReport(rank=1, data_wait_seconds=1.0))
    assert reports.waits() == (3.0, (0.5, 0.0))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ([(0, 100, (4.0,)), (1, 100, (1.0,))], 1.5),  # worker 1 is slow: 0 waits 3 s more, the mean is half of it
        ([(0, 100, (2.0, 4.0))], 1.0),  # ranks of one worker
        ([(0, 100, (4.0,)), (1, 50, (2.0,))], 0.0),  # told at other steps: a step waits alike
        ([(0, 100, (4.0,)), (1, 0, (0.0,))], 0.0),  # nothing is known of worker 1 yet
        ([(0, 100, ())], 0.0),  # it is not measured
    ],
)
def test_the_slowest_rank_costs_what_the_others_wait_more_than_it(clock: Clock, told: Any, seconds: float) -> None:
    slowest = SlowestRank(clock)
    for worker, _, waits in told:
        slowest.update(worker, Waits(0, (0.0,) * len(waits)))
    clock.now = 2.0
    for worker, steps, waits in told:
        slowest.update(worker, Waits(steps, waits))
    assert slowest.seconds == pytest.approx(seconds)


def test_ranks_that_take_turns_in_being_slow_are_seen_window_by_window(clock: Clock) -> None:
    slowest = SlowestRank(clock)
    for window in range(11):
        clock.now = 2.0 * window
        first, second = (window + 1) // 2, window // 2
        slowest.update(0, Waits(10 * window, (float(first), float(second))))
    assert slowest.seconds == pytest.approx(5.0)


def test_a_worker_that_another_has_replaced_waits_from_nothing_on(clock: Clock) -> None:
    slowest = SlowestRank(clock)
    slowest.update(0, Waits(0, (0.0,)))
    slowest.update(1, Waits(0, (0.0,)))
    slowest.update(1, Waits(900, (90.0,)))
    slowest.update(1, Waits(0, (0.0,)))
    clock.now = 2.0
    slowest.update(1, Waits(10, (1.0,)))
    slowest.update(0, Waits(10, (1.0,)))
    assert slowest.seconds == 0.0
