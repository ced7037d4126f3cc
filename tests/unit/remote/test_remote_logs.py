"""Whose log a line is of, in which order, and what is said of logs that are gone."""

import asyncio

import pytest

from wattrain_operator.cluster.kube.apierrors import ApiError, InvalidError, NotFoundError
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.pod_logs import LogReader
from wattrain_operator.remote.seen_job import seen_job


def job(**status):
    return seen_job({"metadata": {"name": "j", "namespace": "n", "uid": "u"}, "status": status})


def pod(name):
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}}


class FakeClient:
    """Pods by name, and the lines of each: or the exception that asking for them raises."""

    def __init__(self, logs):
        self.logs, self.asked = logs, []

    async def list_all(self, resource, namespace, selector, **_):
        assert selector == "wattrain.dev/job=j"
        return [pod(name) for name in self.logs], 1

    async def log(self, namespace, name, container, *, follow, last_lines):
        self.asked.append((name, container, last_lines))
        found = self.logs[name]
        if isinstance(found, Exception):
            raise found
        for line in found:
            yield line


def read(client, the_job, worker=None, last_lines=None):
    lines, notes = [], []
    reader = LogReader(
        Connection(client, "n"), the_job, worker, last_lines, lambda line: lines.append((line.source.label, line.text)),
        notes.append,
    )  # fmt: skip
    return asyncio.run(reader.read()), lines, notes


RUNNING = {"attempt": 2, "workers": {"desired": 2, "ready": 2}}


def test_workers_come_in_their_order_each_line_with_its_worker_and_bytes_that_are_no_text():
    client = FakeClient({"j-2-1": [b"one"], "j-2-0": [b"zero", b"\xff"], "j-1-0": [b"old"]})
    found, lines, notes = read(client, job(**RUNNING))
    assert (found, notes) == (2, [])
    assert lines == [("worker 0", "zero"), ("worker 0", "\ufffd"), ("worker 1", "one")]
    assert [asked[:2] for asked in client.asked] == [("j-2-0", "worker"), ("j-2-1", "worker")]


def test_one_worker_alone_can_be_read_and_its_last_lines():
    client = FakeClient({"j-prepare-2": [b"p"], "j-2-0": [b"zero"], "j-2-1": [b"one"]})
    assert read(client, job(**RUNNING), worker=1, last_lines=3)[1] == [("worker 1", "one")]
    assert client.asked == [("j-2-1", "worker", 3)]


def test_the_preparation_has_a_log_too():
    client = FakeClient({"j-prepare-1": [b"rows"]})
    assert read(client, job(attempt=1))[1] == [("prepare", "rows")]
    assert client.asked[0][1] == "prepare"


def test_it_says_which_pod_is_gone_or_has_no_log_yet():
    client = FakeClient({"j-2-0": NotFoundError(404, "NotFound", "no"), "j-2-1": InvalidError(400, "", "is waiting")})
    found, _, notes = read(client, job(**RUNNING))
    assert (found, notes) == (0, ["the pod j-2-0 is gone, and its log with it", "the pod j-2-1 has no log: is waiting"])
    found, _, notes = read(FakeClient({"j-2-1": [b"x"]}), job(**RUNNING))
    assert found == 1
    assert "worker 0 of attempt 2 left no log here: the pod is gone" in notes[0]


def test_other_errors_are_not_taken_for_a_missing_pod():
    with pytest.raises(ApiError):
        read(FakeClient({"j-2-0": ApiError(403, "Forbidden", "cannot get pods/log")}), job(**RUNNING))
