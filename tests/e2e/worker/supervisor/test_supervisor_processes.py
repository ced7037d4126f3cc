"""Supervisors as they really run: processes, signals, sockets."""

from __future__ import annotations

import os
import signal
import socket
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, and ranks die by PDEATHSIG")

STEPS = """
for step in range(1, 6):
    report(step=step, total_steps=5, epoch=0, loss=1 / step, learning_rate=0.1, samples=8, steps=1, step_seconds=0.01)
"""


def test_a_group_that_is_done_ends_with_0_and_has_recorded_every_step(group: Any) -> None:
    group.start(STEPS, workers=2, processes=2)
    assert group.exit_codes() == [0, 0]
    *lines, last = group.metrics()
    assert [(line["step"], line["loss"]) for line in lines] == [(s, 1 / s) for s in range(1, 6)]
    assert (last["step"], last["phase"], "loss" in last) == (5, "done", False)
    meters = [meter for worker in range(2) for meter in group.termination(worker)["energy"]]
    a_second = sum(meter["watts"] for meter in meters)
    assert last["joules"] == pytest.approx(sum(meter["joules"] for meter in meters), abs=2 * a_second)
    assert all(line["attempt"] == 1 and line["generation"] == 0 for line in group.metrics())
    message = group.termination()
    assert (message["exitCode"], message["step"], message["phase"], message["generation"]) == (0, 5, "done", 0)
    assert "cause" not in message
    assert all(meter["lowJoules"] <= meter["joules"] <= meter["highJoules"] for meter in message["energy"])


def test_a_supervisor_that_is_killed_has_left_what_it_had_counted_until_a_second_before(group: Any, wait: Any) -> None:
    group.start('print("the last line", flush=True)\nreport(step=4)\nwait_for("never")')
    group.rank_pid(0)
    wait.until(lambda: group.termination()["step"] == 4, "the step has been left")
    counted = sum(meter["joules"] for meter in group.progress()["power"])
    wait.until(lambda: sum(m["joules"] for m in group.termination()["energy"]) >= counted, "those joules are left too")
    group.processes[0].send_signal(signal.SIGKILL)
    group.exit_code(0)
    left = group.termination()
    assert (left["uid"], left["attempt"], left["lastLine"], "exitCode" in left) == ("uid-0", 1, "the last line", False)


def test_a_supervisor_counts_what_it_used_before_its_first_sample(group: Any, wait: Any) -> None:
    """An interpreter that takes long to start: 0.5 CPU seconds before the supervisor is imported."""
    (group.directory / "sitecustomize.py").write_text("import time\nwhile time.process_time() < 0.5: pass\n")
    group.start('wait_for("go")', environ={"PYTHONPATH": str(group.directory), "WATTRAIN_CPU_LIMIT": "1"})
    group.release("go")
    assert group.exit_codes() == [0]
    (cpu,) = [meter for meter in group.termination()["energy"] if meter["component"] == "cpu"]
    assert cpu["joules"] >= 0.5 * 3.5  # at full load


def test_a_rank_finds_what_torch_distributed_reads(group: Any) -> None:
    script = """
if os.fork() == 0:
    os._exit(0)
names = "RANK WORLD_SIZE LOCAL_RANK LOCAL_WORLD_SIZE MASTER_ADDR WATTRAIN_GROUP_TOKEN WATTRAIN_LISTEN_FD".split()
print(*(f"{name}={os.environ.get(name)}" for name in names), "group leader" if os.getpgrp() == os.getpid() else "")
"""
    group.start(script, workers=2, processes=2)
    assert group.exit_codes() == [0, 0]
    (kept,) = group.termination(1)["lastLines"]
    assert kept.startswith("RANK=2 WORLD_SIZE=4")
    lines = sorted(group.log(0).splitlines() + group.log(1).splitlines())
    assert lines == [
        f"[rank {rank}] RANK={rank} WORLD_SIZE=4 LOCAL_RANK={rank % 2} LOCAL_WORLD_SIZE=2 MASTER_ADDR=127.0.0.1 "
        "WATTRAIN_GROUP_TOKEN=None WATTRAIN_LISTEN_FD=None group leader"
        for rank in range(4)
    ]


