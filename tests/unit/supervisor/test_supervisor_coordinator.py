"""The coordinator's decisions, with clocks that stand still until a test moves them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.group_exchange import CoordinatorReply, MemberMessage, MemberReport, MemberState
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Checkpoint, PowerReading, RestartInPlace, Resumed, WorkerSummary
from wattrain_worker.supervisor.coordinator import Coordinator, MessageError, poll_interval_seconds

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
        self.extra: list[dict[str, Any]] = [{} for _ in range(workers)]

    def say(
        self, worker: int, state: str, failure: Failure | None = None, *, leaving: bool = False
    ) -> CoordinatorReply:
        joules = self.joules[worker]
        power = PowerReading("cpu", "model", joules, 0.5 * joules, 2 * joules, watts=5.0, device="")
        report = MemberReport(step=7, samples=10, power=(power,), node=f"node-{worker}")
        reply = self.coordinator.exchange(
            MemberMessage(
                worker,
                MemberState(state),
                replace(report, **self.extra[worker]),
                self.generation[worker],
                f"10.0.0.{worker}",
                failure,
                leaving,
            )
        )
        if reply.action == "run":
            self.generation[worker] = reply.generation
        return reply

    def fail(self, worker: int, exit_code: int, line: str = "", step: int = 7) -> CoordinatorReply:
        failure = Failure(
            reasons.meaning_of_exit(exit_code).reason,
            exit_code,
            worker=worker,
            rank=2 * worker,
            node=f"node-{worker}",
            last_line=line,
            step=step,
        )
        return self.say(worker, "failed", failure)

    def everybody(self, state: str) -> list[str]:
        return [str(self.say(worker, state).action) for worker in range(self.workers)]

    def start(self) -> None:
        self.everybody("waiting")
        assert self.everybody("waiting") == ["run"] * self.workers
        self.everybody("running")

    def fail_and_settle(self, worker: int, exit_code: int, **more: Any) -> CoordinatorReply:
        self.fail(worker, exit_code, **more)
        self.clock.now += 0.6
        return self.fail(worker, exit_code, **more)


def test_a_generation_starts_when_all_workers_wait() -> None:
    table = Table(workers=3)
    assert [table.say(w, "waiting").action for w in (0, 1, 0, 1)] == ["wait"] * 4
    reply = table.say(2, "waiting")
    assert (reply.action, reply.generation, reply.workers) == ("run", 0, 3)
    assert (reply.master_addr, reply.master_port, reply.restart_reason) == ("10.0.0.0", 20_000, "")
    assert table.say(0, "waiting") == table.say(1, "waiting") == reply


def test_the_end_of_all_is_success_and_each_is_told() -> None:
    table = Table()
    table.start()
    assert table.say(0, "done").action == "run"
    assert table.say(1, "done").exit_code == 0
    assert not table.coordinator.everyone_knows
    assert table.say(0, "done").action == "exit"
    assert table.coordinator.everyone_knows


def test_a_failure_restarts_the_group_once_all_have_stopped() -> None:
    table = Table()
    table.start()
    assert table.fail(1, -9).action == "run"  # others may have failed before it
    assert table.say(0, "running").action == "run"
    table.clock.now += 0.5
    assert table.say(0, "running").action == "stop"
    assert table.coordinator.progress().restarts == ()
    assert table.fail(1, -9).action == "stop"
    assert table.say(1, "waiting").action == "wait"
    assert table.say(0, "running").action == "stop"
    reply = table.say(0, "waiting")
    assert (reply.action, reply.generation, reply.master_port) == ("run", 1, 20_001)
    assert reply.restart_reason == "Killed"
    (restart,) = table.coordinator.progress().restarts
    killed = Failure("Killed", -9, worker=1, rank=2, node="node-1", step=7)
    assert restart == RestartInPlace(time=WALL, failure=killed, generation=0, resumed_from_step=0, joules_lost=0.0)


def test_nobody_is_waited_for_when_all_have_failed() -> None:
    table = Table()
    table.start()
    table.fail(0, 75)
    assert table.fail(1, -9).action == "stop"


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
    assert reply.action == "exit"
    assert reply.cause is not None
    assert (reply.cause.worker, reply.cause.rank) == (culprit, 2 * culprit)


def restart(table: Table, worker: int = 1, exit_code: int = -9, **more: Any) -> CoordinatorReply:
    """A failure and all that follows; the last reply to the worker."""
    reply = table.fail_and_settle(worker, exit_code, **more)
    if reply.action == "stop":
        table.start()
    return reply


def test_restarts_in_place_go_on_until_the_budget_is_spent() -> None:
    table = Table(restarts_left=2)
    table.start()
    assert [restart(table).action for _ in range(3)] == ["stop", "stop", "exit"]
    reply = table.say(0, "running")
    assert (reply.exit_code, reply.generation, reply.cause.reason) == (137, 2, "Killed")


def test_a_committed_checkpoint_renews_the_budget() -> None:
    table = Table(restarts_left=1)
    table.start()
    assert restart(table).action == "stop"
    table.extra[0] = {"checkpoint": Checkpoint(100, time=1.0)}
    table.say(0, "running")
    assert restart(table).action == "stop"
    assert table.coordinator.progress().restarts[1].resumed_from_step == 100
    assert restart(table).action == "exit"  # the same checkpoint again is none


def test_a_checkpoint_that_is_no_further_than_the_newest_renews_no_budget() -> None:
    table = Table(restarts_left=2)
    table.start()
    replies = []
    for moment, step in enumerate((100, 100, 90, 100)):  # each generation commits once, and then fails again
        table.extra[0] = {"checkpoint": Checkpoint(step, time=float(moment))}
        table.say(0, "running")
        replies.append(restart(table).action)
    assert replies == ["stop", "stop", "exit", "exit"]


def test_lost_joules_are_those_since_the_checkpoint_or_the_last_restart() -> None:
    table = Table(restarts_left=5)
    table.start()
    table.joules = [10.0, 20.0]
    table.everybody("running")
    table.extra[0] = {"checkpoint": Checkpoint(5, time=1.0)}
    table.say(0, "running")
    assert table.coordinator.checkpoint == Checkpoint(5, time=1.0, group_joules=30.0)
    table.joules = [14.0, 27.0]
    table.everybody("running")
    restart(table)
    table.joules = [15.0, 29.0]
    table.everybody("running")
    restart(table)
    assert [r.joules_lost for r in table.coordinator.progress().restarts] == [11.0, 3.0]


def test_where_the_ranks_really_went_on_corrects_the_restart() -> None:
    table = Table()
    table.start()
    table.extra[0] = {"checkpoint": Checkpoint(100, time=1.0)}
    table.say(0, "running")
    restart(table)
    table.extra[0]["resumed"] = Resumed(50)
    table.say(0, "running")
    assert table.coordinator.progress().restarts[0].resumed_from_step == 50


def test_the_same_failure_twice_at_the_same_step_is_for_good() -> None:
    table = Table(restarts_left=100)
    table.start()
    assert restart(table, 1, 1, line="ValueError").action == "stop"
    reply = restart(table, 0, 1, line="ValueError")
    assert (reply.exit_code, reply.cause.reason) == (67, "ProgramFailsTheSameWay")
    assert (reply.cause.exit_code, reply.cause.last_line) == (1, "ValueError")


@pytest.mark.parametrize(
    "second",
    [
        {"exit_code": 2, "line": "ValueError", "step": 7},
        {"exit_code": 1, "line": "KeyError", "step": 7},
        {"exit_code": 1, "line": "ValueError", "step": 8},
    ],
)
def test_another_failure_is_tried_again(second: dict[str, Any]) -> None:
    table = Table(restarts_left=100)
    table.start()
    restart(table, 1, 1, line="ValueError", step=7)
    assert restart(table, 1, **second).action == "stop"


@pytest.mark.parametrize("exit_code", [-9, -11, 75, 76, 77])
def test_what_says_nothing_about_the_program_is_tried_again(exit_code: int) -> None:
    table = Table(restarts_left=100)
    table.start()
    assert [restart(table, 1, exit_code, line="gone").action for _ in range(3)] == ["stop"] * 3


@pytest.mark.parametrize("exit_code", [64, 65, 66, 67, 70])
def test_permanent_exit_codes_end_the_group_at_once(exit_code: int) -> None:
    table = Table(restarts_left=100)
    table.start()
    assert table.fail_and_settle(1, exit_code).exit_code == exit_code


def test_a_member_that_vanishes_is_named_and_the_others_give_up() -> None:
    table = Table(workers=3)
    table.start()
    for _ in range(60):
        table.clock.now += 0.5
        replies = [table.say(0, "running"), table.say(2, "running")]
    assert [r.action for r in replies] == ["run", "run"]  # 30.0 s exactly
    table.clock.now += 0.1
    reply = table.say(0, "running")
    assert (reply.action, reply.exit_code) == ("exit", 75)
    line = "worker 1 has not been heard of for 30 s"
    assert reply.cause == Failure("WorkerLost", worker=1, node="node-1", last_line=line, step=7)


def test_a_member_that_vanishes_while_the_others_wait_is_no_restart() -> None:
    table = Table()
    table.start()
    table.fail_and_settle(0, 75)
    for _ in range(80):
        table.clock.now += 0.4
        reply = table.say(0, "waiting")
    assert (reply.exit_code, reply.cause.reason) == (75, "WorkerLost")
    assert table.coordinator.progress().restarts == ()


def test_a_member_not_yet_seen_is_waited_for_as_long_as_it_takes() -> None:
    table = Table()
    for _ in range(1000):
        assert table.say(0, "waiting").action == "wait"
        table.clock.now += 1.0
    assert table.say(1, "waiting").action == "run"


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
    assert table.say(1, "running").action == "run"


def test_all_that_stop_by_agreement_exit_with_143() -> None:
    table = Table()
    table.start()
    assert table.say(0, "stopped").action == "run"
    assert table.say(1, "stopped").exit_code == 143
    assert table.say(0, "stopped").exit_code == 143


def test_a_worker_that_leaves_takes_the_group_with_it() -> None:
    table = Table()
    table.start()
    table.say(1, "stopped", leaving=True)
    table.fail(0, 75)
    reply = table.say(0, "running")
    table.clock.now += 0.6
    reply = table.say(0, "running")
    assert (reply.action, reply.exit_code, reply.cause) == ("exit", 143, None)
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
    assert len(table.coordinator.progress().restarts) == 1


@pytest.mark.parametrize(
    ("message", "named"),
    [
        (MemberMessage(2, MemberState.RUNNING, MemberReport()), "worker is 2"),
        (MemberMessage(0, MemberState.FAILED, MemberReport()), "failure is None"),
        (MemberMessage(0, MemberState.FAILED, MemberReport(), failure=Failure(exit_code=0)), "failure is Failure"),
    ],
)
def test_a_message_that_makes_no_sense_is_refused_by_name(message: MemberMessage, named: str) -> None:
    with pytest.raises(MessageError, match=f"^{named}"):
        Table().coordinator.exchange(message)


def test_the_group_sums_up_its_workers() -> None:
    table = Table()
    table.joules = [10.0, 30.0]
    table.extra = [{"samples": 100, "ranks_running": 2}, {"samples": 60, "ranks_running": 1}]
    table.start()
    table.clock.now += 2
    table.extra = [{"samples": 180, "ranks_running": 2}, {"samples": 140, "ranks_running": 1}]
    table.everybody("running")
    group = table.coordinator.progress()
    assert (group.watts, group.samples) == (10.0, 320)
    assert group.samples_per_second == pytest.approx((320 - 160) / 2)
    assert group.energy == (PowerReading("cpu", "model", 40.0, 20.0, 80.0, watts=10.0),)
    energy = (PowerReading("cpu", "model", 30.0, 15.0, 60.0, watts=5.0),)
    assert group.workers[1] == WorkerSummary(1, 1, 7, 5.0, "model", 30.0, energy)


def test_the_group_names_its_workers_by_their_uids_and_one_that_was_replaced_by_its_new_one() -> None:
    table = Table()
    table.joules = [10.0, 30.0]
    table.extra = [{"uid": "first"}, {"uid": "second"}]
    table.everybody("waiting")
    table.joules[1], table.extra[1] = 4.0, {"uid": "third"}
    table.everybody("waiting")
    group = table.coordinator.progress()
    assert [(worker.uid, worker.joules) for worker in group.workers] == [("first", 10.0), ("third", 4.0)]


def test_the_joules_of_the_group_do_not_fall_when_a_worker_is_replaced() -> None:
    table = Table()
    table.joules = [10.0, 30.0]
    table.extra = [{"uid": "first"}, {"uid": "second"}]
    table.everybody("waiting")
    for number in range(20):
        table.joules[1], table.extra[1] = 4.0, {"uid": f"new {number}"}
        table.everybody("waiting")
    group = table.coordinator.progress()
    assert table.coordinator.figures[1] == sum(reading.joules for reading in group.energy) == 40 + 20 * 4
    assert group.watts == 10.0  # what is gone draws nothing
    assert [(w.uid, w.joules) for w in group.replaced] == [(f"new {number}", 4.0) for number in range(3, 19)]


def test_what_starting_anew_cost_is_lost_as_well_once_the_group_trains_again() -> None:
    table = Table()
    table.start()
    table.joules = [50.0, 50.0]
    restart(table)
    table.joules = [60.0, 60.0]
    table.extra[0] = {"phase": Phase.STARTING}
    table.say(0, "running")
    table.say(1, "running")
    assert table.coordinator.progress().restarts[0].recovery_seconds is None
    table.extra[0] = {"phase": Phase.TRAINING}
    table.say(0, "running")
    table.say(0, "running")
    entry = table.coordinator.progress().restarts[0]
    assert (entry.joules_lost, entry.recovery_seconds) == (120.0, 0.0)  # all of it: there was no checkpoint


def test_a_directive_goes_out_with_every_reply_and_is_taken_when_all_workers_say_so() -> None:
    table = Table()
    table.start()
    assert (table.say(0, "running").directive, table.coordinator.directive_version) == (None, None)
    table.coordinator.direct(Directive(3, checkpoint=True))
    table.coordinator.direct(Directive(2, stop_at_step=0))  # an older one, which came late
    assert [table.say(worker, "running").directive for worker in (0, 1)] == [Directive(3, checkpoint=True)] * 2
    table.extra[0] = {"directive_version": 3}
    table.say(0, "running")
    assert table.coordinator.directive_version is None
    table.extra[1] = {"directive_version": 3}
    table.say(1, "running")
    assert table.coordinator.directive_version == 3
    table.coordinator.direct(Directive(4))
    table.extra[1] = {"directive_version": 4}
    table.say(1, "running")
    assert table.coordinator.directive_version == 3


BROKEN = "RuntimeError: [gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.0.0.1]:4242"


def _leave_early(table: Table, worker: int) -> None:
    table.extra[worker] = {"ranks_done": (2 * worker,)}
    table.say(worker, "done")


def test_a_rank_that_leaves_early_is_named_and_not_the_survivor_whose_connection_broke() -> None:
    table = Table(restarts_left=0)
    table.start()
    _leave_early(table, 1)
    reply = table.fail_and_settle(0, 1, line=BROKEN)
    assert (reply.action, reply.exit_code) == ("exit", 1)
    assert reply.cause == Failure(
        "RankLeftEarly", 0, worker=1, rank=2, node="node-1", step=7,
        last_line=f"rank 0, which still needed it, then ended with exit code 1: {BROKEN}",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("exit_code", "line"), [(1, "OSError: [Errno 28] No space left on device"), (65, BROKEN), (-9, "")]
)
def test_a_rank_that_is_done_is_not_blamed_for_a_failure_of_anothers_own(exit_code: int, line: str) -> None:
    table = Table(restarts_left=0)
    table.start()
    _leave_early(table, 1)
    reply = table.fail_and_settle(0, exit_code, line=line)
    assert reply.cause is not None
    assert (reply.cause.worker, reply.cause.exit_code) == (0, exit_code)


def test_who_failed_goes_before_who_left() -> None:
    table = Table(workers=3, restarts_left=0)
    table.start()
    _leave_early(table, 2)
    table.fail(0, 1, line="ValueError: no such column")
    table.clock.now += 0.1
    table.fail(1, 1, line=BROKEN)
    table.clock.now += 0.6
    reply = table.say(2, "done")
    assert reply.cause is not None
    assert (reply.cause.worker, reply.cause.last_line) == (0, "ValueError: no such column")


def test_a_rank_that_leaves_early_is_restarted_with_its_group() -> None:
    table = Table(restarts_left=1)
    table.start()
    _leave_early(table, 1)
    assert table.fail_and_settle(0, 1, line=BROKEN).action == "stop"
    table.start()
    (restart,) = table.coordinator.progress().restarts
    assert (restart.failure.reason, restart.failure.rank) == ("RankLeftEarly", 2)


def _fail_with_143(table: Table, worker: int, *, stopping: int | None = None) -> CoordinatorReply:
    """A script's rank of `worker` ends with 143, while worker `stopping` is being stopped."""
    if stopping is not None:
        report = MemberReport(step=7)
        table.coordinator.exchange(MemberMessage(stopping, MemberState.RUNNING, report, stopping=True))
    failure = Failure("ProgramFailed", 143, worker=worker)
    table.say(worker, "failed", failure)
    table.clock.now += 0.6
    return table.say(worker, "failed", failure)


def test_143_that_nobody_asked_for_is_a_failure() -> None:
    table = Table(restarts_left=0)
    table.start()
    reply = _fail_with_143(table, 1)
    assert (reply.action, reply.exit_code, reply.cause) == ("exit", 1, Failure("ProgramFailed", 143, worker=1))


def test_143_of_a_script_whose_peer_is_being_stopped_is_none() -> None:
    table = Table(restarts_left=0)
    table.start()
    reply = _fail_with_143(table, 1, stopping=0)
    assert (reply.action, reply.exit_code, reply.cause) == ("exit", 143, None)
