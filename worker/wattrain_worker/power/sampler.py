"""PowerSampler: asks every source once a second, from one thread."""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

from wattrain_worker.power import cpu_time, nvml, rapl
from wattrain_worker.power.cpu import CpuPower
from wattrain_worker.power.notices import Notices
from wattrain_worker.power.process_tree import ProcessTree
from wattrain_worker.power.reading import Reading
from wattrain_worker.power.settings import Settings, read_settings

PERIOD_SECONDS: Final = 1.0
FRESH_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 0.5
"""A dying GPU can hold a call to its driver for long: then the last readings are given instead."""


class PowerSampler:
    """Power and energy of one worker. `from_environment` makes it; all methods may be called from any thread."""

    def __init__(
        self,
        cpu: CpuPower | None,
        gpus: list[nvml.Gpu],
        live_pids: Callable[[], set[int]] | None,
        notices: Notices,
        clock: Callable[[], float] = time.monotonic,
        shut_down: Callable[[], None] | None = None,
    ) -> None:
        """`live_pids`: the processes whose use of a GPU counts, None: all. `shut_down` is called at the end."""
        self._cpu, self._gpus, self._live_pids = cpu, gpus, live_pids
        self._notices, self._clock, self._shut_down = notices, clock, shut_down
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
        nvml_module: Any = None,
        stream: TextIO | None = None,
    ) -> PowerSampler:
        """A sampler for this worker. It never fails: what cannot be measured is said once on `stream` (stderr).

        `pids` gives the processes whose trees belong to the worker, besides this process, in scope `process`.
        `root` is the root of the file system; `nvml_module` is pynvml unless a test brings another.
        """
        notices = Notices(stream)
        settings = read_settings(os.environ if environ is None else environ, root, notices)
        used = cpu_time.find(root, settings.scope, pids, notices)
        live_pids = used.live_pids if isinstance(used, ProcessTree) else None
        library = _start_nvml(nvml_module, root, notices)
        gpus = _find_gpus(library, settings, notices, clock)
        if any(gpu.module for gpu in gpus):
            notices.once("module", "the GPU's counter covers its CPU as well, so the CPU is not counted on its own")
            cpu = None
            if used is not None and live_pids is None:
                used.close()
        else:
            share = settings.cpus / settings.machine_cpus
            counters = rapl.find(root, 1.0 / os.sysconf("SC_CLK_TCK"), share, notices) if used else None
            cpu = CpuPower(used, counters, settings.cpus, settings.memory_bytes, notices)
        return cls(cpu, gpus, live_pids, notices, clock, library.nvmlShutdown if library else None)

    def start(self) -> None:
        """Begin to count, and go on in a thread of its own."""
        with self._lock:
            self._sample()
        try:
            self._thread.start()
        except RuntimeError as error:  # no more threads are allowed here
            self._notices.once("thread", f"{error}; power is sampled only when it is asked for")

    def readings(self) -> list[Reading]:
        """Power and energy now, at most 0.2 s old (older only where a source hangs)."""
        if self._lock.acquire(timeout=_PATIENCE_SECONDS):
            try:
                last = self._sampled_seconds
                if not self._stopping.is_set() and (last is None or self._clock() - last > FRESH_SECONDS):
                    self._sample()
            finally:
                self._lock.release()
        return list(self._readings)

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
            if self._cpu is not None:
                self._cpu.close()
            if self._shut_down is not None:
                with contextlib.suppress(Exception):
                    self._shut_down()
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
        found: list[Reading] = []
        if self._cpu is not None:
            self._try("cpu", partial(self._cpu.update, now))
            found += self._cpu.readings()
        live_pids = self._live_pids() if self._live_pids is not None else None
        for gpu in self._gpus:
            self._try(gpu.uuid, partial(gpu.update, now, live_pids))
            found += gpu.readings()
        self._readings, self._sampled_seconds = found, now

    def _try(self, name: str, update: Callable[[], None]) -> None:
        try:
            update()
        except Exception as error:  # nothing that measuring meets may reach the training
            self._notices.once(f"error {name}", f"{name} cannot be measured now ({type(error).__name__}: {error})")


def _start_nvml(module: Any, root: Path, notices: Notices) -> Any:
    """pynvml, initialized; None where there is no NVIDIA GPU, or no way to it (said once)."""
    has_driver = (root / "dev/nvidiactl").exists()
    try:
        library = module or importlib.import_module("pynvml")
    except ImportError:
        if has_driver:
            notices.once("nvml", "there is an NVIDIA GPU, but not the package nvidia-ml-py; it is not counted")
        return None
    try:
        library.nvmlInit()
    except Exception as error:  # NVML's own and what a mismatched library makes of it
        if has_driver:
            notices.once(
                "nvml", f"there is an NVIDIA GPU, but its management library fails ({error}); it is not counted"
            )
        return None
    return library


def _find_gpus(library: Any, settings: Settings, notices: Notices, clock: Callable[[], float]) -> list[nvml.Gpu]:
    if library is None:
        return []
    try:
        return nvml.find(library, settings.gpus, settings.gpus_by_bus, notices, clock)
    except Exception as error:
        notices.once("nvml", f"the GPUs cannot be listed ({error}); none is counted")
        return []
