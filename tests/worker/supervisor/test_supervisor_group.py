"""The coordinator's decisions, with clocks that stand still until a test moves them."""

from __future__ import annotations

from typing import Any

import pytest

from wattrain_worker.supervisor.group import Coordinator, poll_interval_seconds
from wattrain_worker.supervisor.messages import MessageError

Json = dict[str, Any]
WALL = 1_795_480_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Table:
    """A coordinator and its members, played by the test."""

    def __init__(self, workers: int = 2, restarts_left: int = 3) -> None:
        self.clock = Clock()
        ports = iter(range(20_000, 20_100))
        self.coordinator = Coordinator(workers, restarts_left, lambda: next(ports), self.clock, lambda: WALL)
        self.workers = workers
        self.generation = [0] * workers
        self.joules = [0.0] * workers
        self.extra: list[Json] = [{} for _ in range(workers)]

    def say(self, worker: int, state: str, **more: Any) -> Json:
        power = {"component": "cpu", "device": "", "source": "model", "watts": 5.0, "joules": self.joules[worker]}
        power.update(lowJoules=0.5 * self.joules[worker], highJoules=2 * self.joules[worker])
        report = {"step": 7, "samples": 10, "power": [power], "node": f"node-{worker}", **self.extra[worker]}
        message = {"worker": worker, "generation": self.generation[worker], "state": state, "report": report, **more}
        reply = self.coordinator.exchange({"hostAddress": f"10.0.0.{worker}", **message})
        if reply["action"] == "run":
            self.generation[worker] = reply["generation"]
        return reply

    def fail(self, worker: int, exit_code: int, line: str = "", step: int = 7) -> Json:
        failure = {"rank": worker, "node": f"node-{worker}", "exitCode": exit_code, "lastLine": line, "step": step}
        return self.say(worker, "failed", failure={**failure, "time": WALL})

    def everybody(self, state: str) -> list[str]:
        return [str(self.say(worker, state)["action"]) for worker in range(self.workers)]

    def start(self) -> None:
        self.everybody("waiting")
        assert self.everybody("waiting") == ["run"] * self.workers
        self.everybody("running")

    def fail_and_settle(self, worker: int, exit_code: int, **more: Any) -> Json:
        self.fail(worker, exit_code, **more)
        self.clock.now += 0.6
        return self.fail(worker, exit_code, **more)


def test_a_generation_starts_when_all_workers_wait() -> None:
    table = Table(workers=3)
    assert [table.say(w, "waiting")["action"] for w in (0, 1, 0, 1)] == ["wait"] * 4
    reply = table.say(2, "waiting")
    assert (reply["action"], reply["generation"], reply["workers"]) == ("run", 0, 3)
    assert (reply["masterAddr"], reply["masterPort"], reply["restartReason"]) == ("10.0.0.0", 20_000, "")
    assert table.say(0, "waiting") == table.say(1, "waiting") == reply


def test_the_end_of_all_is_success_and_each_is_told() -> None:
    table = Table()
    table.start()
    assert table.say(0, "done")["action"] == "run"
    assert table.say(1, "done")["exitCode"] == 0
    assert not table.coordinator.everyone_knows
    assert table.say(0, "done")["action"] == "exit"
    assert table.coordinator.everyone_knows


def test_a_failure_restarts_the_group_once_all_have_stopped() -> None:
    table = Table()
    table.start()
    assert table.fail(1, -9)["action"] == "run"  # others may have failed before it
    assert table.say(0, "running")["action"] == "run"
    table.clock.now += 0.5
    assert table.say(0, "running")["action"] == "stop"
    assert table.coordinator.to_json()["restarts"] == []
    assert table.fail(1, -9)["action"] == "stop"
    assert table.say(1, "waiting")["action"] == "wait"
    assert table.say(0, "running")["action"] == "stop"
    reply = table.say(0, "waiting")
    assert (reply["action"], reply["generation"], reply["masterPort"]) == ("run", 1, 20_001)
    assert reply["restartReason"] == "Killed"
    (restart,) = table.coordinator.to_json()["restarts"]
    assert restart == {
        "generation": 0, "time": WALL, "rank": 1, "node": "node-1", "reason": "Killed", "exitCode": -9,
        "lastLine": "", "step": 7, "resumedFromStep": 0, "joulesLost": 0.0,
    }  # fmt: skip


def test_nobody_is_waited_for_when_all_have_failed() -> None:
    table = Table()
    table.start()
    table.fail(0, 75)
    assert table.fail(1, -9)["action"] == "stop"


