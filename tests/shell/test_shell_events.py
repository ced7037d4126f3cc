"""Events: published once, counted afterwards, and never in the way; the last test is before a real API server."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from wattrain_operator.cluster.kube.apierrors import AlreadyExistsError, ApiError, NotFoundError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.events import NOTE_BYTES, WAITING, EventRecorder
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell
from wattrain_operator.core.observed import Event

JOB = {"metadata": {"name": "one", "namespace": "team", "uid": "u1"}}
EVENT = Event("Warning", "WorkersRestarted", "rank 1 failed")


class Server:
    def __init__(self):
        self.events, self.error = {}, None

    async def create(self, _resource, _namespace, body):
        if self.error:
            raise self.error
        if body["metadata"]["name"] in self.events:
            raise AlreadyExistsError(409, "AlreadyExists", "")
        self.events[body["metadata"]["name"]] = json.loads(json.dumps(body))

    async def merge(self, _resource, _namespace, name, patch):
        if self.error:
            raise self.error
        if name not in self.events:
            raise NotFoundError(404, "NotFound", "")
        self.events[name] |= patch


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def recorder(server):
    return EventRecorder(server, "me", lambda: datetime(2026, 11, 24, tzinfo=UTC))


def publish(recorder, event=EVENT, job=JOB):
    recorder.add(job, [event])
    asyncio.run(recorder.publish_all())


def test_an_event_names_the_job_by_its_uid(server, recorder):
    publish(recorder)
    (event,) = server.events.values()
    assert event["regarding"]["uid"] == "u1"
    assert (event["type"], event["reason"], event["note"]) == ("Warning", "WorkersRestarted", "rank 1 failed")
    assert event["eventTime"] == "2026-11-24T00:00:00.000000Z"
    assert "series" not in event


def test_the_same_again_counts_up(server, recorder):
    for _ in range(3):
        publish(recorder)
    (event,) = server.events.values()
    assert event["series"]["count"] == 3


def test_events_are_named_in_the_order_in_which_they_are_published(server, recorder):
    reasons = ["WorkersRunning", "JobAdmitted", "TrainingComplete"]
    for reason in reasons:
        publish(recorder, Event("Normal", reason, "at the same moment"))
    publish(EventRecorder(server, "the next operator", lambda: datetime(2026, 11, 25, tzinfo=UTC)))
    assert [server.events[name]["reason"] for name in sorted(server.events)] == [*reasons, "WorkersRestarted"]


def test_an_event_bears_the_time_at_which_it_happened_not_the_one_at_which_it_is_published(server):
    clock = iter(datetime(2026, 11, day, tzinfo=UTC) for day in (24, 25, 26))
    recorder = EventRecorder(server, "me", lambda: next(clock))
    recorder.add(JOB, [EVENT, Event("Normal", "WorkersRunning", "again")])
    next(clock)
    asyncio.run(recorder.publish_all())
    assert [event["eventTime"][:10] for event in server.events.values()] == ["2026-11-24", "2026-11-25"]


def test_an_event_whose_telling_was_cut_off_is_told_once_more(server, recorder):
    server.error = asyncio.CancelledError()
    recorder.add(JOB, [EVENT])
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(recorder.publish_all())
    server.error = None
    asyncio.run(recorder.publish_all())
    assert len(server.events) == 1


def test_events_that_nobody_takes_do_not_fill_the_memory(server, recorder, caplog):
    recorder.add(JOB, [Event("Normal", "R", str(number)) for number in range(WAITING + 1)])
    asyncio.run(recorder.publish_all())
    assert len(server.events) == WAITING
    assert "too many wait" in caplog.text


def test_an_event_that_the_server_has_forgotten_is_told_anew(server, recorder):
    publish(recorder)
    server.events.clear()
    publish(recorder)
    (event,) = server.events.values()
    assert "series" not in event


def test_a_namesake_has_events_of_its_own(server, recorder):
    publish(recorder)
    publish(recorder, job={"metadata": JOB["metadata"] | {"uid": "u2"}})
    assert len(server.events) == 2


def test_an_event_that_cannot_be_told_is_logged_and_holds_nothing_up(server, recorder, caplog):
    server.error = ApiError(500, "InternalError", "no")
    publish(recorder)
    assert "is lost" in caplog.text


def test_a_note_is_one_line_that_fits(server, recorder):
    publish(recorder, Event("Normal", "R", "\x1b[31mé\n" * 1000))
    (event,) = server.events.values()
    assert len(event["note"].encode()) <= NOTE_BYTES
    assert "\n" not in event["note"]
    assert "\x1b" not in event["note"]


def test_what_waits_is_told_before_the_operator_ends(scenario):
    async def story(cluster):
        job = await cluster.apply("one")
        client = Client(await cluster.configuration())
        shell = Shell(client, OperatorSettings("worker:1", "worker:1"), "me", lambda: True)
        try:
            shell.events.add(job, [EVENT])
            await shell.finish()
        finally:
            await shell.close()
            await client.close()
        assert [event["reason"] for event in await cluster.events()] == ["WorkersRestarted"]

    scenario(story)


def test_a_real_api_server_counts_up_what_is_told_twice(scenario):
    async def story(cluster):
        job = await cluster.apply("one")
        client = Client(await cluster.configuration())
        try:
            recorder = EventRecorder(client, "me")
            for _ in range(2):
                recorder.add(job, [EVENT])
            await recorder.publish_all()
        finally:
            await client.close()
        (event,) = await cluster.events()
        assert (event["reason"], event["series"]["count"]) == ("WorkersRestarted", 2)

    scenario(story)
