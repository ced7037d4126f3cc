"""PowerSampler: asks every source once a second, from one thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, TextIO

from wattrain_worker.power import cpu_time
from wattrain_worker.power.foreign_gpus import note_foreign_gpus
from wattrain_worker.power.gaps import Gap, Gaps
from wattrain_worker.power.meter import Reading
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.power_settings import read_settings
from wattrain_worker.power.power_source import Machine, PowerSource
from wattrain_worker.power.precedence import Precedence
from wattrain_worker.power.process_tree import ProcessTree, process_age_seconds
from wattrain_worker.power.sources import RegisteredSource, registered_sources
from wattrain_worker.power.worker_use import WorkerUse

PERIOD_SECONDS: Final = 1.0
FRESH_SECONDS: Final = 0.2
_STALE_SECONDS: Final = 2 * PERIOD_SECONDS
_PATIENCE_SECONDS: Final = 0.5
"""A dying GPU can hold a call to its driver for long: then the last readings are given instead."""


class PowerSampler:
    """Power and energy of one worker. `from_environment` makes it; all methods may be called from any thread."""

    def __init__(
        self,
        sources: Mapping[str, PowerSource],
        use: WorkerUse,
        machine: Machine,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sources` by name, in the order of precedence; `clock` gives monotonic seconds."""
        self._sources, self._use = sources, use
        self._machine, self._notices, self._clock = machine, machine.notices, clock
        self._precedence = Precedence()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wattrain-power", daemon=True)
        self._sampled_seconds: float | None = None
        self._readings: list[Reading] = []

    @classmethod
    def from_environment(
        cls,
        pids: Callable[[], list[int]],
        environ: Mapping[str, str] | None = None,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.monotonic,
        stream: TextIO | None = None,
        registered: Sequence[RegisteredSource] | None = None,
        since_process_start: bool = False,
    ) -> PowerSampler:
        """A sampler for this worker. It never fails: what cannot be measured is said once on `stream` (stderr).

        `pids` gives the processes whose trees belong to the worker, besides this process, in scope `process`.
        `root` is the root of the file system; `registered` are the sources to try, default: all.
        `since_process_start`: what this process has used before anything could be sampled counts too.
        """
        notices, gaps = Notices(stream), Gaps()
        environ = os.environ if environ is None else environ
        settings = read_settings(environ, root, notices)
        found_cpu_time = cpu_time.find(root, settings.scope, pids, notices)
        age = process_age_seconds(root) if since_process_start else None
        use = WorkerUse(found_cpu_time, notices, None if age is None else clock() - age)
        by_process = settings.scope == cpu_time.SCOPE_PROCESS or isinstance(found_cpu_time, ProcessTree)
        machine = Machine(root, environ, settings, use.knows_cpu_time, notices, gaps, devices_are_given=not by_process)
        note_foreign_gpus(machine)
        sources: dict[str, PowerSource] = {}
        for name, source in registered_sources() if registered is None else registered:
            try:
                found = source.probe(machine)
            except Exception as error:  # nothing that measuring meets may reach the training
                notices.once(f"probe {name}", f"{name} cannot be used ({type(error).__name__}: {error})")
                continue
            if found is not None:
                sources[name] = found
        return cls(sources, use, machine, clock)

    def start(self) -> None:
        """Begin to count, and go on in a thread of its own."""
        with self._lock:
            self._sample()
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads are allowed here
            self._notices.once("thread", f"{error}; power is sampled only when it is asked for")

    def readings(self, *, fresh: bool = True) -> list[Reading]:
        """Power and energy now, at most 0.2 s old; not `fresh`: as the thread has sampled them last, for which nothing
        is read and nobody waits. Where a source hangs the energy is older, the power unknown."""
        if (fresh or not self._thread.is_alive()) and self._lock.acquire(timeout=_PATIENCE_SECONDS):
            try:
                last = self._sampled_seconds
                if not self._stopping.is_set() and (last is None or self._clock() - last > FRESH_SECONDS):
                    self._sample()
            finally:
                self._lock.release()
        readings, sampled = self._readings, self._sampled_seconds
        if not self._stopping.is_set() and sampled is not None and self._clock() - sampled > _STALE_SECONDS:
            return [replace(reading, watts=None) for reading in readings]
        return list(readings)

    def uncounted(self) -> tuple[Gap, ...]:
        """What of the worker draws power and is in no reading."""
        return self._machine.gaps.all()

    def stop(self) -> None:
        """Take a last sample and end; `readings` keeps its answer. Calling it twice does no harm."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2 * PERIOD_SECONDS)
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            return  # a source hangs: leave it to the end of the process
        try:
            self._sample()
            self._use.close()
            for name, source in self._sources.items():
                try:
                    source.close()
                except Exception as error:
                    self._notices.once(f"close {name}", f"{name} cannot be closed ({type(error).__name__}: {error})")
        finally:
            self._lock.release()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_SECONDS):
            with self._lock:
                if not self._stopping.is_set():
                    self._sample()

    def _sample(self) -> None:
        """Ask all sources; the lock is held."""
        now = self._clock()
        interval = self._use.advance(now)
        self._precedence.begin(now)
        for name, source in self._sources.items():
            try:
                samples = source.read(interval, self._precedence.answered)
                self._precedence.offer(name, samples)
            except Exception as error:  # nothing that measuring meets may reach the training
                self._notices.once(f"error {name}", f"{name} cannot measure now ({type(error).__name__}: {error})")
        self._precedence.end()
        self._machine.gaps.look_for_use(self._machine.root, interval.live_pids or ())
        self._readings, self._sampled_seconds = self._precedence.readings(), now
