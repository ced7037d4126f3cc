"""The benchmark of a real GPU, tried against a driver that is made here."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wattrain_worker.agent.gpu_control import GpuControl
from wattrain_worker.agent.gpu_limiter import GpuLimiter
from wattrain_worker.agent.kept_settings import KeptSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def frontier(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module("gpu.frontier")
    for name in ("gpu", "gpu.frontier"):
        sys.modules.pop(name, None)


@pytest.fixture
def measured(frontier: Any, driver: Any, tmp_path: Path) -> Any:
    """Of a GPU whose speed is that of its clock, and whose power grows with the cube of it, above 100 W."""
    gpu = driver.gpus["GPU-a"]

    def run() -> Any:
        most = 1980 * min(1.0, ((gpu.limit / 1000 - 100) / 600) ** (1 / 3))
        clock = min(most, gpu.clock)
        watts = 100 + 600 * (clock / 1980) ** 3
        return frontier.Load(round(clock), 10.0, watts * 10.0, round(clock))

    def measure(most_watts: float = 700) -> Any:
        limiter = GpuLimiter(GpuControl(driver, lambda _: None), KeptSettings(tmp_path / "gpus.json"), print)
        return list(frontier.measure(limiter, "GPU-a", frontier.points(most_watts, 1980), run))

    return measure


def test_each_point_is_set_measured_and_restored(frontier: Any, measured: Any, driver: Any) -> None:
    found = measured()
    assert [frontier.kind_of(each.point) for each in found] == [
        "as it was", "595 W", "490 W", "385 W", "1683 MHz", "1386 MHz", "1089 MHz", "595 W and 1683 MHz",
        "490 W and 1386 MHz", "385 W and 1089 MHz",
    ]  # fmt: skip
    assert {each.state for each in found} == {"Applied"}
    assert [each.limit_watts for each in found[:4]] == [None, 595, 490, 385]
    assert found[1].watts == pytest.approx(595, rel=0.01)
    assert found[6].joules_per_step == pytest.approx((100 + 600 * 0.55**3) / 108.9, rel=0.01)
    assert (driver.gpus["GPU-a"].limit, driver.gpus["GPU-a"].locked) == (700_000, None)


def test_the_winner_has_the_least_joules_a_step_of_those_that_are_fast_enough(frontier: Any, measured: Any) -> None:
    found = measured()
    assert frontier.winner(found, 0.0).point == frontier.Point(None, None)
    assert frontier.winner(found, 0.16).point == frontier.Point(None, 1683)
    assert frontier.winner(found, 1.0).point.clock_mhz == 1089
    assert frontier.winner(found[1:], 1.0) is None


def test_a_driver_that_refuses_is_named_and_nothing_is_measured_at_that_point(
    frontier: Any, measured: Any, driver: Any
) -> None:
    driver.gpus["GPU-a"].refuses = True
    found = measured()
    assert [each.state for each in found] == ["Applied"] + ["Refused"] * 9
    assert "Insufficient Permissions" in found[1].message
    assert frontier.winner(found, 1.0).point == frontier.Point(None, None)


def test_without_a_gpu_it_says_that_nothing_was_measured_by_a_code_of_its_own() -> None:
    paths = os.pathsep.join(str(ROOT / part) for part in ("benchmarks", "worker", "api"))
    answer = subprocess.run(
        [sys.executable, "-m", "gpu"], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths},
        timeout=120, check=False,
    )  # fmt: skip
    if answer.returncode == 0:
        pytest.skip("there is a GPU here")
    assert (answer.returncode, answer.stdout.startswith("nothing was measured: ")) == (3, True), answer
