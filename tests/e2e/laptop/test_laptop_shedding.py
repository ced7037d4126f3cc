"""`wattrain run` of two jobs whose power domain sheds power for a while, with real workers."""

import json
import signal
import statistics
from datetime import UTC, datetime, timedelta

import pytest

JOBS = ("one", "other")
PERCENT = 30
BEGINS_SECONDS = (9, 30, 90)
"""From the command until power is shed: jobs must train by then. Where they do not, it is tried again with more."""
SHED_SECONDS, SETTLED_SECONDS, AFTER_SECONDS = 16, 10, 6
COMPARED_STEPS = 150


def write(path, kind, **spec):
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": kind, "metadata": {"name": path.stem}, "spec": spec}
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


def job_file(path, steps=1_000_000, **energy):
    """A job of one rank whose losses are the same to the last bit however slowly it trains."""
    return write(
        path, "TrainingJob", energy=energy, workers={"replicas": 1}, checkpoint={"every": {"steps": 1_000_000}},
        training={"maxSteps": steps, "batchSize": 256, "deterministic": True},
        recipe={"name": "mlp", "params": {"hidden": [256, 256]}}, data={"source": {"builtin": "digits"}},
    )  # fmt: skip


def latest(laptop, job):
    """Its newest status."""
    return next((line["status"] for line in reversed(laptop.lines) if line.get("job") == job and "status" in line), {})


def trains(laptop, job):
    return (latest(laptop, job).get("progress") or {}).get("phase") == "training"


def passed(moment):
    return lambda: datetime.now(UTC) >= moment


def start(laptop, folder):
    """Start both jobs; returns when power begins to be shed, and ends to be, once they train before that."""
    top = laptop.directory
    flexible = [job_file(folder / f"{job}.yaml", powerDomain="rack", flexibility="throttle") for job in JOBS]
    for seconds in BEGINS_SECONDS:
        laptop.directory = top / str(seconds)
        begin = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        until = begin + timedelta(seconds=SHED_SECONDS)
        shed = {"percent": PERCENT, "start": begin.isoformat(), "until": until.isoformat()}
        laptop.start(*flexible, write(folder / "rack.yaml", "PowerDomain", shed=shed))
        laptop.wait_until(passed(begin - timedelta(seconds=1)))
        if all(trains(laptop, job) for job in JOBS):
            return begin, until
        laptop.signal(signal.SIGINT)
        laptop.finish()
    pytest.skip(f"NOT TESTED: this machine is too busy for two jobs to train after {seconds} s")


def mean_watts(laptop, begin, end):
    """Of both jobs together between these moments, by the figures that each told anew while it trained."""
    total = 0.0
    for job in JOBS:
        told = {}
        for status in (line["status"] for line in laptop.of("status") if line["job"] == job):
            if (status.get("progress") or {}).get("phase") == "training" and status["energy"].get("watts"):
                told[datetime.fromisoformat(status["progress"]["updatedTime"])] = status["energy"]["watts"]
        total += statistics.mean(watts for moment, watts in told.items() if begin <= moment <= end)
    return total


def losses(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [(line["step"], line["loss"]) for line in map(json.loads, lines) if "loss" in line]


def test_jobs_of_a_domain_that_sheds_power_draw_less_until_it_is_over_and_lose_no_bit(laptop, tmp_path):
    begin, until = start(laptop, tmp_path)
    laptop.wait_until(passed(until - timedelta(seconds=1)))
    held = [latest(laptop, job)["powerCap"] for job in JOBS]
    laptop.wait_until(lambda: all("powerCap" not in latest(laptop, job) for job in JOBS), seconds=20)
    over = datetime.now(UTC)
    laptop.wait_until(passed(over + timedelta(seconds=AFTER_SECONDS)))
    laptop.signal(signal.SIGINT)
    assert laptop.finish() == 130

    before = mean_watts(laptop, begin - timedelta(seconds=3), begin)
    shed = mean_watts(laptop, begin + timedelta(seconds=SETTLED_SECONDS), until)
    after = mean_watts(laptop, over + timedelta(seconds=2), datetime.now(UTC))
    assert sum(cap["targetWatts"] for cap in held) < before
    assert max(cap["dutyRatio"] for cap in held) < 1
    assert shed < (1 - PERCENT / 200) * before
    assert after > shed

    curves = [losses(laptop.directory / job) for job in JOBS]
    laptop.directory /= "untouched"
    assert laptop.run(job_file(tmp_path / "untouched.yaml", COMPARED_STEPS)) == 0
    whole = losses(laptop.directory)
    assert [curve[:COMPARED_STEPS] for curve in curves] == [whole, whole]
