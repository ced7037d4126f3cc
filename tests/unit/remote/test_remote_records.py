"""What a job has recorded on its claim, read after its pods are gone."""

import asyncio
import json

import pytest

from wattrain_operator.cli.logs_output import show_logs
from wattrain_operator.cluster.kube.resources import PODS
from wattrain_operator.local.refused import Refused
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.job_receipt import receipt_of
from wattrain_operator.remote.recorded_curves import recorded_curves
from wattrain_operator.remote.seen_job import seen_job

CREATED = "2026-11-29T12:00:00+00:00"
CREATED_SECONDS = 1795953600.0


def body(**spec):
    metadata = {"name": "digits", "namespace": "team", "uid": "u", "creationTimestamp": CREATED}
    recipe = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
    status = {"lastLines": ["the end"], "attempt": 1, "progress": {"step": 2}}
    return {"metadata": metadata, "spec": {**recipe, **spec}, "status": status}


def record(folder, *lines):
    folder.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"step": 9, "lo')


def step(number, seconds, **figures):
    return {"step": number, "time": CREATED_SECONDS + seconds, "loss": 1 / number, "watts": 4.0, **figures}


@pytest.mark.parametrize("given", ["digits/records", "digits"])
def test_curves_are_drawn_from_the_records_or_from_the_directory_around_them(tmp_path, given):
    record(tmp_path / "digits/records", step(1, 10), step(2, 11, validation={"step": 2, "loss": 0.7}))
    found = recorded_curves(tmp_path / given, seen_job(body()))
    assert found.loss == ((1, 1.0), (2, 0.5))
    assert found.validation == ((2, 0.7),)
    assert found.power == (((0.0, 4.0), (1.0, 4.0)),)


def test_steps_of_an_older_job_of_the_same_name_are_not_drawn(tmp_path):
    record(tmp_path / "records", step(1, -3600), step(2, -3599), step(3, 10))
    assert recorded_curves(tmp_path, seen_job(body())).loss == ((3, 1 / 3),)


@pytest.mark.parametrize(("lines", "why"), [(None, "there is no metrics.jsonl"), ([step(1, -3600)], "has no step of")])
def test_records_that_are_not_there_or_of_another_job_are_refused_with_a_remedy(tmp_path, lines, why):
    if lines is not None:
        record(tmp_path / "records", *lines)
    with pytest.raises(Refused, match=why) as refused:
        recorded_curves(tmp_path, seen_job(body()))
    assert "; give the " in str(refused.value)


class FakeClient:
    """A cluster with one job, whose pods are gone, and no power domain."""

    def __init__(self, job):
        self.job = job

    async def get(self, resource, namespace, name):
        return self.job if name == "digits" else {}

    async def list_all(self, resource, *_, **__):
        assert resource == PODS
        return [], 1


def test_the_receipt_has_the_curves_and_the_speed_of_the_records_and_says_without_them_how_to_get_them(tmp_path):
    record(tmp_path / "records", step(1, 10, samplesPerSecond=800.0), step(2, 11, samplesPerSecond=820.0))
    job = seen_job(body())
    connection = Connection(FakeClient(job.body), "team")
    receipt, curves = asyncio.run(receipt_of(connection, job, "", tmp_path))
    assert (curves.loss, receipt.training and receipt.training.samples_per_second) == (((1, 1.0), (2, 0.5)), 810.0)
    receipt, curves = asyncio.run(receipt_of(connection, job, "", None))
    assert curves.loss == ()
    assert any("--records DIR" in sentence for sentence in receipt.not_known)
    with pytest.raises(Refused, match="leave the other out"):
        asyncio.run(receipt_of(connection, job, "http://prometheus:9090", tmp_path))


@pytest.mark.parametrize("claim", ["training", ""])
def test_logs_say_where_the_rest_is_kept_when_the_pods_are_gone(capsys, claim):
    client = FakeClient(body(storage={"claim": claim} if claim else {}))
    assert asyncio.run(show_logs(Connection(client, "team"), "digits", None, False, None, False)) == 0
    said = capsys.readouterr()
    assert said.out == "the end\n"
    assert ("kept in claim://training/digits/records/worker-<index>.log" in said.err) == bool(claim)
