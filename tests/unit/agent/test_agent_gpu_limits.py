"""What the node agent sets is read back, and is restored whatever happens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from wattrain_api.contract.gpu_limit import GpuLimit, GpuLimitAnswer
from wattrain_worker.agent.gpu_control import GpuControl
from wattrain_worker.agent.gpu_limiter import GpuLimiter, Wish
from wattrain_worker.agent.kept_settings import KeptSettings, UnreadableSettingsError

BEFORE = [(700_000, None), (500_000, None)]


class Node:
    """A node whose agent may die and come again."""

    def __init__(self, driver: Any, file: Path) -> None:
        self.driver, self.file, self.said = driver, file, list[str]()
        self.agent = self.new_agent()

    def new_agent(self) -> GpuLimiter:
        control = GpuControl(self.driver, sleep=lambda _: None)
        self.agent = GpuLimiter(control, KeptSettings(self.file), self.said.append)
        return self.agent

    def ask(self, *uuids: str, version: int = 1, pod: str = "one", **limit: Any) -> GpuLimitAnswer:
        return self.agent.step({pod: Wish(GpuLimit(version, **limit), uuids)})[pod]

    @property
    def settings(self) -> list[tuple[int, int | None]]:
        return [(gpu.limit, gpu.locked) for gpu in self.driver.gpus.values()]

    @property
    def kept(self) -> Any:
        return json.loads(self.file.read_text()) if self.file.exists() else {}


@pytest.fixture
def node(driver: Any, tmp_path: Path) -> Node:
    return Node(driver, tmp_path / "gpus.json")


def test_a_limit_and_a_clock_are_set_read_back_and_restored_when_nobody_asks_any_more(node: Node) -> None:
    answer = node.ask("GPU-a", "GPU-b", watts=300.0, clock_mhz=1200)
    assert (answer.state, answer.version, answer.gpus, answer.watts, answer.clock_mhz) == ("Applied", 1, 2, 300, 1200)
    assert node.settings == [(300_000, 1200), (300_000, 1200)]
    node.agent.step({})
    assert (node.settings, node.kept) == (BEFORE, {})


def test_what_changes_or_is_left_out_later_goes_back_to_what_it_was(node: Node) -> None:
    node.ask("GPU-a", watts=300.0, clock_mhz=1200)
    assert node.ask("GPU-a", version=2, clock_mhz=900).watts == 700
    assert node.settings == [(700_000, 900), BEFORE[1]]
    node.ask("GPU-b", version=3, watts=250.0)  # its processes have moved
    assert node.settings == [BEFORE[0], (250_000, None)]
    node.ask("GPU-b", version=4, watts=250.0, clock_mhz=900)
    node.ask("GPU-b", version=5, watts=250.0)
    assert node.settings == [BEFORE[0], (250_000, None)]


def test_what_another_program_sets_meanwhile_is_set_again(node: Node) -> None:
    node.ask("GPU-a", watts=300.0, clock_mhz=1200)
    node.driver.gpus["GPU-a"].limit, node.driver.gpus["GPU-a"].locked = 600_000, None
    assert node.ask("GPU-a", watts=300.0, clock_mhz=1200).state == "Applied"
    assert node.settings[0] == (300_000, 1200)


@pytest.mark.parametrize("limit", [{"watts": 300.0}, {"clock_mhz": 1200}])
@pytest.mark.parametrize(
    ("how", "sentence"),
    [("refuses", "Insufficient Permissions.*see that the agent runs as root"), ("lies", "was (set|locked) to")],
)
def test_a_driver_that_refuses_or_lies_is_not_believed(node: Node, how: str, sentence: str, limit: Any) -> None:
    setattr(node.driver.gpus["GPU-a"], how, True)
    answer = node.ask("GPU-a", **limit)
    assert (answer.state, answer.gpus, answer.watts) == ("Refused", 0, None)
    assert re.search(sentence, answer.message), answer.message
    assert node.settings == BEFORE


def test_where_one_gpu_refuses_the_others_of_the_pod_are_restored(node: Node) -> None:
    node.driver.gpus["GPU-b"].refuses = True
    assert node.ask("GPU-a", "GPU-b", watts=300.0).state == "Refused"
    assert node.settings == BEFORE


@pytest.mark.parametrize("watts", [199.0, 701.0])
def test_a_limit_that_the_gpu_does_not_take_is_refused_with_those_it_takes(node: Node, watts: float) -> None:
    answer = node.ask("GPU-a", watts=watts)
    assert (answer.state, "takes 200 to 700 W, not" in answer.message) == ("Refused", True)
    assert node.settings == BEFORE


def test_a_gpu_that_others_use_as_well_is_not_limited(node: Node) -> None:
    wish = Wish(GpuLimit(1, watts=300.0), ("GPU-a",))
    for answers in (node.agent.step({"one": wish, "two": wish}), node.agent.step({"one": wish}, {"GPU-a"})):
        assert {answer.state for answer in answers.values()} == {"Refused"}
        assert "is used by others as well" in answers["one"].message
        assert node.settings == BEFORE


def test_without_processes_on_gpus_a_pod_waits(node: Node) -> None:
    assert node.ask(watts=300.0).state == "Waiting"


@pytest.mark.parametrize("changes", range(5))
def test_whenever_an_agent_dies_the_next_one_restores_what_it_left(node: Node, changes: int) -> None:
    node.driver.dies_after = changes
    try:
        node.ask("GPU-a", "GPU-b", watts=300.0, clock_mhz=1200)
        node.agent.step({})
    except KeyboardInterrupt:
        pass
    node.driver.dies_after = None
    node.new_agent().restore_except(())
    assert (node.settings, node.kept) == (BEFORE, {})


def test_an_agent_that_takes_over_from_a_dead_one_restores_what_was_before_both(node: Node) -> None:
    node.ask("GPU-a", watts=300.0)
    node.new_agent()
    assert node.ask("GPU-a", watts=300.0).state == "Applied"
    node.ask("GPU-a", version=2, watts=400.0)
    node.agent.step({})
    assert node.settings == BEFORE


def test_a_gpu_that_is_lost_is_restored_once_it_is_back_and_that_is_said_once(node: Node) -> None:
    node.ask("GPU-a", watts=300.0)
    node.driver.gpus["GPU-a"].is_lost = True
    for _ in range(3):
        node.agent.step({})
    assert len(node.said) == 1
    assert "cannot be restored to 700 W now (GPU GPU-a does not" in node.said[0]
    node.driver.gpus["GPU-a"].is_lost = False
    node.agent.step({})
    assert (node.settings, node.kept) == (BEFORE, {})


def test_what_cannot_be_kept_for_its_restoring_is_not_changed(node: Node) -> None:
    node.file.with_name(f".{node.file.name}.tmp").mkdir()  # root writes where others must not
    answer = node.ask("GPU-a", watts=300.0)
    assert answer.state == "Refused"
    assert node.settings == BEFORE


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"GPU-a": 3}', '{"GPU-a": {"limit_milliwatts": "x", "clock_locked": true}}']
)
def test_a_file_that_cannot_be_read_is_no_reason_to_begin_anew(tmp_path: Path, content: str) -> None:
    file = tmp_path / "gpus.json"
    file.write_text(content)
    with pytest.raises(UnreadableSettingsError, match=r"gpus\.json"):
        KeptSettings(file)
