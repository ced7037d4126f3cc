"""Which job is to be looked at next: each waits at most once, is with one worker at a time, and no namespace waits for
another's crowd. New jobs go before those that have been looked at, whose pods start meanwhile, but not always."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import OrderedDict
from collections.abc import Callable

from wattrain_operator.cluster.kube.cache import JobKey

FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 0.2, 60.0
NEW_IN_A_ROW = 8
"""So many new jobs are taken one after the other where others wait too."""
Key = JobKey
_Waiting = OrderedDict[str, OrderedDict[JobKey, None]]


def _jitter() -> float:
    return random.uniform(0.5, 1.5)


class WorkQueue:
    """Keys that are due, keys that will be, and keys in work. For one event loop."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = _jitter) -> None:
        """`clock` is monotonic, in seconds; `jitter` gives factors around 1 for back-offs."""
        self._clock, self._jitter = clock, jitter
        self._ready: _Waiting = OrderedDict()
        self._new: _Waiting = OrderedDict()
        self._taken_new = 0
        self._due_at: dict[Key, float] = {}
        self._timetable: list[tuple[float, Key]] = []
        self._in_work: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """How many keys are due now."""
        return sum(len(keys) for waiting in (self._new, self._ready) for keys in waiting.values())

    @property
    def failing(self) -> int:
        """How many keys failed the last time."""
        return len(self._failures)

    def add(self, key: Key, *, new: bool = False) -> None:
        """Have `key` looked at now, or once more where it is in work. `new`: nobody has looked at it yet."""
        if key in self._in_work:
            self._again.add(key)
            return
        self._due_at.pop(key, None)
        if new:
            self._new.setdefault(key.namespace, OrderedDict())[key] = None
            _remove(self._ready, key)
        elif key not in self._new.get(key.namespace, ()):
            self._ready.setdefault(key.namespace, OrderedDict())[key] = None
        self._news.set()

    def add_after(self, key: Key, seconds: float) -> None:
        """Have `key` looked at in `seconds`, unless it is before; takes the place of what was said before."""
        when = self._clock() + max(0.0, seconds)
        self._due_at[key] = when
        if len(self._timetable) > 2 * len(self._due_at) + 64:  # most of it no longer counts
            self._timetable = [(at, other) for other, at in self._due_at.items()]
            heapq.heapify(self._timetable)
        else:
            heapq.heappush(self._timetable, (when, key))
        self._news.set()

    def take(self) -> Key | None:
        """A key that is due, now in work until `done`; None: there is none."""
        self._promote()
        if not self._ready and not self._new:
            return None
        new_first = bool(self._new) and (self._taken_new < NEW_IN_A_ROW or not self._ready)
        self._taken_new = self._taken_new + 1 if new_first else 0
        waiting = self._new if new_first else self._ready
        namespace, keys = waiting.popitem(last=False)
        key, _ = keys.popitem(last=False)
        if keys:
            waiting[namespace] = keys  # at the end: the other namespaces go first
        self._in_work.add(key)
        return key

    async def get(self) -> Key:
        """As `take`, but waits until there is one. For one caller: news wakes all who wait."""
        while True:
            self._news.clear()
            key = self.take()
            if key is not None:
                return key
            wait = None if not self._timetable else max(0.0, self._timetable[0][0] - self._clock())
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
            except TimeoutError:
                continue

    def done(self, key: Key, wake_after_seconds: float | None = None) -> None:
        """The work on `key` is done, and it is to be looked at again in so many seconds (None: when there is news)."""
        self._failures.pop(key, None)
        self._finish(key, wake_after_seconds)

    def retry(
        self, key: Key, at_least_seconds: float = 0.0, at_most_seconds: float = LONGEST_BACK_OFF_SECONDS
    ) -> float:
        """The work on `key` failed: look at it again after a pause, which doubles each time. Returns the pause."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause = FIRST_BACK_OFF_SECONDS * 2.0 ** min(failures - 1, 16)
        pause = min(LONGEST_BACK_OFF_SECONDS, pause) * self._jitter()
        pause = max(min(pause, at_most_seconds), at_least_seconds)
        self._again.discard(key)  # news must not undo the pause: what failed is most likely to fail again
        self._finish(key, pause)
        return pause

    def _finish(self, key: Key, wake_after_seconds: float | None) -> None:
        self._in_work.discard(key)
        self._due_at.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        elif wake_after_seconds is not None:
            self.add_after(key, wake_after_seconds)

    def _promote(self) -> None:
        now = self._clock()
        while self._timetable and self._timetable[0][0] <= now:
            when, key = heapq.heappop(self._timetable)
            if self._due_at.get(key) == when:  # else it was looked at meanwhile, or has another time now
                self.add(key)


def _remove(waiting: _Waiting, key: Key) -> None:
    keys = waiting.get(key.namespace)
    if keys is not None and key in keys:
        del keys[key]
        if not keys:
            del waiting[key.namespace]
