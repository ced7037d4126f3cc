"""`wattrain run` of several jobs with real workers, under the limit of their power domain."""

import contextlib
import http.server
import json
import signal
import threading
from datetime import UTC, datetime, timedelta

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


def step_of(laptop, job):
    """The step that was shown last of `job`."""
    shown = [line["status"] for line in laptop.of("status") if line["job"] == job]
    return shown[-1].get("progress", {}).get("step", 0) if shown else 0


@contextlib.contextmanager
def series_that_comes_once(is_time):
    """The address of a series of carbon intensity whose last line is sent once `is_time` is set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"time,gramsPerKWh\n")
            now = datetime.now(UTC).replace(microsecond=0)
            for minutes in range(-2000, 0):  # a line now and then, or who asks would wait no longer
                self.wfile.write(f"{now + timedelta(minutes=minutes):%Y-%m-%dT%H:%M:%SZ},400\n".encode())
                if is_time.wait(0.5):
                    break
            for hours in range(48):
                self.wfile.write(f"{now + timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ},400\n".encode())

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            is_time.set()
            server.shutdown()


def test_a_higher_priority_that_comes_later_takes_the_place_and_the_other_goes_on_with_the_same_losses(
    laptop, tmp_path
):
    """`high` asks for its place once its series is there, by which it does not wait; `calm` is `low` undisturbed."""
    common = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}}
    training = {"maxSteps": 200, "batchSize": 64, "deterministic": True}
    seldom = {"training": training, "checkpoint": {"every": {"steps": 1000}}}
    carbon = {"mode": "StartWindow", "estimatedDurationSeconds": 60}
    comes = threading.Event()
    with series_that_comes_once(comes) as url:
        laptop.start(
            write(tmp_path / "low.yaml", "TrainingJob", **common, **seldom),
            write(tmp_path / "calm.yaml", "TrainingJob", **common, **seldom, energy={"powerDomain": "alone"}),
            write(
                tmp_path / "high.yaml", "TrainingJob", **common, training={**training, "maxSteps": 3},
                queue={"priority": 5}, energy={"carbon": carbon},
            ),
            write(
                tmp_path / "default.yaml", "PowerDomain",
                maxRunningJobs=1, preemption="LowerPriority", carbon={"url": url},
            ),
            write(tmp_path / "alone.yaml", "PowerDomain"),
        )  # fmt: skip
        laptop.wait_until(lambda: step_of(laptop, "low") > 5, seconds=300)
        comes.set()
        assert laptop.finish(300) == 0
    assert laptop.processes() == {}

    high, low = events(laptop, "high"), events(laptop, "low")
    assert low["PreemptedByPriority"] <= low["JobSuspended"] <= high["JobAdmitted"] < high["TrainingComplete"]
    told = [json.loads(line) for line in (laptop.directory / "low" / "events.jsonl").read_text().splitlines()]
    why = "preempted by local/high, priority 5 > 0, in power domain default"
    assert any(event["message"].startswith(why) for event in told if event["reason"] == "PreemptedByPriority")
    again = [datetime.fromisoformat(event["time"]) for event in told if event["reason"] == "JobAdmitted"]
    assert len(again) == 2
    assert high["TrainingComplete"] <= again[1]
    status = json.loads((laptop.directory / "low" / "status.json").read_text())
    assert (status["state"], status["attempt"], status.get("restartCount", 0)) == ("Complete", 2, 0)
    assert losses(laptop, "low") == losses(laptop, "calm")


def losses(laptop, job):
    """Loss by step, of no step made twice."""
    records = [json.loads(line) for line in (laptop.directory / job / "metrics.jsonl").read_text().splitlines()]
    found = [(record["step"], record["loss"]) for record in records if "loss" in record]
    assert len(found) == len(dict(found)), "a step was made twice"
    return dict(found)
