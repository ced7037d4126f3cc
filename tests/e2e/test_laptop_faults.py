"""What is killed and stopped, with real workers: nothing is lost but time, and no process is left."""

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
        steps = [json.loads(line)["step"] for line in (laptop.directory / "metrics.jsonl").read_text().splitlines()]
        assert steps == list(range(1, 2001))  # no step twice, none left out


def test_two_signals_stop_at_once(laptop, write_job):
    laptop.start(write_job(training=LONG))
    laptop.wait_until(lambda: laptop.step() > 0)
    laptop.signal(signal.SIGINT)
    laptop.wait_until(lambda: laptop.status()["state"] in ("Suspending", "Suspended"))
    laptop.signal(signal.SIGINT)
    assert laptop.finish(10) == 130
    assert laptop.processes() == {}
