"""What the workers of a group do and draw together: sums over their last reports."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

Json = dict[str, Any]
_RATE_WINDOW_SECONDS: Final = 5.0
_SHORTEST_WINDOW_SECONDS: Final = 0.1
_JOULES: Final = ("joules", "lowJoules", "highJoules")


class Totals:
    """Sums over the members' last reports. Energy counts from each supervisor's start, so no sum ever falls."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._reports: dict[int, Json] = {}
        self._samples: dict[int, deque[tuple[float, int]]] = {}

    def update(self, worker: int, report: Json) -> None:
        """Take the last report of `worker`."""
        self._reports[worker] = report
        samples = report.get("samples", 0)
        if samples:
            window = self._samples.setdefault(worker, deque())
            window.append((self._clock(), samples))
            while len(window) > 2 and window[1][0] < window[-1][0] - _RATE_WINDOW_SECONDS:
                window.popleft()

    @property
    def samples(self) -> int:
        """Samples that all workers have trained on, repeated ones counted again."""
        return sum(report.get("samples", 0) for report in self._reports.values())

    @property
    def joules(self) -> float:
        """Energy of all workers since their supervisors started."""
        return float(sum(reading["joules"] for reading in self._readings()))

    @property
    def watts(self) -> float:
        """Power of all workers now."""
        return float(sum(reading["watts"] for reading in self._readings()))

    def samples_per_second(self) -> float | None:
        """Mean over the last seconds, all workers; None before there is anything to take it from."""
        rates = [rate for rate in map(_rate, self._samples.values()) if rate is not None]
        return sum(rates) if rates else None

    def to_json(self) -> Json:
        """The group's sums as in /v1/progress."""
        rate = self.samples_per_second()
        return {
            "samples": self.samples,
            **({} if rate is None else {"samplesPerSecond": rate}),
            "watts": self.watts,
            "energy": energy_by_source(self._readings()),
            "workers": [_worker(index, self._reports[index]) for index in sorted(self._reports)],
        }

    def _readings(self) -> list[Json]:
        return [reading for report in self._reports.values() for reading in report.get("power", ())]


def energy_by_source(readings: Iterable[Json]) -> list[Json]:
    """Power and energy by component and source; the devices of one component are added up."""
    sums: dict[tuple[str, str], Json] = {}
    for reading in readings:
        key = (reading["component"], reading["source"])
        entry = sums.setdefault(
            key, {"component": key[0], "source": key[1], "watts": 0.0, **dict.fromkeys(_JOULES, 0.0)}
        )
        for name in ("watts", *_JOULES):
            entry[name] += reading[name]
    return [sums[key] for key in sorted(sums)]


def _rate(window: deque[tuple[float, int]]) -> float | None:
    (start, before), (end, after) = window[0], window[-1]
    return (after - before) / (end - start) if end - start >= _SHORTEST_WINDOW_SECONDS else None


def _worker(index: int, report: Json) -> Json:
    readings = report.get("power", ())
    by_source: dict[str, float] = {}
    for reading in readings:
        by_source[reading["source"]] = by_source.get(reading["source"], 0.0) + reading["joules"]
    return {
        "worker": index,
        "ranks": report.get("ranksRunning", 0),
        "step": report.get("step", 0),
        "watts": sum(reading["watts"] for reading in readings),
        "source": "+".join(sorted(by_source, key=lambda source: (-by_source[source], source))),
        "joules": sum(by_source.values()),
    }
