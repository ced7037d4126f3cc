"""Mean power while a worker trains: by the time that each sample stands for, and of nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattrain_api.contract.group_exchange import MemberReport
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import PowerReading
from wattrain_worker.supervisor.group_totals import Totals
from wattrain_worker.supervisor.training_power import TrainingPower, window_of


class Worker:
    """A worker whose power is sampled now and then, and asked for five times a second."""

    def __init__(self) -> None:
        self.now = self.joules = 0.0
        self.power = TrainingPower(lambda: self.now)

    def report(self, watts: float, phase: Phase = Phase.TRAINING) -> MemberReport:
        return MemberReport(phase=phase, power=(PowerReading("cpu", "model", self.joules, 0.0, 0.0, watts=watts),))

    def draw(self, watts: float, seconds: int, phase: Phase = Phase.TRAINING, every: float = 1.0) -> None:
        for _ in range(round(seconds / every)):
            for part in range(1, 6):
                self.now += every / 5
                self.joules += watts * every if part == 5 else 0.0
                self.power.take(self.report(watts, phase))


def test_it_is_the_mean_over_the_last_seconds() -> None:
    worker = Worker()
    worker.draw(10.0, 8)
    worker.draw(4.0, 3)
    worker.draw(6.0, 2)
    assert worker.power.mean_watts(5.0) == pytest.approx(4.8, rel=0.1)


def test_a_sample_of_a_moment_counts_for_a_moment() -> None:
    worker = Worker()
    worker.draw(10.0, 4)
    worker.draw(100.0, 1, every=0.2)
    assert worker.power.mean_watts(5.0) == pytest.approx(28.0, rel=0.1)


def test_what_is_no_training_is_left_out_and_a_start_begins_anew() -> None:
    worker = Worker()
    worker.draw(10.0, 4)
    worker.draw(50.0, 1, Phase.EVALUATING)
    assert worker.power.mean_watts(5.0) == pytest.approx(10.0)
    worker.draw(3.0, 1, Phase.STARTING)
    worker.draw(8.0, 1)
    assert worker.power.mean_watts(5.0) is None


def test_too_little_of_a_window_is_no_mean() -> None:
    worker = Worker()
    worker.draw(10.0, 2)
    assert worker.power.mean_watts(5.0) is None
    worker.draw(10.0, 2)
    assert worker.power.mean_watts(5.0) == pytest.approx(10.0)
    worker.now += 10.0
    assert worker.power.mean_watts(5.0) is None


def test_a_group_has_a_mean_once_all_of_its_workers_have_and_over_several_steps() -> None:
    worker, now = Worker(), 0.0
    totals = Totals(lambda: now)
    for second in range(1, 8):
        worker.joules, now = 5.0 * second, float(second)
        totals.update(0, worker.report(5.0))
        assert totals.training_watts(5.0) == (None if second < 4 else pytest.approx(5.0))
    totals.update(1, worker.report(5.0))
    assert totals.progress(()).training_watts is None
    assert (window_of(0.01), window_of(4.0)) == (5.0, 12.0)
    assert totals.progress((), step_seconds=4.0).training_watts_seconds == 12.0


def test_the_speed_is_of_the_same_seconds_as_the_power() -> None:
    worker, trained = Worker(), 0
    for second in range(1, 15):
        phase = Phase.EVALUATING if second > 10 else Phase.TRAINING
        for _ in range(5):
            worker.now += 0.2
            trained += {0: 20, 1: 60}[second > 5] if phase == Phase.TRAINING else 0
            worker.joules = 10.0 * int(worker.now + 0.01)
            worker.power.take(replace(worker.report(10.0, phase), samples=trained))
        if second == 5:
            assert worker.power.samples_per_second(5.0) == pytest.approx(100.0)
        if second == 10:
            assert worker.power.samples_per_second(5.0) == pytest.approx(300.0)
        if second == 12:  # two of the last five seconds were no training, and count for neither
            assert worker.power.samples_per_second(5.0) == pytest.approx(300.0)
    assert worker.power.samples_per_second(5.0) is None


def test_the_speed_of_a_group_is_the_sum_over_all_of_its_workers() -> None:
    worker, now = Worker(), 0.0
    totals = Totals(lambda: now)
    for second in range(1, 8):
        worker.joules, now = 5.0 * second, float(second)
        for index in (0, 1):
            totals.update(index, replace(worker.report(5.0), samples=100 * (index + 1) * second))
    assert totals.progress(()).training_samples_per_second == pytest.approx(300.0)
    totals.update(2, worker.report(5.0))
    assert totals.progress(()).training_samples_per_second is None
