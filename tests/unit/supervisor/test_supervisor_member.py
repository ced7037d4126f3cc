"""What a member does with the coordinator's answers, and without them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.group_exchange import Action, CoordinatorReply, MemberMessage, MemberReport, MemberState
from wattrain_worker.supervisor.config import Config, read_config
from wattrain_worker.supervisor.coordinator import Coordinator
from wattrain_worker.supervisor.link import DirectLink
from wattrain_worker.supervisor.member import Member
from wattrain_worker.supervisor.rank_start import Order


class Link:
    """Keeps what is sent; answers what the test says."""

    def __init__(self) -> None:
        self.idle = True
        self.silent_seconds = 0.0
        self.sent: list[MemberMessage] = []
        self.replies: list[CoordinatorReply] = []

    def send(self, message: MemberMessage) -> None:
        self.sent.append(message)

    def take_reply(self) -> CoordinatorReply | None:
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
        self.asked_to_end, self.grace_seconds = False, cast("float | None", None)

    def poll(self) -> None: ...

    def stop(self, grace_seconds: float | None) -> None:
        self.asked_to_end, self.grace_seconds = True, grace_seconds

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


class Worker:
    """Notes what its member does with it."""

    def __init__(self) -> None:
        self.ranks, self.orders, self.stops = FakeRanks(), list[Order](), 0
        self.directives: list[Directive] = []
        self.left_out: set[str] = set()

    def report(self) -> MemberReport:
        return MemberReport(step=7, samples=64)

    def start_ranks(self, order: Order) -> Any:
        self.orders.append(order)
        self.ranks = FakeRanks()
        return self.ranks

    def ranks_stop(self) -> None:
        self.stops += 1

    def leave_out(self, devices: tuple[str, ...]) -> None:
        self.left_out.update(devices)

    def pass_on(self, directive: Directive) -> None:
        self.directives.append(directive)


class Stage:
    """Member 1 of a group, with ranks 2 and 3."""

    def __init__(self, config: Config) -> None:
        self.link, self.worker = Link(), Worker()
        self.member = Member(config, self.link, self.worker)

    @property
    def ranks(self) -> FakeRanks:
        return self.worker.ranks

    def hear(self, action: str, generation: int = 0, **more: Any) -> Any:
        reply = CoordinatorReply(Action(action), generation, 2, master_addr="10.0.0.1", master_port=1)
        self.link.replies.append(replace(reply, **more))
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
    assert stage.link.sent[-1].state == "running"
    stage.hear("stop")
    assert stage.ranks.grace_seconds == 3.0  # nothing can be saved any more: the peers are dead
    stage.ranks.end(-15, -15)
    stage.tick()
    assert stage.link.sent[-1].state == "waiting"
    stage.hear("run", generation=1, restart_reason="Killed")
    assert [(order.generation, order.restart_reason) for order in stage.worker.orders] == [(0, ""), (1, "Killed")]


def test_worker_0_starts_its_ranks_in_the_very_look_in_which_the_last_worker_is_there(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text("{}")
    environ = {"WATTRAIN_SPEC": str(tmp_path / "spec.json"), "WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "0"}
    config = read_config({**environ, "WATTRAIN_GROUP_TOKEN": "t", "WATTRAIN_GRACE_SECONDS": "20"})
    coordinator, worker = Coordinator(2, 0, lambda: 20_000), Worker()
    member = Member(config, DirectLink(coordinator.exchange), worker)
    member.tick(stop_requested=False)
    assert not worker.orders
    coordinator.exchange(MemberMessage(1, MemberState.WAITING, MemberReport()))
    member.tick(stop_requested=False)
    assert [order.master_port for order in worker.orders] == [20_000]


def test_the_first_cause_of_its_own_ranks_is_told_at_once(stage: Stage) -> None:
    stage.hear("run")
    stage.ranks.members[0].exit_code = 75
    stage.tick()
    assert stage.link.sent[-1].failure.exit_code == 75
    stage.ranks.members[1].exit_code = -9
    stage.tick()
    failure = Failure("Killed", -9, worker=1, rank=3, node="n", last_line="the last line", step=7)
    assert stage.link.sent[-1].failure == failure


def _script_stage(directory: Path) -> Stage:
    (directory / "spec.json").write_text('{"script": {"command": ["t"]}, "workers": {"processesPerWorker": 2}}')
    environ = {"WATTRAIN_SPEC": str(directory / "spec.json"), "WATTRAIN_WORKERS": "2", "WATTRAIN_WORKER_INDEX": "1"}
    environ.update(WATTRAIN_COORDINATOR="h:1", WATTRAIN_GROUP_TOKEN="t", WATTRAIN_NODE="n", WATTRAIN_GRACE_SECONDS="20")
    return Stage(read_config(environ))


@pytest.mark.parametrize("exit_code", [64, 65, 70, 75, 80, 143])
def test_an_exit_code_of_a_script_is_the_scripts_own(tmp_path: Path, exit_code: int) -> None:
    stage = _script_stage(tmp_path)
    stage.hear("run")
    stage.ranks.members[1].exit_code = exit_code
    stage.tick()
    failure = Failure("ProgramFailed", exit_code, worker=1, rank=3, node="n", last_line="the last line", step=7)
    assert (stage.link.sent[-1].state, stage.link.sent[-1].failure) == ("failed", failure)


def test_143_of_a_script_that_was_asked_is_no_failure(tmp_path: Path) -> None:
    stage = _script_stage(tmp_path)
    stage.hear("run")
    stage.tick(stop_requested=True)
    assert (stage.link.sent[-1].state, stage.link.sent[-1].stopping) == ("running", True)
    stage.ranks.end(143, 143)
    stage.tick(stop_requested=True)
    assert stage.link.sent[-1].state == "stopped"


def test_ranks_that_are_done_are_told_while_others_run(stage: Stage) -> None:
    stage.hear("run")
    assert stage.member.ranks_done == ()
    stage.ranks.members[1].exit_code = 0
    stage.tick()
    assert stage.member.ranks_done == (3,)


def test_a_coordinator_that_no_longer_answers_stops_the_ranks_and_ends_the_worker(stage: Stage) -> None:
    stage.hear("run")
    stage.link.silent_seconds = 60.0
    assert stage.tick() is None
    assert stage.ranks.grace_seconds is None
    stage.link.silent_seconds = 60.1
    assert stage.tick() is None
    assert stage.ranks.grace_seconds == 20.0  # they may still save
    stage.ranks.end(143, 143)
    ending = stage.tick()
    assert (ending.exit_code, ending.cause.reason) == (75, "PeerLost")
    assert ending.cause.last_line == "worker 0 has not answered for 60 s"


def test_a_stopped_worker_says_farewell_before_it_ends(stage: Stage) -> None:
    stage.hear("run")
    assert stage.tick(stop_requested=True) is None
    assert (stage.ranks.grace_seconds, stage.link.sent[-1].state) == (20.0, "running")
    stage.ranks.end(143, 143)
    stage.tick(stop_requested=True)
    assert (stage.link.sent[-1].state, stage.link.sent[-1].leaving) == ("stopped", True)
    ending = stage.tick(stop_requested=True)
    assert (ending.exit_code, ending.cause) == (143, None)


def test_a_stop_between_generations_starts_nothing_more(stage: Stage) -> None:
    stage.tick(stop_requested=True)
    stage.hear("run")
    assert stage.worker.orders == []
    assert stage.link.sent[-1].state == "stopped"


def test_exit_ends_with_the_groups_code_and_cause(stage: Stage) -> None:
    stage.hear("run")
    cause = Failure("Killed", worker=0, rank=0)
    assert stage.hear("exit", exit_code=137, cause=cause) is None
    stage.ranks.end(75, 75)
    ending = stage.tick()
    assert (ending.exit_code, ending.cause) == (137, cause)


def test_what_is_said_of_the_worker_goes_with_every_message(stage: Stage) -> None:
    stage.tick()
    assert stage.link.sent[0].report == MemberReport(step=7, samples=64)


@pytest.mark.parametrize(
    ("launcher", "processes", "rank"), [("native", 2, 3), ("torchrun", 1, 3), ("torchrun", 2, None)]
)
def test_a_torchrun_that_stands_for_several_ranks_names_none(
    tmp_path: Path, launcher: str, processes: int, rank: int | None
) -> None:
    (tmp_path / "spec.json").write_text(
        f'{{"workers": {{"processesPerWorker": {processes}, "launcher": "{launcher}"}}}}'
    )
    config = read_config({"WATTRAIN_SPEC": str(tmp_path / "spec.json")})
    assert config.rank_of_failures(3) == rank


def test_a_directive_is_passed_on_once_and_its_version_goes_with_the_next_message(stage: Stage) -> None:
    stage.hear("run")
    assert stage.link.sent[-1].report.directive_version is None
    for version in (2, 2, 1):
        stage.hear("run", directive=Directive(version, checkpoint=True))
    assert stage.worker.directives == [Directive(2, checkpoint=True)]
    assert stage.link.sent[-1].report.directive_version == 2
    assert not stage.ranks.asked_to_end


def test_a_directive_to_stop_gives_the_ranks_all_the_time_that_they_need(stage: Stage) -> None:
    stage.hear("run")
    stage.hear("run", directive=Directive(1, stop_at_step=0))
    assert (stage.ranks.asked_to_end, stage.ranks.grace_seconds, stage.worker.stops) == (True, None, 1)
    assert (stage.link.sent[-1].state, stage.link.sent[-1].report.directive_version) == ("running", 1)
    stage.tick(stop_requested=True)  # who sends SIGTERM cannot wait for ever
    assert (stage.ranks.grace_seconds, stage.worker.stops) == (20.0, 1)
    stage.ranks.end(143, 143)
    stage.tick(stop_requested=True)
    ending = stage.tick(stop_requested=True)
    assert (ending.exit_code, ending.cause) == (143, None)


def test_a_directive_to_stop_at_a_step_is_left_to_the_ranks(stage: Stage) -> None:
    stage.hear("run")
    stage.hear("run", directive=Directive(1, stop_at_step=500))
    assert stage.worker.directives == [Directive(1, stop_at_step=500)]
    assert not stage.ranks.asked_to_end


def test_a_gpu_that_another_worker_counts_is_left_out(stage: Stage) -> None:
    stage.hear("wait", counted_elsewhere=("GPU-a",))
    stage.hear("wait")
    assert stage.worker.left_out == {"GPU-a"}


def test_it_is_steady_only_while_its_ranks_run_as_it_was_told(stage: Stage) -> None:
    assert not stage.member.is_steady  # nothing is heard yet
    stage.hear("run", 1)
    stage.hear("run", 1)
    assert stage.member.is_steady
    stage.hear("stop", 1)
    assert not stage.member.is_steady  # it waits for its ranks
    stage.ranks.end(143, 143)
    stage.tick()
    assert not stage.member.is_steady
    stage.hear("run", 2)
    stage.hear("run", 2)
    assert stage.member.is_steady
    stage.ranks.end(1, 143)
    stage.tick()
    assert not stage.member.is_steady  # the answer to its failure is to be heard soon


def test_it_is_steady_no_more_once_it_is_to_leave(stage: Stage) -> None:
    stage.hear("run", 1)
    stage.hear("run", 1)
    stage.tick(stop_requested=True)
    assert not stage.member.is_steady