def test_a_killed_rank_restarts_the_group_in_place_and_the_restart_is_explained(group: Any, wait: Any) -> None:
    script = """
report(resumed={"step": 0 if generation == 0 else 3})
report(step=4, loss=0.5, samples=8)
if generation == 0 and rank == 0:
    report(checkpoint={"step": 3, "path": "step-3", "seconds": 0.1, "blockedSeconds": 0.01, "bytes": 10})
wait_for("go" if generation else "never")
"""
    group.start(script, workers=2)
    first = [group.rank_pid(rank) for rank in range(2)]
    wait.until(lambda: group.progress().get("checkpoint"), "the checkpoint is known")
    wait.until(lambda: group.progress(1)["step"] == 4, "worker 1 has made its steps")
    os.kill(first[1], signal.SIGKILL)
    assert group.rank_pid(0, generation=1) != first[0]
    assert group.rank_pid(1, generation=1) != first[1]
    wait.until(lambda: group.progress()["group"]["restarts"][0]["resumedFromStep"] == 3, "the ranks have resumed")
    assert not any(wait.is_alive(pid) for pid in first)
    (restart,) = group.progress()["group"]["restarts"]
    kept = ("generation", "worker", "rank", "node", "reason", "exitCode", "step", "resumedFromStep")
    assert {key: restart[key] for key in kept} == {
        "generation": 0, "worker": 1, "rank": 1, "node": "node-1", "reason": "Killed", "exitCode": -9, "step": 4,
        "resumedFromStep": 3,
    }  # fmt: skip
    assert restart["joulesLost"] >= 0
    told = [(worker["worker"], worker["uid"]) for worker in group.progress()["group"]["workers"]]
    assert (told, group.progress(1)["uid"]) == ([(0, "uid-0"), (1, "uid-1")], "uid-1")
    assert [p["generation"] for p in (group.progress(0), group.progress(1))] == [1, 1]
    group.release("go")
    assert group.exit_codes() == [0, 0]


def test_a_failure_names_the_worker_by_its_index_and_the_rank_by_its_global_number(group: Any, wait: Any) -> None:
    """With two processes a worker, worker 1 has ranks 2 and 3; rank 1 is on worker 0."""
    group.start('report(step=4)\nwait_for("never")', workers=2, processes=2)
    pids = [group.rank_pid(rank) for rank in range(4)]
    wait.until(lambda: group.progress(1)["step"] == 4, "worker 1 is heard")
    os.kill(pids[3], signal.SIGKILL)
    (restart,) = wait.until(lambda: group.progress()["group"]["restarts"], "the group restarts")
    assert (restart["worker"], restart["rank"], restart["node"]) == (1, 3, "node-1")
    second = [group.rank_pid(rank, generation=1) for rank in range(4)]
    group.processes[1].send_signal(signal.SIGKILL)  # the worker as a whole: no rank of it can be named
    wait.until(lambda: not any(wait.is_alive(pid) for pid in second[2:]), "its ranks are gone")
    assert group.exit_code(0) == 75
    cause = group.termination(0)["cause"]
    assert (cause["reason"], cause["worker"], cause["node"], "rank" in cause) == ("WorkerLost", 1, "node-1", False)


def test_each_generation_has_a_port_of_its_own_and_knows_why_it_was_started(group: Any) -> None:
    script = """
print("port", os.environ["MASTER_PORT"], "after", repr(os.environ["WATTRAIN_RESTART_REASON"]))
if generation == 0:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    group.start(script)
    assert group.exit_codes() == [0]
    first, second = (line.split() for line in group.log().splitlines())
    assert first[3] != second[3]
    assert (first[5], second[5]) == ("''", "'Killed'")


def test_the_same_failure_at_the_same_step_twice_ends_the_group_for_good(group: Any) -> None:
    script = """
report(step=7)
if rank == 1:
    sys.exit("ValueError: no such column")
wait_for("never")
"""
    group.start(script, workers=2, environ={"WATTRAIN_RESTARTS_LEFT": "100"})
    assert group.exit_codes() == [67, 67]
    for worker in range(2):
        message = group.termination(worker)
        assert (message["exitCode"], message["generation"]) == (67, 1)
        assert message["cause"] == {
            "worker": 1, "rank": 1, "node": "node-1", "reason": "ProgramFailsTheSameWay", "exitCode": 1,
            "lastLine": "ValueError: no such column", "step": 7,
        }  # fmt: skip


def test_a_spent_budget_ends_the_group_with_the_cause_in_every_termination_message(group: Any) -> None:
    script = """
