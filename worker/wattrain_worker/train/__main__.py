"""One rank of a recipe, configured by the environment alone. See docs/worker-contract.md."""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Iterator
from typing import NoReturn

from wattrain_worker.train.stop import StopSignal


@contextlib.contextmanager
def kept_from_collector() -> Iterator[None]:
    """For imports of torch: what they create stays, and looking through it again and again takes 0.3 s."""
    gc.disable()
    yield
    gc.freeze()
    gc.enable()


def main() -> int:
    """Train; returns the exit code. An error that has an exit code of its own is told in one line."""
    stop = StopSignal()  # before torch starts threads
    with kept_from_collector():
        from wattrain_worker.errors import WorkerError
        from wattrain_worker.train.process_group import peers_watched
        from wattrain_worker.train.rank_environment import read_environment
        from wattrain_worker.train.start_training import run_rank

    try:
        environment = read_environment(os.environ)
        with peers_watched():
            return run_rank(environment, stop)
    except WorkerError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


def run_and_exit() -> NoReturn:
    """Train and end the process at once: tearing down an interpreter that holds torch takes longer than a restart of
    the group should (0.4 s to 1.4 s were seen), and after a lost peer it would wait for connections."""
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()  # the last reports are sent there
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    run_and_exit()
