"""A profile that is asked of a job on a cluster: which directive, which lines of the log, and what is refused."""

import asyncio
import json

import pytest

from wattrain_operator.cluster.kube.apierrors import ConflictError
from wattrain_operator.local.refused import Refused
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.profile_request import profile_of

RUNNING = {
    "state": "Running", "attempt": 2, "internal": {"directiveVersion": 4}, "progress": {"phase": "training"},
    "workers": {"desired": 2, "ready": 2},
    "conditions": [{"type": "Running", "status": "True", "reason": "WorkersRunning", "message": "",
                    "lastTransitionTime": "2026-11-30T00:00:00Z"}],
}  # fmt: skip


def in_phase(phase):
    return RUNNING | {"progress": {"phase": phase}}


OLD = [
    "[rank 1] the profile of rank 1 over steps 2 to 3:",
    "[rank 1] an old table",
    "[rank 1] the profile of rank 1 over steps 2 to 3 is in /t/old, with a table of its operators beside it",
]
NEW = [
    "[rank 1] the profile of rank 1 over steps 7 to 9:",
    "[rank 0] step 7/900, loss 1",
    "[rank 1] aten::addmm",
    "[rank 1] the profile of rank 1 over steps 7 to 9 is in /t/new, with a table of its operators beside it",
]


class FakeClient:
    """A job of two workers, the annotation of worker 0's pod, and worker 1's log, in which a profile follows a
    directive."""

    def __init__(self, status=RUNNING, directive=None, spec=None, conflict=False):
        self.status, self.spec, self.conflict = status, spec or {"workers": {"replicas": 2}}, conflict
        self.annotations = {} if directive is None else {"wattrain.dev/directive": json.dumps(directive)}
        self.patches = []

    async def get(self, resource, namespace, name):
        metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "resourceVersion": "9"}
        if name == "j":
            return {"metadata": metadata, "spec": self.spec, "status": self.status}
        return {"metadata": {**metadata, "annotations": self.annotations}}

    async def merge(self, resource, namespace, name, patch):
        if self.conflict:
            raise ConflictError(409, "Conflict", "changed")
        self.patches.append((name, patch["metadata"]))

    async def list_all(self, resource, namespace, selector, fields=""):
        if fields:
            return [await self.get(resource, namespace, "j")], 1
        state = {"containerStatuses": [{"name": "worker", "state": {"running": {}}}]}
        return [{"metadata": {"name": f"j-2-{w}", "uid": f"{w}", "resourceVersion": "1"},
                 "spec": {"containers": [{"name": "worker"}]}, "status": state} for w in range(2)], 1  # fmt: skip

    async def watch(self, *_, **__):
        await asyncio.Event().wait()
        yield

    async def log(self, namespace, name, container, *, follow, last_lines):
        assert name == "j-2-1", "worker 1 has rank 1"
        for line in OLD + NEW * bool(self.patches):
            yield line.encode()
        if follow:
            await asyncio.Event().wait()


def profile(client, rank=1):
    notes = []
    return asyncio.run(asyncio.wait_for(profile_of(Connection(client, "n"), "j", 3, rank, notes.append), 20))


@pytest.mark.parametrize(("before", "version"), [(None, 5), ({"version": 7, "checkpoint": True}, 8)])
def test_it_directs_worker_0_as_it_was_seen_and_reads_the_table_that_comes_after(before, version):
    client = FakeClient(directive=before)
    _, found = profile(client)
    [(pod, patched)] = client.patches
    assert (pod, patched["uid"], patched["resourceVersion"]) == ("j-2-0", "uid-j-2-0", "9")
    directive = json.loads(patched["annotations"]["wattrain.dev/directive"])
    assert directive == {"version": version, "checkpoint": False, "profileSteps": 3, "profileRank": 1}
    assert (found.table, found.worker) == ("aten::addmm", 1)
    assert "is in /t/new" in found.said


@pytest.mark.parametrize("phase", ["evaluating", "checkpointing"])
def test_a_training_that_evaluates_or_saves_at_this_moment_is_asked_as_well(phase):
    client = FakeClient(status=in_phase(phase))
    profile(client)
    assert len(client.patches) == 1


@pytest.mark.parametrize(
    ("client", "rank", "words"),
    [
        (FakeClient(), 2, "--rank 2: the job has 2 ranks; write one from 0 to 1"),
        (FakeClient(directive={"version": 1, "stopAtStep": 0}), 1, "has been asked to stop"),
        (FakeClient(spec={"script": {"command": ["x"]}}), 0, "a script cannot be asked"),
        (FakeClient(status={"state": "Queued"}), 0, "it is Queued and does not train now"),
        (FakeClient(status=in_phase("compiling")), 0, "its workers run and do not train yet; try again in a moment"),
        (FakeClient(status=in_phase("exporting")), 0, "it is exporting, and has no step left to profile"),
        (FakeClient(conflict=True), 1, "has just changed; try again"),
    ],
)
def test_what_cannot_be_profiled_is_refused_and_not_directed(client, rank, words):
    with pytest.raises(Refused, match=words):
        profile(client, rank)
    assert client.patches == []
