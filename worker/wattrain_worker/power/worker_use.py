"""What the worker used of the machine from one read of the sources to the next."""

from __future__ import annotations

from wattrain_worker.power.cpu_time import CpuTime
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.power_source import Interval


class WorkerUse:
    """Cuts time into intervals, and finds the worker's CPU time and processes in each."""

    def __init__(self, cpu_time: CpuTime | None, notices: Notices, start_seconds: float | None = None) -> None:
        """`cpu_time` is None where the machine does not report any. `start_seconds`: monotonic time at which this
        process started, from which the first interval counts; None: not known, and it counts from its own end."""
        self._cpu_time, self._notices = cpu_time, notices
        self._last_seconds = start_seconds
        self._last_cpu_seconds = None if start_seconds is None else 0.0

    @property
    def knows_cpu_time(self) -> bool:
        """Whether the machine reports CPU time at all."""
        return self._cpu_time is not None

    def advance(self, now_seconds: float) -> Interval:
        """The interval since the last call, up to the monotonic time `now_seconds`."""
        cpu_seconds = self._cpu_seconds()
        since, last_cpu = self._last_seconds, self._last_cpu_seconds
        self._last_seconds, self._last_cpu_seconds = now_seconds, cpu_seconds
        used = None if cpu_seconds is None or last_cpu is None else max(0.0, cpu_seconds - last_cpu)
        live_pids = None if self._cpu_time is None else self._cpu_time.live_pids()
        return Interval(now_seconds if since is None else since, now_seconds, used, live_pids)

    def close(self) -> None:
        """Close the files that the CPU time is read from."""
        if self._cpu_time is not None:
            self._cpu_time.close()

    def _cpu_seconds(self) -> float | None:
        try:
            return None if self._cpu_time is None else self._cpu_time.seconds()
        except Exception as error:  # nothing that measuring meets may reach the training
            self._notices.once("error cpu time", f"CPU time is not known now ({type(error).__name__}: {error})")
            return None
