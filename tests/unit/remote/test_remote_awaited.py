"""What a job is waited for to be, and what it says before it has heard of its spec."""

import asyncio

import pytest

from wattrain_operator.cluster.kube.apierrors import ForbiddenError
from wattrain_operator.local.refused import Refused
from wattrain_operator.remote.awaited import wait_for
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.goal import Goal

END = ForbiddenError(403, "Forbidden", "the end of what this test has")


def job(*true, generation=1, observed=1, uid="u"):
    """A job of which these conditions are true."""
    metadata = {"namespace": "n", "name": "a", "uid": uid, "resourceVersion": "1", "generation": generation}
    conditions = [
        {"type": kind, "status": "True", "reason": "Because", "lastTransitionTime": "2026-11-29T12:00:00Z"}
        for kind in true
    ]
    return {"metadata": metadata, "status": {"observedGeneration": observed, "conditions": conditions}}


class FakeClient:
    """Has a job at first, or none, and then what happens to it."""

    def __init__(self, first, *events):
        self._first, self._events = [first] if first else [], events

    async def list_all(self, resource, namespace, labels, *, fields):
        assert (namespace, fields) == ("n", "metadata.name=a")
        return self._first, 5

    async def watch(self, *_, **__):
        for event in self._events:
            yield event
        raise END


def waited(goal, first, *events, timeout_seconds=None):
    """The exit code, and how often a change was told until then."""
    told = []
    connection = Connection(FakeClient(first, *events), "n")
    _, code = asyncio.run(wait_for(connection, "a", goal, timeout_seconds, told.append))
    return code, len(told)


@pytest.mark.parametrize(
    ("goal", "conditions", "code"),
    [
        (Goal.COMPLETE, ("Complete",), 0),
        (Goal.COMPLETE, ("Failed",), 1),
        (Goal.FAILED, ("Failed",), 0),
        (Goal.FAILED, ("Complete",), 1),
        (Goal.RUNNING, ("Running",), 0),
        (Goal.RUNNING, ("Complete",), 0),
        (Goal.RUNNING, ("Failed",), 1),
        (Goal.SUSPENDED, ("Suspended",), 0),
        (Goal.SUSPENDED, ("Complete",), 1),
    ],
)
def test_the_wait_ends_when_it_is_so_or_can_never_be(goal, conditions, code):
    other = "Running" if goal is Goal.SUSPENDED else "Suspended"
    assert waited(goal, job(other), ("MODIFIED", job(*conditions))) == (code, 2)


@pytest.mark.parametrize(("goal", "condition"), [(Goal.RUNNING, "Running"), (Goal.SUSPENDED, "Suspended")])
def test_what_a_job_says_of_its_spec_of_before_does_not_count(goal, condition):
    stale = job(condition, generation=2, observed=1)
    assert waited(goal, stale, ("MODIFIED", job(condition, generation=2, observed=2))) == (0, 2)


def test_a_job_that_is_not_there_is_bad_input_and_one_that_is_deleted_a_failure():
    with pytest.raises(Refused, match="there is no TrainingJob a in namespace n") as refused:
        waited(Goal.COMPLETE, None)
    assert refused.value.exit_code == 2
    with pytest.raises(Refused, match="a was deleted meanwhile") as refused:
        waited(Goal.COMPLETE, job(), ("DELETED", job()))
    assert refused.value.exit_code == 1


def test_another_job_of_that_name_is_not_the_one_that_is_waited_for():
    with pytest.raises(ForbiddenError):
        waited(Goal.COMPLETE, job(), ("ADDED", job("Complete", uid="another")))
