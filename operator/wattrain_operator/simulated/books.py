"""What supervisors told and the operator entered, kept beside the ledger by other means: a plain sum of peaks."""

from __future__ import annotations

from wattrain_api.status import Meter
from wattrain_operator.core.observed import Observed


class Books:
    """The peaks of all children and sources."""

    __slots__ = ("newest", "peaks")

    def __init__(self) -> None:
        self.newest = 0
        """Newest attempt of which a child has told something."""
        self.peaks: dict[tuple[str, str], tuple[float, float, float]] = {}
        """By uid of the child and source: the highest joules, low and high that were told."""

    def copy(self) -> Books:
        """The same books."""
        other = Books()
        other.newest, other.peaks = self.newest, dict(self.peaks)
        return other

    def enter(self, seen: Observed) -> None:
        """Enter what was to be read in `seen`. An attempt older than one that has been entered is closed."""
        told = [(c.attempt, c.uid, c.termination.energy) for c in seen.children if c.termination is not None]
        if seen.report is not None:
            told += [(seen.report.attempt, one.uid, one.meters) for one in seen.report.energy]
        told = [(attempt, uid, energy) for attempt, uid, energy in told if attempt >= self.newest and energy]
        for attempt, uid, energy in told:
            self.newest = max(self.newest, attempt)
            for meter in energy:
                key = uid, meter.source
                self.peaks[key] = _peak(self.peaks.get(key, (0.0, 0.0, 0.0)), _triple(meter))

    def total(self) -> tuple[float, float, float]:
        """Joules, low and high of all children."""
        total = (0.0, 0.0, 0.0)
        for triple in self.peaks.values():
            total = _plus(total, triple)
        return total


def _triple(meter: Meter) -> tuple[float, float, float]:
    return meter.joules, meter.low_joules, meter.high_joules


def _plus(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _peak(a: tuple[float, float, float], b: tuple[float, float, float]) -> tuple[float, float, float]:
    return max(a[0], b[0]), max(a[1], b[1]), max(a[2], b[2])
