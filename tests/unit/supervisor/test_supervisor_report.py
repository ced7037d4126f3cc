"""`report`, as a script uses it: in a process of its own, for it reads its environment once."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from wattrain_worker import report as report_module


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "report"))
        made.settimeout(10)
        yield made


def script(text: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from wattrain_worker.report import report\n" + textwrap.dedent(text)],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("WATTRAIN_")}, **environ},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip


def test_a_report_is_one_datagram_with_the_rank_and_names_in_camel_case(receiver: socket.socket) -> None:
    path = receiver.getsockname()
    script(
        "report(step=5, learning_rate=0.1, totalSteps=9, checkpoint={'step': 4})", WATTRAIN_REPORT_SOCKET=path, RANK="3"
    )
    expected = {"rank": 3, "step": 5, "learningRate": 0.1, "totalSteps": 9, "checkpoint": {"step": 4}}
    assert json.loads(receiver.recv(9000)) == expected


def test_anything_that_float_takes_is_a_number(receiver: socket.socket) -> None:
    script(
        """
        from fractions import Fraction
        report(loss=Fraction(1, 4))
        """,
        WATTRAIN_REPORT_SOCKET=receiver.getsockname(),
    )
    assert json.loads(receiver.recv(9000))["loss"] == 0.25


@pytest.mark.parametrize("environ", [{}, {"WATTRAIN_REPORT_SOCKET": "/nowhere"}])
def test_outside_of_wattrain_nothing_happens(environ: dict[str, str]) -> None:
    done = script("report(step=1); report(step=object()); print('went on')", **environ)
    assert (done.stdout, done.stderr) == ("went on\n", "")


def test_what_cannot_be_sent_is_dropped_and_the_rest_arrives(receiver: socket.socket) -> None:
    script(
        """
        report(step=object())
        report(message="x" * 9000)
        report(step=2)
        """,
        WATTRAIN_REPORT_SOCKET=receiver.getsockname(),
        RANK="0",
    )
    assert json.loads(receiver.recv(9000)) == {"rank": 0, "step": 2}


def test_a_slow_supervisor_gets_every_report_in_order(receiver: socket.socket) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from wattrain_worker.report import report\nfor i in range(500): report(step=i)"],
        env={**os.environ, "WATTRAIN_REPORT_SOCKET": receiver.getsockname(), "RANK": "0"},
    )
    try:
        assert [json.loads(receiver.recv(9000))["step"] for _ in range(500)] == list(range(500))
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()


def test_a_supervisor_that_is_gone_does_not_disturb(tmp_path: Path) -> None:
    done = script(
        f"""
        import os, socket
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.bind({str(tmp_path / "gone")!r})
        os.environ["WATTRAIN_REPORT_SOCKET"] = {str(tmp_path / "gone")!r}
        report(step=1)
        receiver.close()
        for step in range(100):
            report(step=step)
        print("went on")
        """
    )
    assert (done.stdout, done.stderr) == ("went on\n", "")


class LockThatLetsIn:
    """A lock; another thread reports step 2 when the first that had it is about to let go."""

    def __init__(self, reporter: report_module._Reporter) -> None:
        self._lock = threading.Lock()
        self._other = threading.Thread(target=reporter.send, args=[{"step": 2}])
        self.acquire = self._lock.acquire

    def release(self) -> None:
        if not self._other.ident:
            self._other.start()
            self._other.join()
        self._lock.release()


def test_what_a_thread_reports_while_another_is_done_with_sending_waits_for_no_next_report(
    receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(receiver.getsockname())
        reporter = report_module._Reporter(sender, 0)
        monkeypatch.setattr(reporter, "_lock", LockThatLetsIn(reporter))
        reporter.send({"step": 1})
        receiver.setblocking(False)
        assert [json.loads(receiver.recv(9000))["step"] for _ in range(2)] == [1, 2]
