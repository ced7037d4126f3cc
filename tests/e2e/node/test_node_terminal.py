"""`wattrain submit`, `logs`, `top` and `receipt` as a user calls them, with pods that really run and really go."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from harness.daemon import wait_for
from harness.job import Job

COMMAND = str(Path(sys.executable).parent / "wattrain")
SCRIPT = """
import itertools, os, time
for step in itertools.count(1):
    print(f"rank {os.environ['RANK']} step={step} loss={1 / step:.6f}", flush=True)
    time.sleep(0.1)
    if step >= 20 and os.path.exists("/tmp/enough"):
        break
"""


class Command:
    """A command under way. All that it writes goes into a file, which can be read meanwhile."""

    def __init__(self, file, words, environment):
        self._file = file
        with file.open("w") as output:
            self._process = subprocess.Popen(
                [COMMAND, *words], stdout=output, stderr=subprocess.STDOUT, env=environment, text=True
            )

    def said(self):
        return self._file.read_text()

    def done(self):
        """What it has said when it has ended well."""
        code = self._process.wait(timeout=240)
        assert code == 0, f"{self._process.args}: {self.said()}"
        return self.said()

    def end(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def wattrain(real_node, place, tmp_path):
    """Starts a command against the real node's cluster."""
    started = []

    def start(*words):
        environment = {**os.environ, "KUBECONFIG": str(real_node.cluster.kubeconfig)}
        words = (*words, f"--namespace={place}")
        started.append(Command(tmp_path / f"output-{len(started)}", words, environment))
        return started[-1]

    yield start
    for command in started:
        command.end()


def test_a_job_is_followed_and_read_while_it_runs_and_tells_of_itself_when_its_pods_are_gone(
    real_node, place, wattrain, tmp_path
):
    file = tmp_path / "talks.yaml"
    script = {"command": ["python", "-c", SCRIPT], "metricPatterns": {"step": "step={number}", "loss": "loss={number}"}}
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "talks"}}
    file.write_text(yaml.safe_dump({**document, "spec": {"script": script, "workers": {"replicas": 2}}}))
    job = Job(real_node.cluster, place, "talks")
    following = wattrain("submit", str(file), "--follow")
    wait_for(lambda: f"talks starts in namespace {place}\n" in following.said(), seconds=60, what="it to be submitted")
    seen = {}
    job.waits(lambda status: seen.setdefault(status.get("progress", {}).get("step")) or len(seen) > 3, "to train")
    reading = wattrain("logs", "talks", "--follow")
    row = wattrain("top", "talks", "--once").done().splitlines()[1]
    assert re.match(r"talks +Running +\d+ +[\d.]+ ", row), row
    wait_for(lambda: speakers(reading.said()) == {"0", "1"}, seconds=60, what="the logs of both")
    for worker in range(2):
        job.kubectl("exec", f"talks-1-{worker}", "--container=worker", "--", "touch", "/tmp/enough")
    last_step = assert_every_step_once(reading.done())
    assert_followed(following.done())
    wait_for(lambda: job.pods() == [], seconds=60, what="the pods of a complete job to go")
    last = [f"rank 0 step={step} loss={1 / step:.6f}" for step in range(last_step - 9, last_step + 1)]
    note, *kept = wattrain("logs", "talks").done().splitlines()
    assert note.startswith("note: the pods of talks are gone; its status has kept the last lines")
    assert kept == last
    page = wattrain("receipt", "talks").done()
    assert "2 ranks: Complete after" in page
    assert re.search(r"^\| Steps \| \d+ \|$", page, re.MULTILINE), page
    assert "modelled" in page
    assert all(line in page for line in last)


def speakers(log):
    return set(re.findall(r"^\[worker (\d)\] ", log, re.MULTILINE))


def steps_of(worker, log):
    lines = [line for line in log.splitlines() if line.startswith(f"[worker {worker}] [rank {worker}] rank ")]
    return [int(re.search(r"step=(\d+)", line)[1]) for line in lines]


def assert_every_step_once(log):
    """And none twice; the number of steps of rank 0."""
    last_steps = []
    for worker in range(2):
        steps = steps_of(worker, log)
        assert steps == list(range(1, steps[-1] + 1)), log
        last_steps.append(steps[-1])
    return last_steps[0]


def assert_followed(shown):
    steps = [
        int(found[1]) for line in shown.splitlines() if (found := re.search(r"  Running  step (\d+)  loss 0", line))
    ]
    assert len(steps) > 1, shown
    assert steps == sorted(steps)
    assert "TrainingComplete: all 2 workers are done" in shown
    assert re.search(r"^  energy +[\d.]+ k?J \(", shown, re.MULTILINE), shown
