"""Forks ranks from a process that has imported torch already: three seconds of CPU time less for every restart.

Started by the supervisor with the number of a socket that keeps messages whole. An order is JSON with an open file, the
rank's output: {"key": n, "environment": {...}}. Of each rank it is told {"key": n, "pid": p} and, when it has ended,
that with "exitCode"; the process id stays taken until {"reap": p}. End of file ends the server.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any, Final, NoReturn

from wattrain_worker.supervisor.shim import die_with
from wattrain_worker.train.__main__ import kept_from_collector, run_and_exit

PR_SET_NAME: Final = 15
_LONGEST_ORDER_BYTES: Final = 1 << 17
EXIT_HAS_THREADS: Final = 1
_LEFT_TO_RANKS: Final = (signal.SIGTERM, signal.SIGINT)
"""Whoever stops all processes of a machine at once means the ranks, which save; the server's end would kill them."""
Json = dict[str, Any]


def preload() -> None:
    """Import all that ranks need until their first step. What the collector does not touch is shared by all ranks."""
    with kept_from_collector():
        import torch._dynamo
        import torch.distributed.checkpoint.state_dict_loader
        import torch.distributed.checkpoint.state_dict_saver
        import torch.utils.flop_counter  # noqa: F401

        import wattrain_worker.train.start_training  # noqa: F401


class Server:
    """Takes orders until its channel ends."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._running: dict[int, int] = {}
        """Keys by process id, of ranks whose end has not been told."""
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler nothing would wake

    def run(self) -> None:
        """Serve."""
        while True:
            ready, _, _ = select.select([self._channel.fileno(), self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
            if self._channel.fileno() in ready and not self._take_order():
                return
            self._send_ends()

    def _take_order(self) -> bool:
        message, files, _, _ = socket.recv_fds(self._channel, _LONGEST_ORDER_BYTES, 1)
        if not message:
            return False
        order = json.loads(message)
        if "reap" in order:
            os.waitpid(order["reap"], 0)
            return True
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_rank(order, files[0], server)
        os.close(files[0])
        self._running[pid] = order["key"]
        return True

    def _send_ends(self) -> None:
        for pid, key in list(self._running.items()):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is not None:
                del self._running[pid]
                code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
                self._send({"key": key, "pid": pid, "exitCode": code})

    def _become_rank(self, order: Json, output: int, server: int) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, *_LEFT_TO_RANKS):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            die_with(server)
            ctypes.CDLL(None).prctl(PR_SET_NAME, f"rank {order['environment'].get('RANK', '')}".encode(), 0, 0, 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.environ.update(order["environment"])
            self._send({"key": order["key"], "pid": os.getpid()})
            for file in (output, self._woken, self._wake, self._channel.detach()):
                os.close(file)
            run_and_exit()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(1)

    def _send(self, message: Json) -> None:
        self._channel.send(json.dumps(message).encode())


def main(channel_fd: int) -> int:
    """Import, then serve. Where importing has started threads, which a fork would lose, ranks are to be executed."""
    for number in _LEFT_TO_RANKS:
        signal.signal(number, signal.SIG_IGN)
    os.set_inheritable(channel_fd, False)
    with socket.socket(fileno=channel_fd) as channel:
        preload()
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            sys.stderr.write("wattrain: importing torch has started threads; ranks are not forked but executed\n")
            return EXIT_HAS_THREADS
        Server(channel).run()
    return 0


def run_and_end(channel_fd: int) -> NoReturn:
    """Run, and end at once: threads that importing has left behind would keep the process, and its memory."""
    code = 1
    try:
        code = main(channel_fd)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    run_and_end(int(sys.argv[1]))
