"""RAPL's counters: those that show one and the same counter, and those that may have gone round while nobody looked."""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from wattrain_api.power_model import PACKAGE_LIMIT_WATTS
from wattrain_worker.power.files import KeptFile
from wattrain_worker.power.meter import Energy

_ALIKE_JOULES: Final = 1.0
"""Two paths to one counter are read a moment after each other."""


class Zone:
    """One counter: a processor package or one of its dies, or the memory beside it."""

    def __init__(self, path: Path, name: str) -> None:
        """`name` is `package-0`, `package-0-die-1`, or one of these with `/dram`. OSError or ValueError where the
        counter cannot be read."""
        self.range_joules = int((path / "max_energy_range_uj").read_text()) / 1e6
        if self.range_joules <= 0:
            raise ValueError(f"{path}/max_energy_range_uj is 0")
        self.package = name.partition("-die-")[0].partition("/")[0]
        self._file = KeptFile(path / "energy_uj")
        try:
            self.last_joules = self.read()
        except (OSError, ValueError):
            self._file.close()
            raise
        self._watts: float | None = None

    def read(self) -> float:
        """The counter now, in joules. OSError or ValueError where it cannot be read any more."""
        return int(self._file.read()) / 1e6

    def advance(self, value: float, elapsed_seconds: float) -> Advance:
        """Energy from the last value to `value`, which was read `elapsed_seconds` later."""
        joules, self.last_joules = (value - self.last_joules) % self.range_joules, value
        most = PACKAGE_LIMIT_WATTS * max(1.0, elapsed_seconds)
        if joules > most:
            return Advance(Energy(0.0, 0.0, most), plausible=False)
        rounds = int((most - joules) // self.range_joules)
        if rounds == 0:
            if elapsed_seconds > 0:
                self._watts = joules / elapsed_seconds
            return Advance(Energy(joules, joules, joules))
        expected = joules if self._watts is None else self._watts * elapsed_seconds
        likely = min(rounds, max(0, round((expected - joules) / self.range_joules)))
        middle = joules + likely * self.range_joules
        return Advance(Energy(middle, joules, joules + rounds * self.range_joules))

    def close(self) -> None:
        """Close its file."""
        self._file.close()


class Advance(NamedTuple):
    """What a counter has gained."""

    energy: Energy
    """Where it may have gone round several times: low without these, high with as many as any processor could cause,
    middle with as many as its last power would."""
    plausible: bool = True
    """Whether any processor could draw that; else it is left out, and bounded by what a processor can draw."""


class Package:
    """The counters of one package. Processors of several dies may show one counter under a path for each die; others
    have a counter for each. Which it is shows by their values: dies of their own drift apart."""

    def __init__(self, zones: list[Zone]) -> None:
        self._zones = zones
        self._alike = self._find_alike([zone.last_joules for zone in zones], self._read())

    def advance(self, elapsed_seconds: float) -> Advance:
        """Energy since the last call, each counter once. OSError or ValueError where one cannot be read any more."""
        values = self._read()
        alike = self._find_alike(values, self._read()) if len(values) > 1 else frozenset()
        mirrors = {second for _, second in alike & self._alike}
        parts = [zone.advance(values[index], elapsed_seconds) for index, zone in enumerate(self._zones)]
        counted = [part for index, part in enumerate(parts) if index not in mirrors]
        self._alike = alike
        energy = Energy(*(sum(part.energy[i] for part in counted) for i in range(3)))
        return Advance(energy, all(part.plausible for part in counted))

    def close(self) -> None:
        """Close all files."""
        for zone in self._zones:
            zone.close()

    def _read(self) -> list[float]:
        return [zone.read() for zone in self._zones]

    def _find_alike(self, values: list[float], later: list[float]) -> frozenset[tuple[int, int]]:
        """Pairs of zones that may be one counter: the second was read between two reads of the first, and lies there.
        `values` and `later` have been read one after the other."""
        return frozenset(
            (first, second)
            for second in range(len(values))
            for first in range(second)
            if self._zones[first].range_joules == self._zones[second].range_joules
            and self._lies_between(values[first], values[second], later[first], self._zones[first].range_joules)
        )

    @staticmethod
    def _lies_between(first: float, value: float, later: float, range_joules: float) -> bool:
        """Whether `value` lies between `first` and `later` on a counter that begins again behind its range."""
        gained = (later - first) % range_joules
        return (value - first + _ALIKE_JOULES) % range_joules <= gained + 2 * _ALIKE_JOULES


def packages_of(zones: list[Zone]) -> list[Package]:
    """`zones` by the package that they belong to."""
    by_package: dict[str, list[Zone]] = {}
    for zone in zones:
        by_package.setdefault(zone.package, []).append(zone)
    return [Package(found) for found in by_package.values()]
