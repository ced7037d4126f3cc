"""When things happen: whether an evaluation or a checkpoint is due."""

from __future__ import annotations

import time

from wattrain_api.training import Every


class Timer:
    """Knows when something that is to happen every so many steps or seconds is due."""

    def __init__(self, every: Every) -> None:
        self._every = every
        self._last = time.monotonic()

    def is_due_after(self, step: int) -> bool:
        """Whether it is due by the number of steps: the same answer on every rank."""
        return self._every.steps is not None and step % self._every.steps == 0

    def is_due_now(self) -> bool:
        """Whether it is due by the clock: one rank has to decide for all."""
        return self._every.seconds is not None and time.monotonic() - self._last >= self._every.seconds

    def happened(self) -> None:
        """Count the seconds from now."""
        self._last = time.monotonic()
