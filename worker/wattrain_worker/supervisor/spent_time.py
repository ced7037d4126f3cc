"""What the time of a group goes to, by the clock of this supervisor and by what its ranks say that they do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.spent_seconds import CAUSE_OF_PHASE, SpentSeconds


class SpentTime:
    """Seconds since it was made. What ranks say of a step is known after it: it is taken out of the training that comes
    next, so that no figure ever falls."""

    def __init__(self, phase: Phase, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock, self._phase, self._since = clock, phase, clock()
        self._spent = SpentSeconds()
        self._paused = self._data_wait = self._slowest_rank = self._blocked = 0.0
        """Of the training, what is to be taken out of it yet."""
        self._told = (0.0, 0.0)

    def enter(self, phase: Phase | None) -> None:
        """From now on the group is in `phase`. None: nobody knows, and it goes on as before."""
        self.spent()
        self._phase = phase or self._phase

    def take_waits(self, data_seconds: float, slowest_rank_seconds: float) -> None:
        """Of the training, so many seconds were none from the start of the group on: the mean over the ranks."""
        data_told, slowest_told = self._told
        self._data_wait += max(0.0, data_seconds - data_told)
        self._slowest_rank += max(0.0, slowest_rank_seconds - slowest_told)
        self._told = data_seconds, slowest_rank_seconds

    def take_blocked(self, seconds: float) -> None:
        """The training has stood still for a checkpoint; where its phase says so, that is known already."""
        if self._phase == Phase.TRAINING:
            self._blocked += seconds

    def take_paused(self, seconds: float) -> None:
        """The ranks have paused between steps to draw less power."""
        self._paused += seconds

    def spent(self) -> SpentSeconds:
        """What the time until now has gone to."""
        now = self._clock()
        seconds, self._since = max(0.0, now - self._since), now
        cause = CAUSE_OF_PHASE[self._phase]
        if cause == "training":
            paused = min(seconds, self._paused)
            data = min(seconds - paused, self._data_wait)
            blocked = min(seconds - paused - data, self._blocked)
            slowest = min(seconds - paused - data - blocked, self._slowest_rank)
            self._paused, self._data_wait = self._paused - paused, self._data_wait - data
            self._blocked, self._slowest_rank = self._blocked - blocked, self._slowest_rank - slowest
            old = self._spent
            self._spent = replace(
                old,
                training=old.training + seconds - paused - data - blocked - slowest,
                paused=old.paused + paused,
                data_wait=old.data_wait + data,
                checkpoint=old.checkpoint + blocked,
                slowest_rank=old.slowest_rank + slowest,
            )
        else:
            self._spent = replace(self._spent, **{cause: getattr(self._spent, cause) + seconds})
        return self._spent
