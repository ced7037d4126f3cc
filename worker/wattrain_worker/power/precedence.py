"""Which source counts for a component: the first that answers, never two for the same time."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from wattrain_api.power_sources import COMPONENTS, CONTAINED_COMPONENTS
from wattrain_worker.power.meter import Meter, Reading
from wattrain_worker.power.power_source import Sample


class Precedence:
    """The meters of all components, filled by sources that are offered in their order, interval by interval."""

    def __init__(self) -> None:
        self._meters: dict[tuple[str, str, str], Meter] = {}
        self._counted_until: dict[str, dict[tuple[str, str], float]] = {}
        """By component: monotonic time up to which it has been counted, by source and component of the sample."""
        self._now_seconds = 0.0
        self._answered: frozenset[str] = frozenset()
        self._counted: set[tuple[str, str, str]] = set()
        """Meters that have counted something in this interval."""

    @property
    def answered(self) -> AbstractSet[str]:
        """Components that have been counted in this interval, those within another included."""
        return self._answered

    def begin(self, now_seconds: float) -> None:
        """Begin the interval that ends at the monotonic time `now_seconds`."""
        self._now_seconds, self._answered = now_seconds, frozenset()
        self._counted.clear()

    def end(self) -> None:
        """End the interval: power of which nothing was heard in it is not shown any more. It is 0 where another source
        has counted the component, so that a source that is lost takes its watts with it, else not known."""
        for key, meter in self._meters.items():
            if key not in self._counted:
                component, _, source = key
                by_another = any(c == component and s != source for c, _, s in self._counted)
                meter.miss(0.0 if by_another else None)

    def offer(self, source: str, samples: Sequence[Sample]) -> None:
        """Count those of `samples` that no source before this one has answered for. ValueError: unknown component."""
        unknown = {sample.component for sample in samples}.difference(COMPONENTS)
        if unknown:
            raise ValueError(f"it reported {', '.join(sorted(unknown))}; components are {', '.join(COMPONENTS)}")
        own: set[str] = set()
        for sample in samples:
            parts = {sample.component, *CONTAINED_COMPONENTS.get(sample.component, ())}
            key = (source, sample.component)
            if parts & self._answered or sample.since_seconds < self._counted_by_others(key, parts):
                continue
            own |= parts
            for part in parts:
                self._counted_until.setdefault(part, {})[key] = self._now_seconds
            self._count(source, sample)
        self._answered |= own

    def readings(self) -> list[Reading]:
        """All meters that have counted anything, in the order of the components."""
        found = [meter.reading() for meter in self._meters.values()]
        return sorted(found, key=lambda reading: COMPONENTS.index(reading.component))

    def _counted_by_others(self, key: tuple[str, str], parts: AbstractSet[str]) -> float:
        """Monotonic time up to which any of `parts` has been counted by something else than `key`."""
        counted = (self._counted_until.get(part, {}).items() for part in parts)
        return max((until for items in counted for other, until in items if other != key), default=float("-inf"))

    def _count(self, source: str, sample: Sample) -> None:
        key = (sample.component, sample.device, source)
        if key not in self._meters:
            self._meters[key] = Meter(*key)
        if sample.energy is not None:
            self._counted.add(key)
            self._meters[key].add(sample.energy, sample.since_seconds, self._now_seconds, divided=sample.divided)
