"""`wattrain run` of several jobs with real workers, under the limit of their power domain."""

import json
import signal
from datetime import datetime

import pytest


def write(path, kind, **spec):
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": kind, "metadata": {"name": path.stem}, "spec": spec}
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


@pytest.fixture
def files(tmp_path):
    """Two jobs, the one of lower priority first, and a power domain that lets one run at once."""

    def made(**spec):
        return (
            write(tmp_path / "low.yaml", "TrainingJob", **spec),
            write(tmp_path / "high.yaml", "TrainingJob", queue={"priority": 10}, **spec),
            write(tmp_path / "default.yaml", "PowerDomain", maxRunningJobs=1),
        )

    return made


def events(laptop, job):
    """Reason and time of the first event of each kind, in order."""
    lines = (laptop.directory / job / "events.jsonl").read_text().splitlines()
    found = {}
    for event in map(json.loads, lines):
        found.setdefault(event["reason"], datetime.fromisoformat(event["time"]))
    return found


def jobs_with_processes(laptop):
    """Names of the jobs that supervisors and ranks run for."""
    return {job for variables in laptop.processes().values() if (job := variables.get("WATTRAIN_JOB"))}


def test_of_two_jobs_under_a_limit_of_one_the_higher_priority_runs_first_and_they_never_overlap(laptop, files):
    seen = []

    def trains_second():
        running = jobs_with_processes(laptop)
        assert len(running) <= 1, running
        if running and running != set(seen[-1:]):
            seen.extend(running)
        return seen == ["high", "low"] and laptop.of("result")

    data = {"source": {"builtin": "digits"}}
    laptop.start(*files(recipe={"name": "mlp"}, data=data, training={"maxSteps": 200, "batchSize": 64}))
    laptop.wait_until(trains_second)
    assert laptop.finish() == 0
    assert laptop.processes() == {}

    high, low = events(laptop, "high"), events(laptop, "low")
    assert next(iter(low)) == "Queued"
    assert high["JobAdmitted"] < high["TrainingComplete"] <= low["JobAdmitted"] < low["TrainingComplete"]
    for job in ("high", "low"):
        status = json.loads((laptop.directory / job / "status.json").read_text())
        assert (status["state"], status["progress"]["step"], "queue" in status) == ("Complete", 200, False)
        assert (laptop.directory / job / "receipt.html").exists()
    queued = next(line["status"] for line in laptop.of("status") if line["job"] == "low")
    assert queued["queue"] == {"position": 1, "heldBy": "local/high"}
    assert [line["job"] for line in laptop.of("result")] == ["high", "low"]


def test_one_signal_stops_what_runs_and_what_waits_and_the_same_command_goes_on_with_both(laptop, files, tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import time\n"
        "for step in range(1, 61):\n"
        "    print(f'step={step}', flush=True)\n"
        "    time.sleep(0.05)\n"
    )  # fmt: skip
    command = ["python", str(script)]
    both = files(script={"command": command, "metricPatterns": {"step": "step=([0-9]+)"}})
    laptop.start(*both)
    laptop.wait_until(lambda: laptop.step() > 5)
    laptop.signal(signal.SIGINT)
    assert laptop.finish() == 130
    assert laptop.processes() == {}
    results = {line["job"]: line for line in laptop.of("result")}
    assert {job: line["exitCode"] for job, line in results.items()} == {"low": 130, "high": 130}
    assert "stopped before it began" in results["low"]["sentences"][0]
    assert "JobAdmitted" not in events(laptop, "low")

    assert laptop.run(*both) == 0
    assert [line["job"] for line in laptop.of("result")] == ["high", "low"]
    assert events(laptop, "high")["TrainingComplete"] <= events(laptop, "low")["JobAdmitted"]
