"""Power over virtual time: its integral in equal slots, and what of it lies above the cap."""

from __future__ import annotations

from typing import Final

SLOT_SECONDS: Final = 900.0
"""Prices and carbon intensities of a slot are those of its middle."""


class PowerCurve:
    """Sums up a power that changes in steps. Moments never go back."""

    def __init__(self, usable_watts: float) -> None:
        self._usable_watts = usable_watts
        self._now, self._watts = 0.0, 0.0
        self.joules: list[float] = []
        """Of each slot, from the start on."""
        self.overshoot_watt_seconds = 0.0
        """Integral of what is drawn above what may be drawn."""

    def change(self, now: float, watts: float) -> None:
        """From `now` on so many watts more are drawn, or less."""
        self.advance(now)
        self._watts += watts

    def advance(self, now: float) -> None:
        """Sum up until `now`."""
        over = self._watts - self._usable_watts
        if over > 1e-6 and now > self._now:
            self.overshoot_watt_seconds += over * (now - self._now)
        while self._now < now:
            slot = int(self._now // SLOT_SECONDS)
            until = min(now, (slot + 1) * SLOT_SECONDS)
            if slot >= len(self.joules):
                self.joules += [0.0] * (slot + 1 - len(self.joules))
            self.joules[slot] += self._watts * (until - self._now)
            self._now = until
