"""A member's link to worker 0: for which replies it wakes its supervisor."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from wattrain_api.contract.group_exchange import Action, CoordinatorReply, MemberMessage, MemberReport, MemberState
from wattrain_worker.supervisor.link import HTTPLink
from wattrain_worker.supervisor.server import Server

MESSAGE = MemberMessage(worker=1, state=MemberState.WAITING, report=MemberReport(step=0))
WAIT, RUN = CoordinatorReply(Action.WAIT, 0, 2), CoordinatorReply(Action.RUN, 1, 2)


class Worker0:
    """Answers what a test has put there, once it is let."""

    def __init__(self) -> None:
        self.replies: list[CoordinatorReply] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        listening = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1", int(listening.getsockname()[1])
        self.server = Server(listening, bytes, lambda: pytest.fail("nobody asks"), self._answer, "secret")
        self.server.start()

    def _answer(self, _: MemberMessage) -> CoordinatorReply:
        self.may_answer.wait(20)
        return self.replies.pop(0)


@pytest.fixture
def worker_0() -> Iterator[Worker0]:
    made = Worker0()
    yield made
    made.may_answer.set()
    made.server.stop()


def send(link: HTTPLink, until: Callable[..., None]) -> CoordinatorReply:
    link.send(MESSAGE)
    taken: list[CoordinatorReply] = []

    def has_come() -> bool:
        reply = link.take_reply()
        if reply is not None:
            taken.append(reply)
        return bool(taken) and not link._has_message.is_set()

    until(has_come)
    return taken[0]


def until_true(condition: Callable[[], object]) -> None:
    waiting = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waiting.wait(0.01)
    pytest.fail("it did not happen in time")


def test_only_a_reply_that_says_something_else_than_the_last_one_wakes(worker_0: Worker0) -> None:
    woken: list[int] = []
    link = HTTPLink(worker_0.address, "secret", lambda: woken.append(1))
    counts = []
    for reply in (WAIT, WAIT, RUN, RUN, WAIT):
        worker_0.replies.append(reply)
        assert send(link, until_true) == reply
        counts.append(len(woken))
    until_true(lambda: len(woken) >= 3)
    assert len(woken) == 3
    assert counts[1] <= 1
    assert counts[3] <= 2


def test_who_has_found_it_busy_is_woken_when_it_is_not(worker_0: Worker0) -> None:
    woken = threading.Event()
    link = HTTPLink(worker_0.address, "secret", woken.set)
    worker_0.replies += [WAIT, WAIT]
    send(link, until_true)
    assert woken.wait(20)
    woken.clear()
    worker_0.may_answer.clear()
    link.send(MESSAGE)
    assert not link.idle
    worker_0.may_answer.set()
    assert woken.wait(20)
