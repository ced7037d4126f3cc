"""What a sampler answers, and how energy is added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 0.9
"""Watts are a mean over at least so long: CPU times and GPU counters move in steps of 10 to 100 ms."""


@dataclass(frozen=True)
class Reading:
    """Power and energy of one component by one source. Joules count from the sampler's start and never fall."""

    component: str
    """One of `wattrain_api.power_sources.COMPONENTS`."""
    device: str
    """UUID of a GPU; empty for the rest."""
    source: str
    """One of `wattrain_api.power_sources.SOURCES`."""
    watts: float | None
    """Power now; None: not known."""
    joules: float
    low_joules: float
    """The least that `joules` may have been."""
    high_joules: float
    """The most that `joules` may have been."""
    divided: bool = False
    """Whether it is this worker's share of a device, by processes; else all of the device counts."""


class Energy(NamedTuple):
    """Energy of one interval in joules, with low <= joules <= high."""

    joules: float
    low: float
    high: float


class Meter:
    """Adds up the energy of one component by one source."""

    def __init__(self, component: str, device: str, source: str) -> None:
        self._labels = (component, device, source)
        self._total = Energy(0.0, 0.0, 0.0)
        self._divided = False
        self._watts: float | None = None
        self._mark: tuple[float, float] | None = None
        """Monotonic time and joules from which the next mean is taken; None: the power was not followed until now."""

    def add(self, energy: Energy, since_seconds: float, now_seconds: float, *, divided: bool = False) -> None:
        """Count `energy`, spent between two monotonic times; `divided`: it is a share of a device."""
        if self._mark is None:
            self._mark = (since_seconds, self._total.joules)
        self._divided = divided
        self._total = Energy(
            self._total.joules + max(0.0, energy.joules),
            self._total.low + max(0.0, min(energy.low, energy.joules)),
            self._total.high + max(0.0, energy.high, energy.joules),
        )
        mark_seconds, mark_joules = self._mark
        elapsed = now_seconds - mark_seconds
        whole = elapsed >= WINDOW_SECONDS
        if elapsed > 0 and (whole or self._watts is None):
            self._watts = (self._total.joules - mark_joules) / elapsed
        if whole:
            self._mark = (now_seconds, self._total.joules)

    def miss(self, watts: float | None) -> None:
        """Nothing was counted in this interval: from now on the power is `watts`, until something is again."""
        self._watts, self._mark = watts, None

    def reading(self) -> Reading:
        """The meter now."""
        return Reading(*self._labels, self._watts, *self._total, divided=self._divided)
