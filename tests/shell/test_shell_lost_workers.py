"""Workers that are lost on fake nodes, with the real scheduler and the real controllers: the group comes back whole."""

import asyncio
import time

import pytest
from harness.api import Api
from harness.fleet import NODES

from wattrain_operator.cluster.kube.resources import Resource
from wattrain_operator.cluster.objects import pods as pods_module
from wattrain_operator.core import lifecycle

from .conftest import until
from .stage import Stage, say
from .witness import watched

ANYWHERE = {"replicas": 2, "nodeSelector": {}}
WHOLE_SECONDS = 120
"""Bound on the comeback: the cluster's own patience with a node that is gone is most of it."""


async def running(cluster, name, **spec):
    """A job whose two workers run on fake nodes. KWOK plays the kubelet."""
    stage = Stage(cluster, name)
    await stage.apply(workers=ANYWHERE, **spec)
    await stage.until_true("Running")
    return stage


async def deleted(stage, victim):
    await stage.cluster.delete_pod(victim)


async def evicted(stage, victim):
    name = victim["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await stage.cluster.client.create(Resource("", "v1", f"pods/{name}/eviction"), stage.cluster.namespace, body)


async def preempted(stage, victim):
    """As the scheduler and the kubelet do: a condition, and the end."""
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "for more"}
    await stage.cluster.set_pod(victim, {"phase": "Failed", "conditions": [condition]})


async def out_of_memory(stage, victim):
    ended = {"exitCode": 137, "reason": "OOMKilled"}
    container = {"name": "worker", "image": "i", "imageID": "i", "restartCount": 0, "ready": False}
    ends = [{**container, "state": {"terminated": ended}}]
    await stage.cluster.set_pod(victim, {"phase": "Failed", "conditions": [], "containerStatuses": ends})


TOLD = {deleted: "nothing says by whom", evicted: "it was evicted", preempted: "a pod of higher priority"}


@pytest.mark.parametrize("lose", TOLD, ids=lambda lose: lose.__name__)
def test_a_disruption_brings_the_group_back_is_told_and_is_not_charged(scenario, own_nodes, own_plane, lose):
    async def main(cluster):
        async with watched(cluster) as seen, cluster.operator() as shell:
            stage = await running(cluster, "one", policy={"maxRestarts": 0})
            began_at = time.monotonic()
            await lose(stage, (await stage.pods())[1])
            await stage.until_whole(2)
            await stage.until_true("Running")
            seconds = time.monotonic() - began_at
            status = await stage.status()
            (restart,) = status["restarts"]
            assert (status["attempt"], restart["counted"], restart["reason"]) == (2, False, "WorkerLost")
            assert TOLD[lose] in restart["lastLine"]
            assert "failuresSinceCheckpoint" not in status["internal"]
            seen.assert_orderly()
            assert shell.outcomes["crash"] == 0
            say(f"{lose.__name__}: all workers run again after {seconds:.1f} s")

    scenario(main)


def test_running_out_of_memory_is_charged_and_ends_the_job_when_the_budget_is_used_up(scenario, own_nodes, own_plane):
    async def main(cluster):
        async with watched(cluster) as seen, cluster.operator() as shell:
            stage = await running(cluster, "one", policy={"maxRestarts": 1})
            await out_of_memory(stage, (await stage.pods())[1])
            await stage.until_whole(2)
            await stage.until_true("Running")
            (restart,) = (await stage.status())["restarts"]
            assert (restart["counted"], restart["reason"], restart["worker"]) == (True, "OutOfMemory", 1)
            assert "resources.limits.memory" in restart["lastLine"]
            await out_of_memory(stage, (await stage.pods())[0])
            await stage.until_true("Failed")
            assert (await stage.condition("Failed"))["reason"] == "RestartBudgetExhausted"
            seen.assert_orderly()
            assert shell.outcomes["crash"] == 0

    scenario(main)


