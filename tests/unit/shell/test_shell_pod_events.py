"""Why a pod waits, by its events: how the newest is chosen, and how seldom they are asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wattrain_operator.cluster.kube.apierrors import ForbiddenError
from wattrain_operator.cluster.pod_events import LONGEST_PAUSE_SECONDS, Explanations, PodEvents
from wattrain_operator.core.observed import Child
from wattrain_operator.core.roles import Role

WAITS = Child("one-1-0", "a", Role.WORKER, 1, 0, "Pending", message="ContainerCreating", unexplained=True)
SCHEDULED = {"reason": "Scheduled", "note": "to node-7", "type": "Normal", "eventTime": "2026-11-24T12:00:00.500000Z"}
MOUNT = {
    "reason": "FailedMount", "note": 'configmap "own" not found\n', "type": "Warning",
    "deprecatedLastTimestamp": "2026-11-24T12:00:08Z", "deprecatedFirstTimestamp": "2026-11-24T12:00:00Z",
}  # fmt: skip
PULLING = {"reason": "Pulling", "note": "image i", "type": "Normal", "deprecatedLastTimestamp": "2026-11-24T12:00:31Z"}
SERIES = {
    "reason": "FailedMount", "note": "again", "type": "Warning", "eventTime": "2026-11-24T12:00:01.000000Z",
    "series": {"count": 3, "lastObservedTime": "2026-11-24T12:00:40.000000Z"},
}  # fmt: skip


class World:
    """Events of pods by their uids, and who asked for them."""

    def __init__(self) -> None:
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.seconds = 1000.0
        self.known = Explanations()
        self.pod_events = PodEvents(self, lambda: self.seconds)  # type: ignore[arg-type]
        self.refuses = False

    async def list_all(self, resource: Any, namespace: str, *, fields: str) -> tuple[list[dict[str, Any]], int]:
        assert (resource.plural, namespace) == ("events", "team")
        self.asked.append(fields.removeprefix("regarding.uid="))
        if self.refuses:
            raise ForbiddenError(403, "Forbidden", "no")
        return self.events.get(self.asked[-1], []), 1

    def look(self, *uids: str) -> bool:
        return asyncio.run(self.pod_events.look_into("team", uids, self.known))


@pytest.mark.parametrize(
    ("events", "blocked_by", "message"),
    [
        ([SCHEDULED, MOUNT], "FailedMount", 'FailedMount: configmap "own" not found'),
        ([MOUNT, PULLING, SCHEDULED], "", "Pulling: image i"),
        ([PULLING, SERIES], "FailedMount", "FailedMount: again"),
        ([], "", "ContainerCreating"),
    ],
)
def test_the_newest_event_says_what_a_silent_pod_waits_for(events: Any, blocked_by: str, message: str) -> None:
    world = World()
    world.events["a"] = events
    assert world.look("a") == bool(events)
    child = world.known.added_to(WAITS)
    assert (child.blocked_by, child.message.strip()) == (blocked_by, message)


def test_a_pod_that_says_itself_what_it_waits_for_is_believed() -> None:
    world = World()
    world.events["a"] = [MOUNT]
    world.look("a")
    speaks = Child("one-1-0", "a", Role.WORKER, 1, 0, "Pending", message="no node", blocked_by="Unschedulable")
    assert world.known.added_to(speaks) == speaks


def test_pods_of_a_job_are_asked_about_a_few_at_once_in_turn_and_ever_less_often() -> None:
    world = World()
    world.events = {uid: [MOUNT] for uid in "abcde"}
    world.look(*"abcde")
    assert world.asked == ["a", "b", "c"]
    assert not world.look(*"abcde")
    times = []
    while len(times) < 6:
        before = len(world.asked)
        world.look(*"abcde")
        if len(world.asked) > before:
            times.append(world.seconds - 1000)
        world.seconds += 1
    assert "".join(world.asked) == "abc" + "dea" + "bcd" + "eab" + "cde" + "abc" + "dea"
    assert times == [30, 90, 210, 450, 750, 1050]
    assert times[-1] - times[-2] == LONGEST_PAUSE_SECONDS


def test_without_the_right_to_read_events_a_job_goes_on() -> None:
    world = World()
    world.refuses = True
    assert not world.look("a")
    assert world.known.added_to(WAITS) == WAITS