@pytest.mark.parametrize(
    ("failures", "culprit"),
    [
        (((0, 75), (1, -9)), 1),  # survivors say that they lost a peer
        (((0, 1), (1, -9)), 1),  # or say nothing special: nobody is killed because a peer exited
        (((0, 1), (1, 1)), 0),  # among equals the earlier
        (((0, 1), (1, -6)), 0),  # NCCL's watchdog aborts the survivors
        (((0, -9), (1, 65)), 1),  # what is wrong for good is never a consequence
        (((0, 75), (1, 75)), 0),
        (((0, 75), (1, 1), (2, -11)), 2),
    ],
)
def test_the_first_cause_is_named(failures: tuple[tuple[int, int], ...], culprit: int) -> None:
    table = Table(workers=len(failures), restarts_left=0)
    table.start()
    for worker, code in failures:
        reply = table.fail(worker, code)
        table.clock.now += 0.1
    assert reply["action"] == "exit"
    assert reply["cause"]["rank"] == culprit


def restart(table: Table, worker: int = 1, exit_code: int = -9, **more: Any) -> Json:
    """A failure and all that follows; the last reply to the worker."""
    reply = table.fail_and_settle(worker, exit_code, **more)
    if reply["action"] == "stop":
        table.start()
    return reply


def test_restarts_in_place_go_on_until_the_budget_is_spent() -> None:
    table = Table(restarts_left=2)
    table.start()
    assert [restart(table)["action"] for _ in range(3)] == ["stop", "stop", "exit"]
    reply = table.say(0, "running")
    assert (reply["exitCode"], reply["generation"], reply["cause"]["reason"]) == (137, 2, "Killed")


def test_a_committed_checkpoint_renews_the_budget() -> None:
    table = Table(restarts_left=1)
    table.start()
    assert restart(table)["action"] == "stop"
    table.extra[0] = {"checkpoint": {"step": 100, "time": 1.0}}
    table.say(0, "running")
    assert restart(table)["action"] == "stop"
    assert table.coordinator.to_json()["restarts"][1]["resumedFromStep"] == 100
    assert restart(table)["action"] == "exit"  # the same checkpoint again is none


def test_lost_joules_are_those_since_the_checkpoint_or_the_last_restart() -> None:
    table = Table(restarts_left=5)
    table.start()
    table.joules = [10.0, 20.0]
    table.everybody("running")
    table.extra[0] = {"checkpoint": {"step": 5, "time": 1.0}}
    table.say(0, "running")
    assert table.coordinator.checkpoint == {"step": 5, "time": 1.0, "groupJoules": 30.0}
    table.joules = [14.0, 27.0]
    table.everybody("running")
    restart(table)
    table.joules = [15.0, 29.0]
    table.everybody("running")
    restart(table)
    assert [r["joulesLost"] for r in table.coordinator.to_json()["restarts"]] == [11.0, 3.0]


def test_where_the_ranks_really_went_on_corrects_the_restart() -> None:
    table = Table()
    table.start()
    table.extra[0] = {"checkpoint": {"step": 100, "time": 1.0}}
    table.say(0, "running")
    restart(table)
    table.extra[0]["resumed"] = {"step": 50}
    table.say(0, "running")
    assert table.coordinator.to_json()["restarts"][0]["resumedFromStep"] == 50


def test_the_same_failure_twice_at_the_same_step_is_for_good() -> None:
    table = Table(restarts_left=100)
    table.start()
    assert restart(table, 1, 1, line="ValueError")["action"] == "stop"
    reply = restart(table, 0, 1, line="ValueError")
    assert (reply["exitCode"], reply["cause"]["reason"]) == (67, "ProgramFailsTheSameWay")
    assert (reply["cause"]["exitCode"], reply["cause"]["lastLine"]) == (1, "ValueError")


@pytest.mark.parametrize(
    "second",
    [
        {"exit_code": 2, "line": "ValueError", "step": 7},
        {"exit_code": 1, "line": "KeyError", "step": 7},
        {"exit_code": 1, "line": "ValueError", "step": 8},
    ],
)
def test_another_failure_is_tried_again(second: Json) -> None:
    table = Table(restarts_left=100)
    table.start()
    restart(table, 1, 1, line="ValueError", step=7)
    assert restart(table, 1, **second)["action"] == "stop"


@pytest.mark.parametrize("exit_code", [-9, -11, 75, 76, 77])
def test_what_says_nothing_about_the_program_is_tried_again(exit_code: int) -> None:
    table = Table(restarts_left=100)
    table.start()
    assert [restart(table, 1, exit_code, line="gone")["action"] for _ in range(3)] == ["stop"] * 3


@pytest.mark.parametrize("exit_code", [64, 65, 66, 67, 70])
def test_permanent_exit_codes_end_the_group_at_once(exit_code: int) -> None:
    table = Table(restarts_left=100)
    table.start()
    assert table.fail_and_settle(1, exit_code)["exitCode"] == exit_code


def test_a_member_that_vanishes_is_named_and_the_others_give_up() -> None:
    table = Table(workers=3)
    table.start()
    for _ in range(20):
        table.clock.now += 0.5
        replies = [table.say(0, "running"), table.say(2, "running")]
    assert [r["action"] for r in replies] == ["run", "run"]  # 10.0 s exactly
    table.clock.now += 0.1
    reply = table.say(0, "running")
    assert (reply["action"], reply["exitCode"]) == ("exit", 75)
    assert reply["cause"] == {
        "rank": None, "node": "node-1", "reason": "WorkerLost", "exitCode": None,
        "lastLine": "worker 1 has not been heard of for 10 s", "step": 7,
    }  # fmt: skip


