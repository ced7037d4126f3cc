"""Asking groups how far they are."""

import asyncio
import json
import random

import pytest
from aiohttp import web

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Evaluation
from wattrain_api.contract.termination import TerminationMessage
from wattrain_operator.cluster.kube.cache import JobKey
from wattrain_operator.cluster.progress_poller import LONGEST_ANSWER_BYTES, DirectFetch, ProgressPoller, Speaker
from wattrain_operator.core.roles import Role

KEY = JobKey("team", "one")
SPEAKER = Speaker("u1", "team", "one-1-0", "127.0.0.1", Role.WORKER, 1)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Group:
    """Answers what it is set to answer."""

    def __init__(self):
        self.answer, self.asked = {"attempt": 1, "phase": "training", "step": 1}, 0

    async def __call__(self, speaker):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def group():
    return Group()


@pytest.fixture
def told():
    return []


@pytest.fixture
def poller(clock, group, told):
    return ProgressPoller(group, 10.0, clock, told.append)


def ask(poller):
    async def main():
        poller.ask_due()
        asking = [x.asking for x in poller._listened.values()]
        await asyncio.gather(*(task for task in asking if task is not None and not task.done()))

    asyncio.run(main())


def test_a_new_speaker_is_asked_at_once_and_then_at_intervals(poller, group, clock, told):
    poller.listen(KEY, SPEAKER)
    ask(poller)
    ask(poller)
    assert group.asked == 1
    assert told == [KEY]
    clock.now += 12
    ask(poller)
    assert group.asked == 2


def test_a_pod_without_an_address_is_not_asked(poller, group):
    poller.listen(KEY, Speaker("u1", "team", "one-1-0", "", Role.WORKER, 1))
    ask(poller)
    assert group.asked == 0


def test_time_without_a_change_is_counted_between_answers(poller, group, clock):
    poller.listen(KEY, SPEAKER)
    for _ in range(4):
        ask(poller)
        clock.now += 12
    assert poller.report(KEY).unchanged_seconds == 36
    group.answer = {"attempt": 1, "phase": "training", "step": 2}
    ask(poller)
    assert poller.report(KEY).unchanged_seconds == 0


def test_while_nobody_answers_no_time_passes_for_the_group(poller, group, clock):
    poller.listen(KEY, SPEAKER)
    ask(poller)
    group.answer = OSError("no route")
    for _ in range(100):
        clock.now += 12
        ask(poller)
    assert poller.report(KEY).unchanged_seconds == 0
    assert poller.outcomes["unreachable"] == 100


@pytest.mark.parametrize("answer", [b"<html>", b"[1, 2]", b"", b"\xff\xfe", b"[" * 100_000])
def test_nonsense_is_no_answer(poller, group, told, answer):
    group.answer = answer
    poller.listen(KEY, SPEAKER)
    ask(poller)
    assert poller.report(KEY) is None
    assert told == []
    assert poller.outcomes["unreadable"] == 1


def test_another_pod_starts_anew(poller, clock):
    poller.listen(KEY, SPEAKER)
    ask(poller)
    poller.listen(KEY, Speaker("u2", "team", "one-2-0", "127.0.0.1", Role.WORKER, 2))
    assert poller.report(KEY) is None


def test_the_termination_message_brings_the_last_answer_up_to_the_end(poller, group):
    group.answer = {"attempt": 1, "phase": "training", "step": 8, "totalSteps": 10}
    poller.listen(KEY, SPEAKER)
    ask(poller)
    poller.close_with(KEY, "u1", TerminationMessage(step=10, phase=Phase.DONE))
    report = poller.report(KEY)
    assert (report.step, report.total_steps, report.phase) == (10, 10, "done")


def test_of_a_pod_that_ended_while_no_operator_asked_the_termination_message_says_all(poller):
    poller.listen(KEY, SPEAKER)
    last = Evaluation(step=60, loss=0.2, accuracy=0.9)
    left = TerminationMessage(step=60, total_steps=60, epoch=3, loss=0.1, phase=Phase.DONE, validation=last)
    poller.close_with(KEY, "u1", left)
    report = poller.report(KEY)
    assert (report.step, report.total_steps, report.epoch, report.loss, report.phase) == (60, 60, 3, 0.1, "done")
    assert (report.validation.loss, report.validation.accuracy) == (0.2, 0.9)


def test_an_answer_that_comes_after_the_termination_message_is_not_heard(poller, group, clock):
    poller.listen(KEY, SPEAKER)
    ask(poller)
    poller.close_with(KEY, "u1", TerminationMessage(step=10))
    group.answer = {"attempt": 1, "step": 3}
    clock.now += 12
    ask(poller)
    assert poller.report(KEY).step == 10


def test_a_job_that_is_gone_is_forgotten(poller, group, clock):
    poller.listen(KEY, SPEAKER)
    poller.forget(KEY)
    ask(poller)
    assert group.asked == 0
    assert poller.report(KEY) is None


def test_pods_are_asked_at_their_address_and_answers_end_somewhere():
    """A real server; every test process has a loopback address of its own, for the port is fixed."""
    address = f"127.{random.randrange(2, 250)}.{random.randrange(250)}.{random.randrange(2, 250)}"

    async def progress(request):
        return web.json_response({"step": 5})

    async def endless(request):
        return web.Response(body=b"x" * (2 * LONGEST_ANSWER_BYTES))

    async def serve(handler):
        application = web.Application()
        application.add_routes([web.get("/v1/progress", handler)])
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, address, 9400).start()
        fetch = DirectFetch()
        try:
            return await fetch(Speaker("u1", "team", "one-1-0", address, Role.WORKER, 1))
        finally:
            await fetch.close()
            await runner.cleanup()

    assert json.loads(asyncio.run(serve(progress))) == {"step": 5}
    assert len(asyncio.run(serve(endless))) == LONGEST_ANSWER_BYTES
