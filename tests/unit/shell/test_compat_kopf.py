"""What kopf carries, and what is relied on of its inside."""

import asyncio
import contextlib
import dataclasses
import gc
import getpass
import logging

import kopf
import pytest
from kubernetes.aio.client import Configuration

from wattrain_operator.cluster.kube import compat, kopfwatch
from wattrain_operator.cluster.kube.kopfwatch import KopfWatch

from .relied_on import FakeApi, an_object, relies_on


@pytest.fixture(autouse=True)
def no_log_of_kopf(caplog):
    """What kopf logs of its end would keep its coroutines until the session ends: and Python 3.11 fails (a recursion
    depth mismatch) where those are collected while a module is compiled."""
    caplog.set_level(logging.CRITICAL, logger="kopf")


class Sink:
    """Remembers what a watch passes on."""

    def __init__(self):
        self.taken = asyncio.Queue()

    def take(self, kind, body, deleted):
        self.taken.put_nowait((kind, body, deleted))


def play(story, jobs=(), domains=()):
    """Run `story` with an API server and the way to it, in at most twenty seconds."""

    async def main():
        api = FakeApi(trainingjobs=jobs, powerdomains=domains)
        async with asyncio.timeout(20), api.serve() as address:
            return await story(api, Configuration(host=address))

    try:
        return asyncio.run(main())
    finally:
        gc.collect()


@contextlib.asynccontextmanager
async def kopf_at_work(api, configuration, took_signals=lambda: None, **handlers):
    """kopf while it carries events into a sink, until it ends at an error of its watches: cancelled, as in the
    operator's last moment, it would not close its connections."""
    sink = Sink()
    registry = kopfwatch._registry(configuration, sink)
    for plural, handler in handlers.items():
        kopf.on.event("wattrain.dev", "v1alpha1", plural, registry=registry, id="probe")(handler)
    finishing = asyncio.create_task(
        compat.finish_kopf(await compat.spawn_kopf(registry, kopfwatch._settings(), ("team",), took_signals))
    )
    await sink.taken.get()
    try:
        yield sink
    finally:
        api.fail_watches()
        with pytest.raises(Exception, match="etcd"):
            await finishing


def own_tasks():
    return [task for task in asyncio.all_tasks() if task not in compat._TasksOfOthers()]


def test_kopf_carries_jobs_and_domains_whole_and_writes_nothing():
    async def story(api, configuration):
        jobs = api.events["trainingjobs"]
        async with kopf_at_work(api, configuration) as sink:
            domain = await sink.taken.get()
            jobs.put_nowait(("MODIFIED", an_object("one", 11, spec={"a": 2}, status={"state": "x"})))
            changed = await sink.taken.get()
            jobs.put_nowait(("DELETED", an_object("one", 12, spec={"a": 2})))
            deleted = await sink.taken.get()
        return domain, changed, deleted, {method for method, _ in api.asked}

    with relies_on("kopf", "spawn_kopf"):
        one, grid = an_object("one", 5, spec={"a": 1}), an_object("grid", 6, spec={"b": 1})
        (kind, domain, _), changed, deleted, methods = play(story, [one], [grid])
        assert (kind, domain["spec"]) in (("PowerDomain", {"b": 1}), ("TrainingJob", {"a": 1}))
        assert (changed[1]["spec"], changed[1]["status"], changed[2]) == ({"a": 2}, {"state": "x"}, False)
        assert (deleted[1]["metadata"]["resourceVersion"], deleted[2]) == ("12", True)
        assert methods == {"GET"}


def test_kopf_is_begun_anew_when_it_has_ended(monkeypatch):
    class Pauses:
        def __iter__(self):
            return iter([0.0, 0.0, 3600.0])

    spawned, finished = [], []

    async def spawn(*arguments):
        spawned.append(arguments)
        return []

    async def finish(tasks):
        finished.append(tasks)
        if len(finished) == 3:
            raise asyncio.CancelledError
        raise RuntimeError("a watch has failed")

    monkeypatch.setattr(kopfwatch, "Backoffs", Pauses)
    monkeypatch.setattr(compat, "spawn_kopf", spawn)
    monkeypatch.setattr(compat, "finish_kopf", finish)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(KopfWatch(Configuration(), ("team",), lambda: None).run(Sink()))
    assert len(spawned) == 3


def test_kopf_asks_for_no_user_name(monkeypatch):
    def refuse():
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", refuse)
    monkeypatch.delenv("POD_ID", raising=False)

    async def story(api, configuration):
        async with kopf_at_work(api, configuration):
            pass

    with relies_on("kopf", "spawn_kopf"):
        play(story, [an_object("one", 5)])


def test_kopf_takes_signals_only_while_it_starts():
    async def story(api, configuration):
        order = []
        asyncio.get_running_loop().add_signal_handler = lambda number, *_: order.append(number.name)
        async with kopf_at_work(api, configuration, lambda: order.append("told")):
            pass
        return order

    with relies_on("kopf", "spawn_kopf"):
        assert play(story, [an_object("one", 5)]) == ["SIGINT", "SIGTERM", "told"]


def test_the_end_of_kopf_leaves_the_tasks_of_others_alone_and_none_of_its_own():
    async def story(api, configuration):
        async with kopf_at_work(api, configuration):
            other = asyncio.create_task(asyncio.Event().wait())
            own = own_tasks()
        left, cancelled = own_tasks(), other.cancelling() or other.done()
        other.cancel()
        return len(own), left, cancelled

    with relies_on("kopf", "_TasksOfOthers"):
        own, left, cancelled = play(story, [an_object("one", 5)])
        assert own > 5
        assert (left, cancelled) == ([], 0)


def test_what_a_handler_drops_of_an_object_kopf_no_longer_keeps():
    async def story(api, configuration):
        kept = asyncio.Queue()

        async def probe(event, body, **_):
            compat.keep_only_metadata(event)
            kept.put_nowait(set(body))

        async with kopf_at_work(api, configuration, trainingjobs=probe):
            return await kept.get()

    with relies_on("kopf", "keep_only_metadata"):
        assert play(story, [an_object("one", 5, spec={"a": 1}, status={"b": 2})]).isdisjoint({"spec", "status"})


def test_kopf_compares_what_the_storage_builds(monkeypatch):
    built = []
    monkeypatch.setattr(compat.NoComparison, "build", lambda self, **_: built.append(1) or kopf.BodyEssence({}))

    async def story(api, configuration):
        async with kopf_at_work(api, configuration):
            pass

    with relies_on("kopf", "NoComparison"):
        play(story, [an_object("one", 5)])
        assert built == [1]


def test_every_setting_that_is_chosen_is_one_that_kopf_knows():
    chosen = kopfwatch._settings()
    sections = {field.name: getattr(chosen, field.name) for field in dataclasses.fields(chosen)}
    unknown = [
        f"{name}.{setting}"
        for name, section in [("", chosen), *sections.items()]
        for setting in set(vars(section)) - {field.name for field in dataclasses.fields(section)}
    ]
    with relies_on("kopf", "NoComparison, or kopfwatch._settings,"):
        assert unknown == []
