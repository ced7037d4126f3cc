"""How long a rank pauses after its steps."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from wattrain_worker.train import duty_cycle
from wattrain_worker.train.duty_cycle import DutyCycle


class Clock:
    """Time passes only in sleep, which lasts 1 ms longer than was asked for."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds + 0.001


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(duty_cycle.time, "perf_counter", lambda: clock.now)
    return clock


def never() -> bool:
    return False


def begun(clock: Clock, ratio: float, step_seconds: float) -> DutyCycle:
    duty = DutyCycle(torch.device("cpu"), clock.sleep)
    duty.agree(1.0, step_seconds)
    duty.agree(ratio, step_seconds)
    return duty


def pauses(duty: DutyCycle, times: int, is_over: Callable[[], bool] = never) -> float:
    return sum(duty.pause(is_over) for _ in range(times))


@pytest.mark.parametrize("step_seconds", [0.0003, 0.004, 0.05, 2.0])
@pytest.mark.parametrize("ratio", [0.05, 0.5, 0.6, 0.95])
def test_pauses_are_the_rest_of_the_time_though_each_is_overslept(
    clock: Clock, step_seconds: float, ratio: float
) -> None:
    duty = begun(clock, ratio, step_seconds)
    paused = pauses(duty, 1000)
    assert paused == pytest.approx(1000 * step_seconds * (1 / ratio - 1), rel=0.02, abs=0.003)
    assert duty.period_seconds == pytest.approx(step_seconds / ratio)


def test_without_a_directive_nothing_pauses(clock: Clock) -> None:
    assert pauses(begun(clock, 1.0, 0.1), 100) == 0.0
    assert pauses(DutyCycle(torch.device("cpu"), clock.sleep), 100) == 0.0


def test_the_first_step_of_a_training_is_not_waited_for_as_long_as_it_took(clock: Clock) -> None:
    duty = DutyCycle(torch.device("cpu"), clock.sleep)
    duty.agree(0.5, 0.0)
    duty.agree(0.5, 30.0)
    assert duty.pause(never) == 0.0
    duty.agree(0.5, 0.01)
    assert duty.pause(never) == pytest.approx(0.01, abs=0.002)


def test_who_is_to_stop_pauses_no_longer(clock: Clock) -> None:
    duty = begun(clock, 0.1, 10.0)
    assert duty.pause(lambda: clock.now > 1.0) < 1.2


def test_who_was_let_go_does_not_pause_any_more(clock: Clock) -> None:
    duty = begun(clock, 0.5, 0.1)
    assert duty.pause(never) > 0
    duty.agree(1.0, 0.1)
    assert pauses(duty, 10) == 0.0