if rank == 1:
    os.kill(os.getpid(), signal.SIGSEGV)
wait_for("never")
"""
    group.start(script, workers=2, environ={"WATTRAIN_RESTARTS_LEFT": "1"})
    assert group.exit_codes() == [128 + signal.SIGSEGV] * 2
    causes = [group.termination(worker)["cause"] for worker in range(2)]
    assert [(c["rank"], c["reason"], c["exitCode"]) for c in causes] == [(1, "Crashed", -signal.SIGSEGV)] * 2
    assert group.termination()["generation"] == 1


def test_an_exit_code_of_a_script_is_retried_and_told_as_it_is(group: Any) -> None:
    group.start("sys.exit(65)", environ={"WATTRAIN_RESTARTS_LEFT": "100"})
    assert group.exit_codes() == [67]  # the same again
    cause = group.termination()["cause"]
    assert (cause["reason"], cause["exitCode"], group.termination()["generation"]) == ("ProgramFailsTheSameWay", 65, 1)


def test_ranks_die_with_a_supervisor_that_is_killed(group: Any, wait: Any) -> None:
    group.start('wait_for("never")', processes=2)
    pids = [group.rank_pid(rank) for rank in range(2)]
    group.processes[0].send_signal(signal.SIGKILL)
    wait.until(lambda: not any(wait.is_alive(pid) for pid in pids), "the ranks are gone")


def test_helpers_that_a_rank_leaves_behind_are_ended(group: Any, wait: Any) -> None:
    script = """
helper = os.fork()
if helper == 0:
    wait_for("never")
(here / "helper").write_text(str(helper))
"""
    group.start(script)
    assert group.exit_codes() == [0]
    helper = int((group.directory / "helper").read_text())
    wait.until(lambda: not wait.is_alive(helper), "the helper is gone")


SAVES_WHEN_ASKED = """
def save(*_):
    report(step=9, checkpoint={"step": 9, "path": "step-9"})
    print("saved")
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
report(phase="training", step=8)
wait_for("never")
"""


def test_sigterm_lets_the_ranks_save_and_exits_with_143(group: Any, wait: Any) -> None:
    group.start(SAVES_WHEN_ASKED, processes=2)
    wait.until(lambda: group.get("/healthz")[0] == 200 and group.progress()["step"] == 8, "the training runs")
    [group.rank_pid(rank) for rank in range(2)]
    wait.until(lambda: group.progress()["ranksRunning"] == 2, "both ranks run")
    group.processes[0].send_signal(signal.SIGTERM)
    assert group.exit_codes() == [143]
    message = group.termination()
    assert (message["exitCode"], message["checkpointStep"], "cause" in message) == (143, 9, False)
    assert "saved" in group.log()


def test_sigterm_to_one_worker_stops_the_group(group: Any, wait: Any) -> None:
    group.start(SAVES_WHEN_ASKED, workers=2)
    for worker in range(2):
        wait.until(lambda worker=worker: group.progress(worker)["step"] == 8, "the training runs")
    group.processes[1].send_signal(signal.SIGTERM)
    assert group.exit_codes() == [143, 143]
    assert "saved" in group.log(0)
    assert "saved" in group.log(1)


def test_the_end_of_the_launcher_stops_the_ranks(group: Any, wait: Any) -> None:
    group.start(SAVES_WHEN_ASKED, workers=2)
    for worker in range(2):
        wait.until(lambda worker=worker: group.progress(worker)["step"] == 8, "the training runs")
    group.close_parent()
    assert group.exit_codes() == [143, 143]


def test_ranks_that_ignore_sigterm_are_killed_after_the_grace(group: Any, wait: Any) -> None:
    script = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
report(step=1)
wait_for("never")
"""
    group.start(script, environ={"WATTRAIN_GRACE_SECONDS": "0.3"})
    wait.until(lambda: group.progress()["step"] == 1, "the rank ignores SIGTERM")
    pid = group.rank_pid(0)
    group.processes[0].send_signal(signal.SIGTERM)
    assert group.exit_codes() == [137]
    assert group.termination()["cause"]["reason"] == "Killed"
    assert not wait.is_alive(pid)


