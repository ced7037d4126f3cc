"""Ending process groups for good. A rank lives in a session of its own, so its supervisor's group is not enough."""

from __future__ import annotations

import contextlib
import os
import signal
from types import TracebackType
from typing import Final, Self

from wattrain_api.orphans import adopt_orphans, descendants, end_orphans

_LONGEST_END_SECONDS: Final = 3.0


def kill_tree(root: int) -> None:
    """SIGKILL to the process group that `root` leads and to all its descendants, whatever group they are in.

    `root` must be a child of this process that has not been waited for, so that its id cannot belong to another.
    """
    doomed = descendants(root)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(root, signal.SIGKILL)
    for pid in doomed:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


class Orphans:
    """What supervisors that were killed leave behind: within its `with` block this process adopts it (on Linux).

    A supervisor that ends in order has ended all that was below it. What descends from one is never in the session of
    this process: that, and what was there before, is somebody else's.
    """

    def __init__(self) -> None:
        self._not_orphans: set[int] = set()
        self._adopts = False

    def __enter__(self) -> Self:
        self._not_orphans = set(descendants(os.getpid()))
        self._adopts = adopt_orphans()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.end()
        adopt_orphans(adopt=False)

    def except_for(self, supervisor: int) -> None:
        """Have the process `supervisor`, which this one has started, be none of them."""
        self._not_orphans.add(supervisor)

    def end(self) -> None:
        """End them, and what is below them."""
        if self._adopts:
            end_orphans(self._is_own, _LONGEST_END_SECONDS)

    def _is_own(self, pid: int) -> bool:
        if pid in self._not_orphans:
            return True
        try:
            return os.getsid(pid) == os.getsid(0)
        except ProcessLookupError:
            return True
