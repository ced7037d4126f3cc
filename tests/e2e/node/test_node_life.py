"""A job from `kubectl apply` to its deletion, as its user sees it."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from harness.daemon import wait_for
from harness.job import Watched

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare

EXAMPLES = Path(__file__).parents[3] / "examples"

NETWORK = "apis/networking.k8s.io/v1"
STORY = ["JobAdmitted", "DataPrepared", "WorkersRunning", "CheckpointSaved", "TrainingComplete"]


def three_workers_on_the_claim(spec):
    spec["workers"]["replicas"] = 3
    spec["storage"] = {"claim": "training"}
    spec["data"]["engine"] = "dask"  # by processes of the preparing pod


def test_the_notes_of_the_chart_name_a_command_that_works(installed):
    assert "kubectl get trainingjobs" in installed["notes"]


def test_a_job_with_three_workers_trains_and_tells_its_story(apply, claim, tmp_path):
    job = apply("digits-mlp.yaml", three_workers_on_the_claim, folder=claim)
    with Watched(job) as watched:
        status = job.completes()
        wait_for(lambda: watched.rows[-1]["STATE"] == "Complete", seconds=10, what="the table to say so")
    assert_the_table_followed(watched)
    assert 0.93 < status["model"]["metrics"]["accuracy"] <= 1
    assert status["model"]["uri"] == "claim://training/digits-mlp/model"
    assert status["energy"]["joules"] > status["energy"]["low"] > 0
    assert_described(job)
    wait_for(lambda: job.pods() == [], seconds=60, what="the pods of a complete job to go")
    job.kubectl("delete", "trainingjob", job.name)
    for resource, group in (("pods", "api/v1"), ("services", "api/v1"), ("networkpolicies", NETWORK)):
        wait_for(lambda: job.owned(resource, group) == [], seconds=30, what=f"its {resource} to go")  # noqa: B023
    assert job.kubectl("get", "pvc", "training", "--output=jsonpath={.status.phase}") == "Bound"
    assert_kept(job)
    assert_shards_are_those_of_the_local_engine(job, tmp_path)


def assert_the_table_followed(watched):
    """States in order, and in between figures that grow."""
    states = [state for state in watched.states if state not in ("", "Pending")]
    assert states == ["Preparing", "Starting", "Running", "Complete"], watched.states
    training = [row for row in watched.rows if row["STATE"] == "Running" and row["LOSS"]]
    assert len({row["STEP"] for row in training}) > 1
    for row in training:
        assert row["NAME"] == "digits-mlp"
        assert float(row["LOSS"]) > 0
        assert float(row["WATTS"]) > 0
        assert re.fullmatch(r"\d+s", row["AGE"])
    workers = [int(row["WORKERS"]) for row in training]
    assert workers == sorted(workers, reverse=True)  # at its end they are done one after the other
    assert workers[0] == 3
    steps, joules = ([float(row[column]) for row in training] for column in ("STEP", "JOULES"))
    assert all(a <= b for column in (steps, joules) for a, b in pairwise(column))
    last = watched.rows[-1]
    assert (last["STEP"], last["WORKERS"], last["WATTS"]) == ("1840", "0", "0")
    assert all(len(row[column]) <= 10 for row in watched.rows for column in ("LOSS", "WATTS", "JOULES"))


def assert_described(job):
    """`kubectl describe` has the answers to all questions, and the events in the order in which they came."""
    text = job.kubectl("describe", "trainingjob", job.name)
    assert re.search(r"Type: +Complete", text)
    events = text.partition("Events:")[2]
    assert re.findall(r"^  (?:Normal|Warning) +(\w+)", events, re.MULTILINE) == STORY
    assert "all 3 workers of attempt 1 are running" in events


def assert_kept(job):
    """What is on the claim after the job has been deleted."""
    if job.folder is None:
        pytest.skip("NOT TESTED: what is on the claim, for its volume cannot be looked into from here")
    assert (job.folder / "model/model.safetensors").stat().st_size > 10_000
    assert (job.folder / "model/model.json").exists()
    card = (job.folder / "model/README.md").read_text(encoding="utf-8")
    assert re.search(r"^# digits-mlp$", card, re.MULTILINE)
    assert re.search(r"^\| Energy \| [1-9][0-9.,]* k?J ", card, re.MULTILINE), card
    assert len(list((job.folder / "checkpoints").glob("step-*"))) == 3
    lines = job.metrics()
    assert [line["step"] for line in lines] == list(range(1, 1841))
    assert lines[-1]["loss"] < 0.01 < lines[0]["loss"]


def assert_shards_are_those_of_the_local_engine(job, folder):
    """Byte by byte, as one process of this machine prepares them."""
    spec = yaml.safe_load((EXAMPLES / "digits-mlp.yaml").read_text(encoding="utf-8"))["spec"]
    prepare(TrainingJobSpec.model_validate(spec), folder)
    for split in ("train", "validation", "test"):
        file = f"{split}.safetensors"
        assert (job.folder / "data" / file).read_bytes() == (folder / file).read_bytes(), file


def test_explain_helps_with_the_energy(real_node, installed):
    said = real_node.cluster.kubectl("explain", "trainingjob.spec.energy").stdout
    for field in ("budget", "carbon", "powerCap", "powerDomain"):
        assert re.search(rf"^  {field}\t.*\n    [A-Z].*(\n    .+)*\.$", said, re.MULTILINE), said


def test_the_logs_of_all_workers_are_found_by_the_jobs_label(apply):
    def talks(spec):
        del spec["recipe"], spec["data"], spec["training"], spec["checkpoint"]
        spec["script"] = {
            "command": ["python", "-c", "import os, time; print('I am', os.environ['RANK']); time.sleep(600)"]
        }

    job = apply("digits-mlp.yaml", talks)

    def said():
        return job.kubectl("logs", "--selector=wattrain.dev/job=digits-mlp", "--prefix")

    job.waits(lambda status: status.get("state") == "Running", "to run")
    wait_for(lambda: {"I am 0", "I am 1"} <= set(re.findall("I am [0-9]", said())), seconds=30, what="both to speak")
    assert re.search(r"^\[pod/digits-mlp-1-1/worker\] \[rank 1\] I am 1$", said(), re.MULTILINE)
