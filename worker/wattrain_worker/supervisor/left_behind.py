"""What ranks leave behind, however far from them: ended with the ranks, and its CPU time counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wattrain_api.orphans import adopt_orphans, end_orphans, reap_orphans
from wattrain_worker.supervisor.log_notices import say

_LONGEST_END_SECONDS: Final = 2.0
"""How long ending it may hold up the next start of the group, or the end."""
_NAMED: Final = 5


class LeftBehind:
    """Processes below the supervisor whose own parent is gone. From the main thread alone."""

    def __init__(self, is_own: Callable[[int], bool]) -> None:
        """Adopt them from here on. `is_own`: whether a process is waited for elsewhere."""
        self._is_own = is_own
        self._adopts = adopt_orphans()
        self._may_be_there = False

    def look(self, *, ranks_run: bool) -> None:
        """Take the exit status of what has ended. Once no rank runs, end the rest; this waits for nothing."""
        if not self._adopts:
            return
        reap_orphans(self._is_own)
        if ranks_run:
            self._may_be_there = True
        elif self._may_be_there:
            self._may_be_there = self._end(self._is_own, 0)

    def end(self) -> None:
        """End it, and wait for that: it may hold a port, a GPU or a file that the next ranks need."""
        if self._adopts:
            self._may_be_there = self._end(self._is_own, _LONGEST_END_SECONDS)

    def end_all(self, is_kept: Callable[[int], bool] = lambda _: False) -> None:
        """End it, and the ranks as well, but not what `is_kept`: the supervisor ends."""
        if self._adopts:
            self._end(is_kept, _LONGEST_END_SECONDS)

    @staticmethod
    def _end(is_own: Callable[[int], bool], seconds: float) -> bool:
        """Whether some of it may still be there."""
        ended = end_orphans(is_own, seconds)
        if ended.names:
            say(f"ended what the ranks had left behind: {', '.join(ended.names[:_NAMED])}")
        if not ended.none_left and seconds:
            say(f"the ranks have left processes behind that are still there {seconds:g} s after they have been killed")
        return not ended.none_left
