"""One piece of work, counted by Wattrain's sampler, by CodeCarbon where it is installed, and by published models."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from energy_models.published_models import MODELS, Work, codecarbon_machine
from wattrain_worker.power.node_cpu import NodeCpuTime

_MODE = "CodeCarbon, running, "
_ALONE_SHARE = 0.1
"""Up to this share of others the machine does the work alone."""


class Setting(NamedTuple):
    """How many workers compute, for how long, and whether something else does as well."""

    workers: int
    beside_load: bool
    seconds: float


class Result(NamedTuple):
    """What was counted, in joules."""

    setting: Setting
    cpu_seconds: float
    others_share: float
    """Of the machine's CPU time, what the workers have not used."""
    joules: float
    low: float
    high: float
    sources: str
    told: Mapping[str, float]
    """What other models say, by name."""
    uncomparable: Mapping[str, float]
    """What counts the other load as well."""

    @property
    def outside(self) -> list[str]:
        """Models that lie outside of low and high."""
        return [name for name, joules in self.told.items() if not self.low <= joules <= self.high]


def measure(setting: Setting) -> Result:
    """Run `setting`."""
    load = _start(setting.seconds + 2, {}) if setting.beside_load else None
    try:
        with _codecarbon() as trackers:
            node = NodeCpuTime(Path("/"))
            environ = {"WATTRAIN_CPU_SCOPE": "process", "WATTRAIN_WORKERS": str(setting.workers)}
            workers = [_start(setting.seconds, environ) for _ in range(setting.workers)]
            figures = [json.loads(worker.communicate(timeout=10 * setting.seconds + 60)[0]) for worker in workers]
            busy_seconds = node.advance().busy
            running = {_MODE + mode: _stop(tracker) for mode, tracker in trackers.items()}
    finally:
        if load is not None:
            load.kill()
            load.wait()
    return _result(setting, figures, busy_seconds, running)


def _result(setting: Setting, figures: list[Any], busy_seconds: float, running: Mapping[str, float]) -> Result:
    readings = [reading for figure in figures for reading in figure["readings"]]
    cpu_seconds = sum(figure["cpuSeconds"] for figure in figures)
    memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    wall_seconds = max(figure["wallSeconds"] for figure in figures)
    work = Work(cpu_seconds, wall_seconds, float(os.cpu_count() or 1), memory_gb)
    told = {name: model(work) for name, model in MODELS.items()}
    told["CodeCarbon, machine"] = codecarbon_machine(work)
    others_share = max(0.0, 1 - cpu_seconds / busy_seconds)
    whole = {name: joules for name, joules in running.items() if "machine" in name and others_share > _ALONE_SHARE}
    told |= {name: joules for name, joules in running.items() if name not in whole}
    return Result(
        setting,
        cpu_seconds,
        others_share,
        *(sum(reading[name] for reading in readings) for name in ("joules", "low_joules", "high_joules")),
        "+".join(sorted({reading["source"] for reading in readings})),
        told,
        whole,
    )


def table(result: Result) -> str:
    """The result as text."""
    setting = result.setting
    place = "beside other load" if setting.beside_load else "alone"
    lines = [
        f"{setting.workers} workers, {place}: {result.cpu_seconds:.1f} CPU s in {setting.seconds:.0f} s, "
        f"{result.others_share:.0%} of the machine's CPU time was others'",
        f"  {'Wattrain (' + result.sources + ')':<34}{result.joules:8.1f} J   {result.low:.1f} to {result.high:.1f} J",
    ]
    for name, joules in result.told.items():
        lines.append(f"  {name:<34}{joules:8.1f} J   {'OUTSIDE' if name in result.outside else 'inside'}")
    for name, joules in result.uncomparable.items():
        lines.append(f"  {name:<34}{joules:8.1f} J   counts the other load as well")
    return "\n".join(lines)


def _start(seconds: float, environ: Mapping[str, str]) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTRAIN_")}
    command = [sys.executable, "-m", "energy_models.burner", str(seconds)]
    return subprocess.Popen(command, env={**inherited, **environ}, stdout=subprocess.PIPE, text=True)


@contextlib.contextmanager
def _codecarbon() -> Iterator[dict[str, Any]]:
    """Running trackers of CodeCarbon by their mode; none where it is not installed."""
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        yield {}
        return
    trackers = {}
    for mode in ("process", "machine"):
        trackers[mode] = OfflineEmissionsTracker(
            country_iso_code="FRA", tracking_mode=mode, measure_power_secs=1, save_to_file=False, log_level="error",
            allow_multiple_runs=True,
        )  # fmt: skip
        trackers[mode].start()
    yield trackers


def _stop(tracker: Any) -> float:
    tracker.stop()
    energy = tracker.final_emissions_data
    return float(energy.cpu_energy + energy.ram_energy) * 3.6e6
