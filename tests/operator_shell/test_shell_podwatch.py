"""The watch of pods: what it begins with, where it goes on, and that it bears what an API server may send."""

import asyncio
import contextlib

import pytest

from wattrain_operator.cluster import podwatch
from wattrain_operator.cluster.client import PODS, ApiError, ExpiredError
from wattrain_operator.cluster.podwatch import watch_pods

LOST = ApiError(0, "ClientOSError", "connection reset")
LONGER_THAN_A_LINE_OF_AIOHTTP = 250_000


def pod(version, name="one-1-0"):
    return {"metadata": {"name": name, "namespace": "team", "resourceVersion": str(version)}, "status": {}}


class Script:
    """A client whose LISTs and watches are written down beforehand; it ends the watch of pods after the last."""

    def __init__(self, lists, watches):
        self.lists, self.watches, self.asked = list(lists), list(watches), []

    async def list_all(self, resource, namespace, selector, keep):
        self.asked.append("list")
        pods, version = self.lists.pop(0)
        return [keep(pod) for pod in pods], version

    async def watch(self, resource, namespace, selector, version):
        self.asked.append(f"watch {version}")
        if not self.watches:
            raise asyncio.CancelledError
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture
def play(monkeypatch):
    """Play a script: what was asked for, the versions of LISTs, and what was told."""
    monkeypatch.setattr(podwatch, "Backoffs", lambda: [0.0] * 9)

    def play(lists, watches):
        script, listed, told = Script(lists, watches), [], []
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(
                watch_pods(
                    script,
                    "team",
                    lambda _, version: listed.append(version),
                    lambda pod, deleted: told.append((pod["metadata"]["resourceVersion"], deleted)),
                )
            )
        return script.asked, listed, told

    return play


def test_a_watch_begins_at_the_version_of_a_list_and_goes_on_where_it_was_cut(play):
    events = [("ADDED", pod(11)), ("BOOKMARK", pod(15)), LOST]
    asked, listed, told = play([([pod(5)], 10)], [events, [("DELETED", pod(17))], []])
    assert asked == ["list", "watch 10", "watch 15", "watch 17", "watch 17"]
    assert listed == [10]
    assert told == [("11", False), ("17", True)]


def test_a_watch_whose_version_is_forgotten_begins_with_a_list_again(play):
    asked, listed, told = play([([], 10), ([pod(20)], 30)], [[ExpiredError(410, "Expired", "too old")], []])
    assert asked == ["list", "watch 10", "list", "watch 30", "watch 30"]
    assert listed == [10, 30]
    assert told == []


def test_a_watch_tells_of_a_pod_of_any_size_and_of_its_end(scenario):
    async def story(cluster):
        _, version = await cluster.client.list_all(PODS, cluster.namespace)
        metadata = {
            "name": "large",
            "labels": {"watched": "yes"},
            "annotations": {"text": "x" * LONGER_THAN_A_LINE_OF_AIOHTTP},
        }
        spec = {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"wattrain.dev/test": "nowhere"}}
        security = {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}
        spec |= {"securityContext": security}
        spec["containers"][0]["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        made = await cluster.client.create(PODS, cluster.namespace, {"metadata": metadata, "spec": spec})
        await cluster.client.create(PODS, cluster.namespace, {"metadata": {"name": "other"}, "spec": spec})
        await cluster.client.delete(PODS, cluster.namespace, "large", made["metadata"]["uid"], force=True)
        kinds, lengths = [], set()
        async with contextlib.aclosing(cluster.client.watch(PODS, cluster.namespace, "watched=yes", version)) as events:
            async for kind, body in events:
                kinds.append(kind)
                lengths.add(len(body["metadata"]["annotations"]["text"]))
                if kind == "DELETED":
                    break
        assert (kinds[0], kinds[-1]) == ("ADDED", "DELETED")
        assert lengths == {LONGER_THAN_A_LINE_OF_AIOHTTP}

    scenario(story)