def test_a_member_that_vanishes_while_the_others_wait_is_no_restart() -> None:
    table = Table()
    table.start()
    table.fail_and_settle(0, 75)
    for _ in range(30):
        table.clock.now += 0.4
        reply = table.say(0, "waiting")
    assert (reply["exitCode"], reply["cause"]["reason"]) == (75, "WorkerLost")
    assert table.coordinator.to_json()["restarts"] == []


def test_a_member_not_yet_seen_is_waited_for_as_long_as_it_takes() -> None:
    table = Table()
    for _ in range(1000):
        assert table.say(0, "waiting")["action"] == "wait"
        table.clock.now += 1.0
    assert table.say(1, "waiting")["action"] == "run"


def test_nobody_is_lost_when_the_coordinator_itself_stood_still() -> None:
    table = Table(workers=3)
    table.start()
    table.clock.now += 60
    assert table.everybody("running") == ["run"] * 3


def test_large_groups_are_asked_less_often_and_given_more_time() -> None:
    assert (poll_interval_seconds(1), poll_interval_seconds(1024)) == (0.2, 16.0)
    table = Table(workers=1024)
    table.start()
    table.clock.now += 4
    for _ in range(8):
        table.say(0, "running")
        table.clock.now += 4
    assert table.say(1, "running")["action"] == "run"


def test_all_that_stop_by_agreement_exit_with_143() -> None:
    table = Table()
    table.start()
    assert table.say(0, "stopped")["action"] == "run"
    assert table.say(1, "stopped")["exitCode"] == 143
    assert table.say(0, "stopped")["exitCode"] == 143


def test_a_worker_that_leaves_takes_the_group_with_it() -> None:
    table = Table()
    table.start()
    table.say(1, "stopped", leaving=True)
    table.fail(0, 75)
    reply = table.say(0, "running")
    table.clock.now += 0.6
    reply = table.say(0, "running")
    assert (reply["action"], reply["exitCode"], reply["cause"]) == ("exit", 143, None)
    assert table.coordinator.everyone_knows


def test_a_message_of_an_old_generation_changes_nothing() -> None:
    table = Table()
    table.start()
    restart(table)
    table.generation[1] = 0
    table.fail(1, 65)
    table.clock.now += 1
    table.generation[1] = 1
    assert table.everybody("running") == ["run", "run"]
    assert len(table.coordinator.to_json()["restarts"]) == 1


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"worker": 2, "state": "running", "report": {}}, "worker is 2"),
        ({"worker": "0", "state": "running", "report": {}}, "worker is '0'"),
        ({"worker": 0, "state": "asleep", "report": {}}, "state is 'asleep'"),
        ({"worker": 0, "state": "failed", "report": {}}, "failure is None"),
        ({"worker": 0, "state": "failed", "failure": {"exitCode": 0}, "report": {}}, "failure is {'exitCode': 0}"),
        ({"worker": 0, "state": "running"}, "report is None"),
    ],
)
def test_a_message_that_makes_no_sense_is_refused_by_name(message: Json, named: str) -> None:
    with pytest.raises(MessageError, match="^" + named.replace("{", r"\{")):
        Table().coordinator.exchange(message)


def test_the_group_sums_up_its_workers() -> None:
    table = Table()
    table.joules = [10.0, 30.0]
    table.extra = [{"samples": 100, "ranksRunning": 2}, {"samples": 60, "ranksRunning": 1}]
    table.start()
    table.clock.now += 2
    table.extra = [{"samples": 180, "ranksRunning": 2}, {"samples": 140, "ranksRunning": 1}]
    table.everybody("running")
    group = table.coordinator.to_json()
    assert (group["watts"], group["samples"]) == (10.0, 320)
    assert group["samplesPerSecond"] == pytest.approx((320 - 160) / 2)
    assert group["energy"] == [
        {"component": "cpu", "source": "model", "watts": 10.0, "joules": 40.0, "lowJoules": 20.0, "highJoules": 80.0}
    ]
    assert group["workers"][1] == {
        "worker": 1, "ranks": 1, "step": 7, "watts": 5.0, "source": "model", "joules": 30.0
    }  # fmt: skip


def test_what_starting_anew_cost_is_lost_as_well_once_the_group_trains_again() -> None:
    table = Table()
    table.start()
    table.joules = [50.0, 50.0]
    restart(table)
    table.joules = [60.0, 60.0]
    table.extra[0] = {"phase": "starting"}
    table.say(0, "running")
    table.say(1, "running")
    assert "recoverySeconds" not in table.coordinator.to_json()["restarts"][0]
    table.extra[0] = {"phase": "training"}
    table.say(0, "running")
    table.say(0, "running")
    entry = table.coordinator.to_json()["restarts"][0]
    assert (entry["joulesLost"], entry["recoverySeconds"]) == (120.0, 0.0)  # all of it: there was no checkpoint