def test_a_port_in_use_is_said_once_and_the_training_goes_on(group: Any) -> None:
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        group.start(STEPS, environ={"WATTRAIN_LISTEN_FD": "", "WATTRAIN_PORT": port})
        assert group.exit_codes() == [0]
    assert group.said().count(f"WATTRAIN_PORT is {port}") == 1
    assert group.termination()["step"] == 5


def test_worker_0_of_a_group_refuses_a_port_in_use(group: Any) -> None:
    with socket.create_server(("", 0)) as taken:
        port = str(taken.getsockname()[1])
        group.start(STEPS, workers=2, environ={"WATTRAIN_LISTEN_FD": "", "WATTRAIN_PORT": port})
        assert group.exit_code(0) == 64
    assert "Set WATTRAIN_PORT to a free port" in group.termination()["cause"]["lastLine"]


def test_numbers_that_a_script_prints_appear_in_progress(group: Any, wait: Any) -> None:
    patterns = {"loss": "loss=([0-9.]+)", "step": "step ([0-9]+)"}
    script = 'print("step 3: loss=0.5 and so on"); wait_for("go")'
    group.start(script, spec={"script": {"metricPatterns": patterns}})
    progress = wait.until(lambda: (p := group.progress()).get("loss") is not None and p, "the loss is found")
    assert (progress["loss"], progress["step"]) == (0.5, 3)
    group.release("go")
    assert group.exit_codes() == [0]
    assert [(line["step"], line.get("loss")) for line in group.metrics()] == [(3, 0.5), (3, None)]


def test_garbage_on_the_report_socket_is_ignored(group: Any) -> None:
    script = """
import socket
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.connect(os.environ["WATTRAIN_REPORT_SOCKET"])
for garbage in (b"", b"{", b"\\xff\\xfe", b"[1]", b'{"rank": "x"}', b'{"step": NaN}', b"[" * 5000, b'{"step": 1e400}'):
    sender.send(garbage)
report(step=2, loss=0.25)
"""
    group.start(script)
    assert group.exit_codes() == [0]
    assert (group.termination()["step"], group.termination()["loss"]) == (2, 0.25)


def test_a_command_that_does_not_exist_is_a_bad_spec(group: Any) -> None:
    group.start("", spec={"script": {"command": ["no-such-program"]}})
    assert group.exit_codes() == [64]
    cause = group.termination()["cause"]
    assert cause["reason"] == "BadSpec"
    assert (
        cause["lastLine"]
        == "wattrain: script.command: 'no-such-program' cannot be executed (No such file or directory)"
    )


def test_a_bad_configuration_names_the_variable_the_value_and_the_remedy(group: Any) -> None:
    group.start("", environ={"WATTRAIN_WORKERS": "two"})
    assert group.exit_codes() == [64]
    sentence = "WATTRAIN_WORKERS is 'two': write an integer from 1 to 2147483647"
    assert group.said() == f"wattrain: {sentence}\n"
    assert group.termination()["cause"]["lastLine"] == sentence


def test_places_that_cannot_be_written_are_said_and_the_training_goes_on(group: Any) -> None:
    nowhere = "/proc/nowhere/file"
    variables = (
        "WATTRAIN_LOG_FILE", "WATTRAIN_METRICS_FILE", "WATTRAIN_TERMINATION_FILE", "WATTRAIN_KEPT_LOG_FILE",
    )  # fmt: skip
    group.start('print("still here")\n' + STEPS, environ=dict.fromkeys(variables, nowhere))
    assert group.exit_codes() == [0]
    assert "[rank 0] still here" in group.said()
    assert group.said().count(nowhere) == 4


def test_records_that_cannot_be_written_are_told_of_once_each_and_the_training_goes_on(group: Any) -> None:
    files = {"WATTRAIN_METRICS_FILE": "/dev/full", "WATTRAIN_KEPT_LOG_FILE": "/proc/nowhere/worker-0.log"}
    group.start('print("still here")\n' + STEPS, environ=files)
    assert group.exit_codes() == [0]
    said = {notice["message"].partition(" ")[0]: notice["reason"] for notice in group.termination()["notices"]}
    assert said == dict.fromkeys(files.values(), "RecordsIncomplete")
    assert len(group.termination()["notices"]) == 2
    assert "[rank 0] still here" in group.log()
