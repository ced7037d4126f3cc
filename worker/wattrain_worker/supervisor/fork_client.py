"""Ranks of recipes are forked from a process that has imported torch already: a restart in place takes less than a
second, not three more. Where that process is gone or cannot be, they are executed."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.kinds import count, integer
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.rank_processes import Executed, execute, kill_group
from wattrain_worker.supervisor.rank_start import RankStart

_MODULE: Final = "wattrain_worker.train.forkserver"
_GPUS: Final = "nvidia[0-9]*"
_LONGEST_ANSWER_BYTES: Final = 4096
_LONGEST_END_SECONDS: Final = 1.0


def can_fork(config: Config) -> bool:
    """Whether the ranks are recipes, which run nobody else's code, on Linux, and without a GPU: that a driver bears
    being forked has not been seen."""
    return (
        sys.platform == "linux"
        and config.launcher == "native"
        and not config.command
        and not config.preparing
        and not any(Path("/dev").glob(_GPUS))
    )


@dataclass(frozen=True)
class ForkNews:
    """What the fork server says of a rank."""

    key: int = field(metadata=count())
    """Number of the order by which it was forked."""
    pid: int = field(metadata=count())
    exit_code: int | None = field(default=None, metadata=integer())
    """-n: signal n ended it; absent while it runs."""


class ForkServer:
    """The process that forks. It may end at any time, and its ranks with it."""

    def __init__(self, start: RankStart, wake: Callable[[], None]) -> None:
        """Start it as `start` would a rank, from the main thread. `wake` is called when there is news of a rank."""
        self._wake, self._keys = wake, itertools.count()
        # numpy's OpenBLAS would start threads while it is imported; recipes do without its parallelism.
        self._environment = {**start.environment, "OPENBLAS_NUM_THREADS": "1"}
        for name in ("RANK", "LOCAL_RANK"):
            self._environment.pop(name, None)
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = (*start.command[: start.command.index("-m")], "-m", _MODULE, str(theirs.fileno()))
        self._process = execute(command, self._environment, sys.stderr.fileno(), pass_fds=[theirs.fileno()])
        theirs.close()
        self._news: dict[int, ForkNews] = {}
        self.gone = False
        """Whether it has ended, and with it what it has forked."""
        threading.Thread(target=self._listen, name="wattrain-forks", daemon=True).start()

    def fork(self, start: RankStart, output_fd: int) -> Forked | None:
        """Have a rank forked, which may have to wait until all is imported; None where that cannot be any more."""
        key = next(self._keys)
        changes = {name: value for name, value in start.environment.items() if self._environment.get(name) != value}
        changes.pop("OPENBLAS_NUM_THREADS", None)
        order = json.dumps({"key": key, "environment": changes}).encode()
        try:
            socket.send_fds(self._channel, [order], [output_fd])
        except OSError:
            return None
        return Forked(self, key, start, output_fd)

    def news_of(self, key: int) -> ForkNews | None:
        """What it said last of a rank; None: nothing yet."""
        return self._news.get(key)

    def reap(self, pid: int) -> None:
        """Let go of the number of a rank that has ended."""
        with contextlib.suppress(OSError):
            self._channel.send(json.dumps({"reap": pid}).encode())

    def owns(self, pid: int) -> bool:
        """Whether it is the process `pid`; if so and it has ended, its exit status is taken."""
        if self._process.returncode is not None or pid != self._process.pid:
            return False
        self._process.poll()
        return True

    def close(self) -> None:
        """End it, and what it has forked."""
        if self._process.poll() is None:
            kill_group(self._process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):  # it may hang in the kernel, importing
                self._process.wait(_LONGEST_END_SECONDS)

    @property
    def has_imported(self) -> bool:
        """Whether it has forked a rank."""
        return bool(self._news)

    def _listen(self) -> None:
        with self._channel:
            while message := self._receive():
                news = decode_json(ForkNews, message)
                if news is not None:
                    self._news[news.key] = news
                    self._wake()
        self.gone = True
        self._wake()

    def _receive(self) -> bytes:
        try:
            return self._channel.recv(_LONGEST_ANSWER_BYTES)
        except ConnectionResetError:  # told once, before what it said last, where it ended without reading an order
            return self._channel.recv(_LONGEST_ANSWER_BYTES)


class Forked:
    """A rank that a fork server has started, or is about to start."""

    def __init__(self, server: ForkServer, key: int, start: RankStart, output_fd: int) -> None:
        self._server, self._key, self._start = server, key, start
        self._output_fd = os.dup(output_fd)
        """Kept until the rank runs, for one that has to be executed after all."""
        self._executed: Executed | None = None
        self._exit_code: int | None = None
        self._to_terminate = False
        """Asked to end before it was known by what number."""

    def poll(self) -> int | None:
        """As Process says."""
        if self._executed is None and self._exit_code is None:
            self._look()
        return self._exit_code if self._executed is None else self._executed.poll()

    def terminate(self) -> None:
        """As Process says."""
        if self._executed is not None:
            self._executed.terminate()
        elif self._exit_code is None:
            if (pid := self._pid()) is not None:
                _send_sigterm(pid)
            elif self._server.has_imported:
                self._to_terminate = True  # its number will be told in a moment, and others may have something to save
            else:
                self._give_up(signal.SIGTERM)

    def kill(self) -> None:
        """As Process says."""
        if self._executed is not None:
            self._executed.kill()
        elif self._exit_code is None:
            if (pid := self._pid()) is not None:
                kill_group(pid)
            else:
                self._give_up(signal.SIGKILL)

    def owns(self, pid: int) -> bool:
        """As Process says."""
        return self._executed is not None and self._executed.owns(pid)

    def _pid(self) -> int | None:
        news = self._server.news_of(self._key)
        return None if news is None else news.pid

    def _look(self) -> None:
        gone = self._server.gone  # before the news, which may have come just before
        news = self._server.news_of(self._key)
        if news is not None:
            self._close_output()
            self._exit_code = -signal.SIGKILL if gone and news.exit_code is None else news.exit_code
            if self._exit_code is not None:
                kill_group(news.pid)  # before its number is free for others
                self._server.reap(news.pid)
            elif self._to_terminate:
                self._to_terminate = False
                _send_sigterm(news.pid)
        elif gone and self._to_terminate:
            self._give_up(signal.SIGTERM)
        elif gone:
            self._executed = Executed(self._start, self._output_fd)
            self._close_output()

    def _give_up(self, number: signal.Signals) -> None:
        """End it before it has begun, as others that wait for the same imports."""
        self._close_output()
        self._exit_code = -number
        self._server.close()

    def _close_output(self) -> None:
        if self._output_fd >= 0:
            os.close(self._output_fd)
            self._output_fd = -1


def _send_sigterm(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
