"""Two operators that both believe that they lead: the Lease is no fence, and needs to be none."""

import asyncio
import contextlib
import http
import signal
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from harness.api import JOBS
from harness.daemon import wait_for

from wattrain_operator.cluster.kube.apierrors import NotLeadingError
from wattrain_operator.cluster.kube.client import WRITES, Client
from wattrain_operator.cluster.kube.resources import LEASES, TRAINING_JOBS

from .processes import Process
from .stage import Stage, say
from .witness import watched

JOB = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "one"}}
WORKERS = 60
HANDOVER_SECONDS = 20


def test_two_operators_at_once_make_no_pod_twice_and_lose_no_status(scenario, plane, namespace, operators):
    """Each holds a Lease of its own: both work on every job, from the first write to the last."""
    began_at = datetime.now(UTC)
    users = [f"{name}-{namespace}" for name in ("one", "other")]
    for user in users:
        operator = operators(user, plane.kubeconfig_for(user, user, "system:masters"), LEASE_NAME=user[:20])
        wait_for(lambda operator=operator: operator.said("leading as"), seconds=40, what=f"{user} leads")

    async def live(stage):
        await stage.apply(policy={"keepPods": "None"})
        await stage.run()
        await stage.fail()
        await stage.run(attempt=2)
        await stage.lose(attempt=2)
        await stage.run(attempt=3)
        await stage.succeed(attempt=3)
        await stage.until_true("Complete")
        await stage.until_pods(0)

    async def main(cluster):
        stages = [Stage(cluster, f"job-{n}", replicas=3) for n in range(6)]
        async with watched(cluster) as seen:
            await asyncio.gather(*map(live, stages))
            for stage in stages:
                status = await stage.status()
                assert (status["attempt"], status["restartCount"]) == (3, 2)
                told = [(r["attempt"], r["reason"], r["counted"]) for r in status["restarts"]]
                assert told == [(1, "ProgramFailed", True), (2, "WorkerLost", False)]
            seen.assert_orderly()
            assert len(seen.born) == 6 * 3 * 3

    scenario(main)
    shares = [writes_of(plane, namespace, user, began_at) for user in users]
    assert all(Counter(written)["create pods"] for written in shares), "only one of them did anything"
    conflicts = sum(event["responseStatus"]["code"] == 409 for user in users for event in plane.audit_events(user))
    say(f"writes of either: {[len(written) for written in shares]}; {conflicts} of them came second")


def test_whoever_does_not_lead_may_read_and_renew_and_write_nothing_else(scenario):
    """Asked when the connection is there: a process that was stopped may have been waiting for that."""

    async def main(cluster):
        body = await cluster.apply("one")
        client = Client(await cluster.configuration(), lambda: False)
        try:
            with pytest.raises(NotLeadingError):  # on a new connection
                await client.update(TRAINING_JOBS, {**body, "status": {"message": "no"}}, "status")
            assert await client.get(TRAINING_JOBS, cluster.namespace, "one") == body
            with pytest.raises(NotLeadingError):  # on that of the last request
                await client.update(TRAINING_JOBS, {**body, "status": {"message": "no"}}, "status")
            lease = {"metadata": {"name": "wattrain-operator", "namespace": cluster.namespace}, "spec": {}}
            await client.update(LEASES, await client.create(LEASES, cluster.namespace, lease))
        finally:
            await client.close()

    scenario(main)


@pytest.fixture
def operators(namespace, tmp_path):
    """Starts operators by name, kubeconfig and settings; none is left afterwards."""
    with contextlib.ExitStack() as stack:

        def start(name, kubeconfig, **settings):
            operator = Process(tmp_path / f"{name}.log", kubeconfig, namespace, **settings)
            stack.callback(operator.process.wait)
            stack.callback(operator.process.kill)
            return operator

        yield start


@pytest.fixture
def pair(plane, namespace, operator_kubeconfig, operators):
    """One that leads, and one that stands by under another name."""
    first = operators("first", operator_kubeconfig)
    wait_for(lambda: first.said("leading as"), seconds=40, what="the first one leads")
    user = f"second-{namespace}"
    second = operators("second", plane.kubeconfig_for(user, user, "system:masters"))
    wait_for(lambda: second.said("standing by"), seconds=40, what="the second one stands by")
    return first, second


def begin_group(api, namespace):
    """Create a job with many workers, and wait until some of them are there. Returns what counts them."""
    spec = {"script": {"command": ["x"]}, "workers": {"replicas": WORKERS}}
    api.create(JOBS.format(namespace), JOB | {"spec": spec})

    def count():
        return len(api.get(f"/api/v1/namespaces/{namespace}/pods")["items"])

    wait_for(lambda: count() >= 4, seconds=40, what="some of the pods")
    return count


def test_a_leader_that_was_frozen_in_the_middle_of_a_group_ends_and_changes_nothing_more(plane, namespace, pair):
    first, second = pair
    began_at = datetime.now(UTC)
    with plane.api() as api:
        count = begin_group(api, namespace)
        first.freeze()
        frozen_at = time.monotonic()
        there = count()
        assert there < WORKERS, "it was frozen too late to see anything"
        wait_for(lambda: second.said("leading as"), seconds=HANDOVER_SECONDS, what="the second one leads")
        handover_seconds = time.monotonic() - frozen_at
        wait_for(lambda: count() == WORKERS, seconds=40, what="the second one makes the group whole")
        thawed_at = datetime.now(UTC)
        first.thaw()
        assert first.process.wait(30) == 1
        assert first.said("Lease"), "it says why it ends"
        # What had passed its last look, and was not yet on its way, comes too late: its names are taken.
        assert writes_of(plane, namespace, f"system:serviceaccount:{namespace}:wattrain-operator", thawed_at) == []
        assert count() == WORKERS
    assert_no_pod_was_made_twice(plane, namespace, began_at)
    say(f"frozen with {there} of {WORKERS} pods made; handed over after {handover_seconds:.1f} s")


def test_a_leader_that_is_killed_in_the_middle_of_a_group_is_followed_by_one_that_finishes_it(plane, namespace, pair):
    first, second = pair
    began_at = datetime.now(UTC)
    with plane.api() as api:
        count = begin_group(api, namespace)
        first.end(signal.SIGKILL)
        killed_at = time.monotonic()
        there = count()
        wait_for(lambda: second.said("leading as"), seconds=HANDOVER_SECONDS, what="the second one leads")
        handover_seconds = time.monotonic() - killed_at
        wait_for(lambda: count() == WORKERS, seconds=40, what="the second one makes the group whole")
    assert_no_pod_was_made_twice(plane, namespace, began_at)
    say(f"killed with {there} of {WORKERS} pods made; handed over after {handover_seconds:.1f} s")


def writes_of(plane, namespace, user, since):
    """What `user` (empty: anybody) wrote in `namespace` since then and was not refused, by the audit log."""
    return [
        f"{event['verb']} {event['objectRef'].get('resource')}"
        for event in plane.audit_events(user)
        if event["verb"] in WRITES
        and event["responseStatus"]["code"] < http.HTTPStatus.BAD_REQUEST
        and (event.get("objectRef") or {}).get("namespace") == namespace
        and datetime.fromisoformat(event["requestReceivedTimestamp"]) >= since
    ]


def assert_no_pod_was_made_twice(plane, namespace, since):
    """A name is made once more only after it was deleted; what a dead client made has no answer in the audit log."""
    assert "delete pods" not in writes_of(plane, namespace, "", since)
