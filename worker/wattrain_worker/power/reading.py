"""What a sampler tells, and how energy is added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 0.9
"""Watts are a mean over at least so long: CPU times and GPU counters move in steps of 10 to 100 ms."""


@dataclass(frozen=True)
class Reading:
    """Power and energy of one component by one source. Joules count from the sampler's start and never fall."""

    component: str
    """`cpu`, `memory`, `gpu`, or `module` (a GPU and a CPU under one counter)."""
    device: str
    """UUID of a GPU; empty for the rest."""
    source: str
    """`nvml` and `rapl` are counters, `model` is computed from CPU time."""
    watts: float
    joules: float
    low_joules: float
    """The least that `joules` may have been."""
    high_joules: float
    """The most that `joules` may have been."""


class Energy(NamedTuple):
    """Energy of one interval in joules, with low <= joules <= high."""

    joules: float
    low: float
    high: float


class Meter:
    """Adds up the energy of one component by one source."""

    def __init__(self, component: str, device: str, source: str, start_seconds: float) -> None:
        """`start_seconds`: monotonic time from which the meter counts."""
        self._labels = (component, device, source)
        self._total = Energy(0.0, 0.0, 0.0)
        self._watts = 0.0
        self._windows = 0
        self._mark_seconds, self._mark_joules = start_seconds, 0.0

    def add(self, energy: Energy, now_seconds: float) -> None:
        """Count `energy`, spent up to the monotonic time `now_seconds`."""
        self._total = Energy(
            self._total.joules + max(0.0, energy.joules),
            self._total.low + max(0.0, min(energy.low, energy.joules)),
            self._total.high + max(0.0, energy.high, energy.joules),
        )
        elapsed = now_seconds - self._mark_seconds
        whole = elapsed >= WINDOW_SECONDS
        if elapsed > 0 and (whole or not self._windows):
            self._watts = (self._total.joules - self._mark_joules) / elapsed
        if whole:
            self._windows += 1
            self._mark_seconds, self._mark_joules = now_seconds, self._total.joules

    def reading(self) -> Reading:
        """The meter now."""
        return Reading(*self._labels, self._watts, *self._total)
