"""Which worker of a group counts a GPU that several of them count whole, as in pods that share it by time."""

from __future__ import annotations

from collections.abc import Iterable

from wattrain_api.contract.progress import PowerReading


class GpuClaims:
    """The first worker that tells of a GPU counts it, for as long as the group lives. Shares of a GPU are nobody's."""

    def __init__(self) -> None:
        self._owners: dict[str, int] = {}
        self._elsewhere: dict[int, frozenset[str]] = {}

    def take(self, worker: int, readings: Iterable[PowerReading]) -> frozenset[str]:
        """Take what `worker` counts; the UUIDs that another one counts already, those of earlier readings included."""
        whole = {reading.device for reading in readings if reading.device and not reading.divided}
        others = frozenset(device for device in whole if self._owners.setdefault(device, worker) != worker)
        self._elsewhere[worker] = self._elsewhere.get(worker, frozenset()) | others
        return self._elsewhere[worker]

    def counted_elsewhere(self, worker: int) -> tuple[str, ...]:
        """What `worker` is to leave out, in a fixed order."""
        return tuple(sorted(self._elsewhere.get(worker, ())))
