"""A directive goes to a pod that is as the operator has seen it: whoever directs it meanwhile has that version."""

import asyncio
import json

import pytest

from wattrain_api.contract.directive import Directive
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.cluster.apply import Applier
from wattrain_operator.cluster.kube.apierrors import ConflictError, NotFoundError
from wattrain_operator.cluster.kube.cache import Cache
from wattrain_operator.cluster.objects import directive_of
from wattrain_operator.cluster.refused_requests import NotYetError
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.core.observed import DirectChild

SPEC = {"script": {"command": ["python", "t.py"]}, "image": "i:1"}
JOB = TrainingJob.model_validate({"metadata": ObjectMeta(name="one", namespace="team", uid="uid of one"), "spec": SPEC})
STOP = Directive(1, stop_at_step=0)


class Server:
    """Has one pod, and takes no change of a version of it that is past."""

    def __init__(self):
        owner = {"kind": "TrainingJob", "name": "one", "uid": "uid of one", "controller": True}
        self.pod = {
            "metadata": {
                "name": "one-1-0", "namespace": "team", "uid": "u", "resourceVersion": "7", "annotations": {},
                "labels": {"wattrain.dev/job": "one"}, "ownerReferences": [owner],
            },
            "status": {"phase": "Running"},
        }  # fmt: skip

    def change(self, **annotations):
        metadata = self.pod["metadata"]
        version = str(int(metadata["resourceVersion"]) + 1)
        changed = {**metadata, "resourceVersion": version, "annotations": {**metadata["annotations"], **annotations}}
        self.pod = {**self.pod, "metadata": changed}

    async def get(self, resource, namespace, name):
        if self.pod is None:
            raise NotFoundError(404, "NotFound", "")
        return self.pod

    async def merge(self, resource, namespace, name, patch):
        metadata = (await self.get(resource, namespace, name))["metadata"]
        same = {key: patch["metadata"].get(key, metadata[key]) for key in ("uid", "resourceVersion")}
        if {**metadata, **same} != metadata:
            raise ConflictError(409, "Conflict", "")
        self.change(**patch["metadata"]["annotations"])
        return self.pod


class Stage:
    def __init__(self):
        self.server, self.cache = Server(), Cache()
        self.applier = Applier(self.server, self.cache, OperatorSettings("w:1", "w:1"), network_policy=True)
        self.cache.apply("Pod", self.server.pod)

    def direct(self):
        asyncio.run(self.applier.direct(JOB, [DirectChild("one-1-0", "u", STOP)]))

    @property
    def cached(self):
        [pod] = self.cache.pods("team", "uid of one")
        return directive_of(pod)


@pytest.fixture
def stage():
    return Stage()


def test_a_directive_is_given_once_and_known_at_once(stage):
    stage.direct()
    assert directive_of(stage.server.pod) == stage.cached == STOP


def test_one_of_a_person_that_came_between_the_look_and_the_write_is_not_replaced_by_one_of_its_version(stage):
    asked = {"version": 1, "checkpoint": True}
    stage.server.change(**{"wattrain.dev/directive": json.dumps(asked)})
    with pytest.raises(NotYetError, match="Pod one-1-0 has just changed"):
        stage.direct()
    assert directive_of(stage.server.pod) == stage.cached == Directive(1, checkpoint=True)
    with pytest.raises(NotYetError, match="directed by somebody else"):  # the cache has it, the core not yet
        stage.direct()
    assert directive_of(stage.server.pod) == Directive(1, checkpoint=True)


def test_a_pod_in_which_something_else_has_changed_gets_its_directive_at_the_next_try(stage):
    stage.server.change(unread="by the operator")  # no news for its job, so that no watch would have it looked at
    with pytest.raises(NotYetError):
        stage.direct()
    stage.direct()
    assert directive_of(stage.server.pod) == STOP


def test_a_pod_that_has_gone_is_given_none(stage):
    stage.server.pod = None
    stage.direct()
