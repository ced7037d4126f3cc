"""The watch of pods: what it begins with, where it goes on, and that it bears what an API server may send."""

import asyncio
import contextlib

import pytest

from wattrain_operator.cluster.kube import client, podwatch
from wattrain_operator.cluster.kube.apierrors import ApiError, ExpiredError
from wattrain_operator.cluster.kube.podwatch import PodWatch
from wattrain_operator.cluster.kube.resources import PODS

LOST = ApiError(0, "ClientOSError", "connection reset")
LONGER_THAN_A_LINE_OF_AIOHTTP = 250_000


def pod(version, name="one-1-0"):
    return {"metadata": {"name": name, "namespace": "team", "resourceVersion": str(version)}, "status": {}}


class Script:
    """A client whose LISTs and watches are written down beforehand; after the last of either it ends its caller."""

    def __init__(self, lists, watches):
        self.lists, self.watches, self.asked = list(lists), list(watches), []

    async def list_all(self, resource, namespace, selector, keep):
        self.asked.append("list")
        if not self.lists:
            raise asyncio.CancelledError
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


class Sink:
    """Remembers the versions of LISTs and what was told; `take` gets each pod."""

    def __init__(self, take):
        self.listed, self.told, self._take = [], [], take

    def take_list(self, kind, items, version, namespace):
        assert (kind, namespace) == ("Pod", "team")
        self.listed.append(version)

    def take(self, kind, body, deleted):
        assert kind == "Pod"
        self.told.append((body["metadata"]["resourceVersion"], deleted))
        self._take(body)


@pytest.fixture
def play(monkeypatch):
    """Play a script: what was asked for, the versions of LISTs, and what was told."""
    monkeypatch.setattr(podwatch, "Backoffs", lambda: [0.0] * 9)

    def play(lists, watches, take=lambda _: None):
        script, sink = Script(lists, watches), Sink(take)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(PodWatch(script, "team").run(sink))
        return script.asked, sink.listed, sink.told

    return play


def test_a_watch_begins_at_the_version_of_a_list_and_goes_on_where_it_was_cut(play):
    events = [("ADDED", pod(11)), ("BOOKMARK", pod(15)), LOST]
    asked, listed, told = play([([pod(5)], 10)], [events, [("DELETED", pod(17))]])
    assert asked == ["list", "watch 10", "watch 15", "watch 17"]
    assert listed == [10]
    assert told == [("11", False), ("17", True)]


@pytest.mark.parametrize(
    "events",
    [
        [ExpiredError(410, "Expired", "too old resource version")],
        [("ADDED", pod(11)), ApiError(500, "InternalError", "etcd")],
        [LOST],
        [],
        [("ADDED", {"no": "metadata"})],
    ],
    ids=["forgotten", "refused", "nothing heard", "nothing told", "nonsense"],
)
def test_a_watch_begins_with_a_list_again_after_all_but_a_cut(play, events):
    asked, listed, _ = play([([], 10), ([pod(20)], 30)], [events])
    assert asked == ["list", "watch 10", "list", "watch 30"]
    assert listed == [10, 30]


def test_a_watch_outlives_a_defect_of_who_takes_its_events(play):
    def fail(_):
        raise RuntimeError("a defect")

    asked, _, told = play([([], 10), ([], 30)], [[("ADDED", pod(11))], [("ADDED", pod(31))]], fail)
    assert asked == ["list", "watch 10", "list", "watch 30", "list"]
    assert told == [("11", False), ("31", False)]


@pytest.mark.parametrize("line", [b"", b"<html>", b"[]", b'{"type": "ADDED"}', b'{"type": "ADDED", "object": 5}'])
def test_a_line_that_is_no_event_is_an_error_with_what_was_told(line):
    with pytest.raises(ApiError, match="a watch said"):
        client._event(line)


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
