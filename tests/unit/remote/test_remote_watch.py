"""Looking at objects over outages: nothing twice, nothing missed, and no end but a refusal."""

import asyncio

import pytest

from wattrain_operator.cluster.kube.apierrors import ApiError, ExpiredError, ForbiddenError
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS
from wattrain_operator.remote import object_watch
from wattrain_operator.remote.object_watch import Outage, Selection, changes


def job(uid, version):
    return {"metadata": {"namespace": "n", "name": uid, "uid": uid, "resourceVersion": str(version)}}


class FakeClient:
    """Answers LISTs and watches as a script says: an exception is raised, anything else is what there is."""

    def __init__(self, lists, watches):
        self.lists, self.watches, self.from_versions = list(lists), list(watches), []

    async def list_all(self, *_, **__):
        found = self.lists.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def watch(self, resource, namespace, labels, version, *, fields=""):
        self.from_versions.append(version)
        for event in self.watches.pop(0):
            if isinstance(event, Exception):
                raise event
            yield event


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(object_watch, "Backoffs", lambda: iter([0.0] * 100))


def seen(client):
    """What is told until an error ends it: uids, with `-` before those that were deleted."""

    told = []

    async def read():
        nonlocal told
        async for news in changes(client, Selection(TRAINING_JOBS, "n")):
            told += [[("-" if deleted else "") + body["metadata"]["uid"] for body, deleted in news]]

    with pytest.raises(ApiError) as error:
        asyncio.run(read())
    return told, error.value


END = ForbiddenError(403, "Forbidden", "no more")


def test_what_is_there_comes_first_and_then_what_changes():
    watch = [("ADDED", job("b", 6)), ("BOOKMARK", job("", 8)), ("DELETED", job("a", 9)), END]
    told, error = seen(FakeClient([([job("a", 3)], 5)], [watch]))
    assert (told, error) == ([["a"], ["b"], ["-a"]], END)


def test_a_watch_that_ends_goes_on_where_it_was():
    client = FakeClient([([], 5)], [[("ADDED", job("a", 7))], [("MODIFIED", job("a", 9))], [END]])
    assert seen(client)[0] == [[], ["a"], ["a"]]
    assert client.from_versions == [5, 7, 9]


@pytest.mark.parametrize(
    "cut", [ApiError(0, "ClientError", "gone"), ExpiredError(410, "Gone", ""), ApiError(503, "", "")]
)
def test_after_an_outage_only_what_changed_meanwhile_is_told(cut):
    before, after = [job("a", 1), job("b", 2), job("c", 3)], [job("a", 1), job("b", 8), job("d", 9)]
    told, _ = seen(FakeClient([(before, 5), (after, 9)], [[cut], [END]]))
    assert told == [["a", "b", "c"], ["-c", "b", "d"]]


def test_an_outage_at_the_first_question_is_an_error_and_a_later_one_is_none():
    unreachable = ApiError(0, "ClientError", "gone")
    assert seen(FakeClient([unreachable], [])) == ([], unreachable)
    told, error = seen(FakeClient([([], 5), unreachable, ([job("a", 6)], 6)], [[unreachable], [END]]))
    assert (told, error) == ([[], ["a"]], END)


def test_an_outage_is_noted_from_its_third_second_until_the_api_server_answers(monkeypatch):
    unreachable, now, noted = ApiError(0, "ClientError", "gone"), [100.0], []
    monkeypatch.setattr(object_watch.time, "monotonic", lambda: now[0])
    outage = Outage()

    class Slow(FakeClient):
        async def list_all(self, *words, **more):
            noted.append(outage.seconds)
            now[0] += 2.0
            return await super().list_all(*words, **more)

    client = Slow([([], 5), unreachable, unreachable, unreachable, ([], 6)], [[unreachable], [END]])

    async def read():
        async for _ in changes(client, Selection(TRAINING_JOBS, "n"), outage):
            noted.append(("news", outage.seconds))  # noqa: PERF401 - the end is an error, which would lose them

    with pytest.raises(ForbiddenError):
        asyncio.run(read())
    assert noted == [0.0, ("news", 0.0), 0.0, 0.0, 4.0, 6.0, ("news", 0.0)]