def test_workers_of_a_node_that_is_gone_or_silent_come_back_on_others(scenario, own_nodes, own_plane, monkeypatch):
    """One node's object is deleted. Another is cut off from what plays its kubelet and does not answer: its pods are
    evicted by the controller, never end, and are given up after a bounded wait, here a shorter one than in earnest."""
    monkeypatch.setattr(pods_module, "NODE_LOST_SECONDS", 2)
    monkeypatch.setattr(lifecycle, "NODE_LOST_SECONDS", 5.0)

    async def main(cluster):
        async with watched(cluster) as seen, cluster.operator() as shell:
            with own_plane.api() as api:
                one = await running(cluster, "one")
                nodes = [pod["spec"]["nodeName"] for pod in await one.pods()]
                for node in nodes:  # so that each job loses one worker, and to one cause
                    api.patch(f"{NODES}/{node}", {"spec": {"unschedulable": True}})
                other = await running(cluster, "other")
                for node in nodes:
                    api.patch(f"{NODES}/{node}", {"spec": {"unschedulable": None}})
                lost = nodes[1], (await other.pods())[1]["spec"]["nodeName"]
                began_at = time.monotonic()
                api.delete(f"{NODES}/{lost[0]}")
                cut_off(api, lost[1])
            seconds = await asyncio.gather(*(comes_back(stage, set(lost), began_at) for stage in (one, other)))
            for stage in (one, other):
                status = await stage.status()
                assert "failuresSinceCheckpoint" not in status["internal"]
                assert {restart["counted"] for restart in status["restarts"]} == {False}
            seen.assert_orderly()
            assert shell.outcomes["crash"] == 0
            say(f"node deleted: back after {seconds[0]:.1f} s; node silent: back after {seconds[1]:.1f} s")

    scenario(main)


def cut_off(api: Api, node: str) -> None:
    """Nobody plays this node's kubelet any more, and it is found to be silent now rather than after a minute."""
    api.patch(f"{NODES}/{node}", {"metadata": {"labels": {"wattrain.dev/fake-node": None}}})
    body = api.get(f"{NODES}/{node}")
    conditions = [c if c["type"] != "Ready" else {**c, "status": "Unknown"} for c in body["status"]["conditions"]]
    api.replace(f"{NODES}/{node}/status", {**body, "status": {**body["status"], "conditions": conditions}})


async def comes_back(stage, lost, began_at):
    """Until the group runs again, on other nodes; seconds since then."""

    async def elsewhere():
        pods = await stage.pods()
        nodes = {pod["spec"].get("nodeName") for pod in pods}
        attempts = {pod["metadata"]["labels"]["wattrain.dev/attempt"] for pod in pods}
        alone = len(pods) == 2 and len(attempts) == 1 and attempts != {"1"}
        return alone and not nodes & {*lost, None} and all(pod["status"]["phase"] == "Running" for pod in pods)

    await until(elsewhere, f"{stage.name} runs on other nodes", seconds=WHOLE_SECONDS)
    return time.monotonic() - began_at


def test_a_pod_of_a_silent_node_is_not_replaced_while_it_may_still_write(scenario, own_nodes, own_plane):
    """With the wait of earnest, which does not end here: the old group still counts as alive, so no new one starts."""

    async def main(cluster):
        async with watched(cluster) as seen, cluster.operator(resync_seconds=1.0) as shell:
            stage = await running(cluster, "one")
            victim = (await stage.pods())[1]
            with own_plane.api() as api:
                cut_off(api, victim["spec"]["nodeName"])
            await cluster.delete_pod(victim)

            async def restarting():
                return (await stage.status())["attempt"] == 2 and len(await stage.pods()) == 1

            await until(restarting, "the attempt is given up, and its other worker is gone")
            listed = shell.listed_at["Pod"]

            async def looked_again():
                return shell.listed_at["Pod"] > listed + 3

            await until(looked_again, "the operator has looked again")
            assert [pod["metadata"]["uid"] for pod in await stage.pods()] == [victim["metadata"]["uid"]]
            seen.assert_orderly()

    scenario(main)
