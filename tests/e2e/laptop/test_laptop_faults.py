"""What is killed and stopped, with real workers: nothing is lost but time, and no process is left."""

import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

LONG = {"maxSteps": 1_000_000, "batchSize": 64}


def parent_of(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("victim", ["rank", "fork server"])
def test_a_killed_rank_costs_the_steps_since_the_checkpoint_and_in_deterministic_mode_nothing_else(
    laptop, write_job, tmp_path, victim
):
    file = write_job(training={"maxSteps": 300, "batchSize": 64, "deterministic": True})
    laptop.start(file)
    laptop.wait_until(lambda: laptop.status().get("checkpoint", {}).get("step", 0) >= 50)
    rank = laptop.rank(1)
    os.kill(rank if victim == "rank" else parent_of(rank), signal.SIGKILL)
    assert laptop.finish() == 0
    status = laptop.status()
    assert status["restartCount"] == 1
    [restart] = status["restarts"]
    assert (restart["rank"], restart["reason"], restart["exitCode"]) == (1, "Killed", -9)
    assert restart["resumedFromStep"] >= 50
    receipt = (laptop.directory / "receipt.md").read_text()
    assert "Killed" in receipt
    assert json.loads((laptop.directory / "receipt.json").read_bytes())["restarts"][0]["joulesLost"] >= 0
    killed = laptop.losses()

    laptop.directory = tmp_path / "never-killed"
    assert laptop.run(file) == 0
    assert laptop.status()["restartCount"] == 0
    assert laptop.losses() == killed  # bit for bit


def test_a_killed_command_leaves_no_process_and_the_next_one_goes_on(laptop, write_job):
    file = write_job(training=LONG)
    laptop.start(file)
    laptop.wait_until(lambda: laptop.status().get("checkpoint", {}).get("step", 0) >= 50)
    assert len(laptop.processes()) >= 7  # the command, two supervisors, two fork servers, two ranks
    laptop.signal(signal.SIGKILL)
    laptop.finish()
    step = laptop.step()
    laptop.start(file)  # at once: it waits for what the killed one left behind
    laptop.wait_until(lambda: laptop.step() > step)
    assert laptop.of("start")[0]["resumed"]
    assert laptop.status()["attempt"] == 2
    laptop.signal(signal.SIGKILL)
    laptop.finish()
    laptop.wait_for_no_process()


def test_however_often_the_command_is_killed_the_ledger_is_what_its_supervisors_left(laptop, write_job):
    """In the preparation, before the first step, in the training; and once with all of its supervisors."""
    file = write_job(training={"maxSteps": 600, "batchSize": 64})
    counted: dict[str, float] = {}

    def read_what_was_left() -> None:
        for left in (laptop.directory / "termination").glob("*.json"):
            message = json.loads(left.read_bytes())
            counted[message["uid"]] = sum(meter["joules"] for meter in message["energy"])

    def roles() -> set[str]:
        return {variables.get("WATTRAIN_ROLE", "") for variables in laptop.processes().values()}

    moments = [
        lambda: "prepare" in roles(),
        lambda: "worker" in roles(),
        lambda: laptop.step() >= 20,
        lambda: laptop.step() >= 100,
    ]
    for number, moment in enumerate(moments):
        laptop.start(file)
        laptop.wait_until(moment)
        laptop.signal(signal.SIGKILL)
        for pid in laptop.processes() if number == 3 else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        laptop.finish()
        laptop.wait_for_no_process()
        read_what_was_left()
    assert laptop.run(file) == 0
    read_what_was_left()
    energy = laptop.status()["energy"]
    lines = [json.loads(line) for line in (laptop.directory / "metrics.jsonl").read_text().splitlines()]
    watts = max(line.get("watts", 0.0) for line in lines)
    # Who was killed with the command may have said more than it had left: what it had sampled once more.
    assert sum(counted.values()) - 0.01 <= energy["joules"] <= sum(counted.values()) + 2 * watts
    assert len(counted) >= 8
    assert lines[-1]["phase"] == "done"
    assert lines[-1]["joules"] == pytest.approx(energy["joules"], abs=3 * watts)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_one_signal_saves_a_checkpoint_and_stops_and_the_next_run_goes_on_from_it(laptop, write_job, number):
    # Only a run that is stopped and goes on can tell; the other signals are seen to stop it.
    training = {"maxSteps": 2000, "batchSize": 64} if number == signal.SIGINT else LONG
    file = write_job(training=training, checkpoint={"every": {"steps": 1_000_000}})
    laptop.start(file)
    laptop.wait_until(lambda: laptop.step() > 20)
    laptop.signal(number)
    assert laptop.finish() == 130
    assert laptop.processes() == {}
    status = laptop.status()
    assert status["state"] == "Suspended"
    latest = (laptop.directory / "checkpoints" / "LATEST").read_text()
    stopped_at = int(latest.split(".")[0].removeprefix("step-"))
    assert stopped_at >= 20
    if number == signal.SIGINT:
        assert laptop.run(file) == 0
        assert laptop.status()["restartCount"] == 0
        lines = [json.loads(line) for line in (laptop.directory / "metrics.jsonl").read_text().splitlines()]
        steps = [line["step"] for line in lines if "phase" not in line]
        assert steps == list(range(1, 2001))  # no step twice, none left out


def test_two_signals_stop_at_once(laptop, write_job):
    laptop.start(write_job(training=LONG))
    laptop.wait_until(lambda: laptop.step() > 0)
    laptop.signal(signal.SIGINT)
    laptop.wait_until(lambda: laptop.status()["state"] in ("Suspending", "Suspended"))
    laptop.signal(signal.SIGINT)
    assert laptop.finish(10) == 130
    assert laptop.processes() == {}


def test_a_stop_saves_the_last_whole_step_while_a_rank_is_silent(laptop, write_job):
    laptop.start(write_job(training=LONG, checkpoint={"every": {"steps": 1_000_000}}))
    laptop.wait_until(lambda: laptop.step() > 20)
    os.kill(laptop.rank(1), signal.SIGSTOP)
    laptop.signal(signal.SIGINT)
    assert laptop.finish() == 130
    assert laptop.processes() == {}
    status = laptop.status()
    assert status["state"] == "Suspended"
    assert status["checkpoint"]["step"] >= 20
    assert status["restartCount"] == 0
    assert f"from the checkpoint of step {status['checkpoint']['step']}" in str(laptop.lines[-1])


def test_a_damaged_checkpoint_is_told_on_the_screen_and_in_the_receipt(laptop, write_job):
    checkpoint = {"every": {"steps": 50}, "keep": 3, "async": False}
    file = write_job(training={"maxSteps": 1000, "batchSize": 64}, checkpoint=checkpoint)
    laptop.start(file)
    laptop.wait_until(lambda: laptop.status().get("checkpoint", {}).get("step", 0) >= 100)
    laptop.signal(signal.SIGKILL)
    laptop.finish()
    laptop.wait_for_no_process()
    *_, before, newest = sorted((laptop.directory / "checkpoints").glob("step-*/manifest.json"))
    shard = next(newest.parent.glob("*.distcp"))
    shard.write_bytes(shard.read_bytes()[:-1])
    steps = [json.loads(manifest.read_bytes())["step"] for manifest in (before, newest)]

    assert laptop.run(file) == 0
    [told] = [line for line in laptop.of("event") if line["reason"] == "CheckpointDamaged"]
    assert f"the checkpoint of step {steps[1]} is damaged ({shard.name} has " in told["message"]
    assert told["message"].endswith(f"the training went on from step {steps[0]}")
    assert f"| step {steps[1]} | " in (laptop.directory / "receipt.md").read_text()
    [kept] = json.loads((laptop.directory / "receipt.json").read_bytes())["damagedCheckpoints"]
    assert (kept["step"], kept["resumedFromStep"]) == (steps[1], steps[0])
