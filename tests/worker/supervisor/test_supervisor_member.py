"""What a member does with the coordinator's answers, and without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wattrain_worker.supervisor.config import Config, read_config
from wattrain_worker.supervisor.group import Coordinator
from wattrain_worker.supervisor.launch import Order
from wattrain_worker.supervisor.link import DirectLink
from wattrain_worker.supervisor.member import Member

Json = dict[str, Any]


class Link:
    """Keeps what is sent; answers what the test says."""

    def __init__(self) -> None:
        self.idle = True
        self.silent_seconds = 0.0
        self.sent: list[Json] = []
        self.replies: list[Json] = []

    def send(self, message: Json) -> None:
        self.sent.append(message)

    def take_reply(self) -> Json | None:
        return self.replies.pop(0) if self.replies else None


class FakeRank:
    def __init__(self, rank: int) -> None:
        self.rank, self.pid, self.exit_code, self.ended_seconds = rank, 1, None, 0.0

    def last_line(self) -> str:
        return "the last line"


class FakeRanks:
    """Ranks that end when the test says so."""

    def __init__(self) -> None:
        self.members: Any = [FakeRank(2), FakeRank(3)]
        self.grace_seconds: float | None = None

    def poll(self) -> None: ...

    def stop(self, grace_seconds: float) -> None:
        self.grace_seconds = grace_seconds

    def end(self, *exit_codes: int) -> None:
        for rank, exit_code in zip(self.members, exit_codes, strict=True):
            rank.exit_code = exit_code

    def __len__(self) -> int:
        return len(self.members)

    @property
    def gone(self) -> list[Any]:
        return [rank for rank in self.members if rank.exit_code is not None]

    @property
    def running(self) -> int:
        return len(self.members) - len(self.gone)

    @property
    def all_gone(self) -> bool:
        return not self.running


class Stage:
    """Member 1 of a group, with ranks 2 and 3."""

    def __init__(self, config: Config) -> None:
        self.link, self.ranks, self.orders = Link(), FakeRanks(), list[Order]()
        self.report: Json = {"step": 7, "samples": 64, "messages": ["x" * 100_000]}
        self.member = Member(config, self.link, self._start, lambda: self.report, lambda: 7)

    def _start(self, order: Order) -> Any:
        self.orders.append(order)
        self.ranks = FakeRanks()
        return self.ranks

    def hear(self, action: str, generation: int = 0, **more: Any) -> Any:
        reply = {"action": action, "generation": generation, "masterAddr": "10.0.0.1", "masterPort": 1, **more}
        self.link.replies.append(reply)
        return self.tick()

    def tick(self, *, stop_requested: bool = False) -> Any:
        return self.member.tick(stop_requested=stop_requested)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    (tmp_path / "spec.json").write_text('{"workers": {"processesPerWorker": 2}}')
    environ = {"WATTRAIN_SPEC": str(tmp_path / "spec.json"), "WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "1"}
    environ.update(WATTRAIN_COORDINATOR="h:1", WATTRAIN_GROUP_TOKEN="t", WATTRAIN_NODE="n", WATTRAIN_GRACE_SECONDS="20")
    return Stage(read_config(environ))


def test_it_runs_stops_and_runs_again_as_it_is_told(stage: Stage) -> None:
    assert stage.hear("wait") is None
    stage.hear("run")
    assert stage.link.sent[-1]["state"] == "running"
    stage.hear("stop")
    assert stage.ranks.grace_seconds == 3.0  # nothing can be saved any more: the peers are dead
    stage.ranks.end(-15, -15)
    stage.tick()
    assert stage.link.sent[-1]["state"] == "waiting"
    stage.hear("run", generation=1, restartReason="Killed")
    assert [(order.generation, order.restart_reason) for order in stage.orders] == [(0, ""), (1, "Killed")]


def test_worker_0_starts_its_ranks_in_the_very_look_in_which_the_last_worker_is_there(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text("{}")
    environ = {"WATTRAIN_SPEC": str(tmp_path / "spec.json"), "WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "0"}
    config = read_config({**environ, "WATTRAIN_GROUP_TOKEN": "t", "WATTRAIN_GRACE_SECONDS": "20"})
    coordinator, orders = Coordinator(2, 0, lambda: 20_000), list[Order]()

    def start(order: Order) -> Any:
        orders.append(order)
        return FakeRanks()

    member = Member(config, DirectLink(coordinator.exchange), start, lambda: {"step": 0, "samples": 0}, lambda: 0)
    member.tick(stop_requested=False)
    assert not orders
    coordinator.exchange({"worker": 1, "generation": 0, "state": "waiting", "report": {"step": 0, "samples": 0}})
    member.tick(stop_requested=False)
    assert [order.master_port for order in orders] == [20_000]


def test_the_first_cause_of_its_own_ranks_is_told_at_once(stage: Stage) -> None:
    stage.hear("run")
    stage.ranks.members[0].exit_code = 75
    stage.tick()
    assert stage.link.sent[-1]["failure"]["exitCode"] == 75
    stage.ranks.members[1].exit_code = -9
    stage.tick()
    failure = stage.link.sent[-1]["failure"]
    assert (failure["rank"], failure["exitCode"], failure["node"]) == (3, -9, "n")
    assert (failure["lastLine"], failure["step"]) == ("the last line", 7)


def test_a_coordinator_that_no_longer_answers_stops_the_ranks_and_ends_the_worker(stage: Stage) -> None:
    stage.hear("run")
    stage.link.silent_seconds = 30.0
    assert stage.tick() is None
    assert stage.ranks.grace_seconds is None
    stage.link.silent_seconds = 30.1
    assert stage.tick() is None
    assert stage.ranks.grace_seconds == 20.0  # they may still save
    stage.ranks.end(143, 143)
    ending = stage.tick()
    assert (ending.exit_code, ending.cause["reason"]) == (75, "PeerLost")
    assert ending.cause["lastLine"] == "worker 0 has not answered for 30 s"


def test_a_stopped_worker_says_farewell_before_it_ends(stage: Stage) -> None:
    stage.hear("run")
    assert stage.tick(stop_requested=True) is None
    assert (stage.ranks.grace_seconds, stage.link.sent[-1]["state"]) == (20.0, "running")
    stage.ranks.end(143, 143)
    stage.tick(stop_requested=True)
    assert (stage.link.sent[-1]["state"], stage.link.sent[-1]["leaving"]) == ("stopped", True)
    ending = stage.tick(stop_requested=True)
    assert (ending.exit_code, ending.cause) == (143, None)


def test_a_stop_between_generations_starts_nothing_more(stage: Stage) -> None:
    stage.tick(stop_requested=True)
    stage.hear("run")
    assert stage.orders == []
    assert stage.link.sent[-1]["state"] == "stopped"


def test_exit_ends_with_the_groups_code_and_cause(stage: Stage) -> None:
    stage.hear("run")
    cause = {"rank": 0, "reason": "Killed"}
    assert stage.hear("exit", exitCode=137, cause=cause) is None
    stage.ranks.end(75, 75)
    ending = stage.tick()
    assert (ending.exit_code, ending.cause) == (137, cause)


def test_messages_hold_what_the_group_needs_and_no_texts(stage: Stage) -> None:
    stage.tick()
    assert stage.link.sent[0]["report"] == {"step": 7, "samples": 64}
