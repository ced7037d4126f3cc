"""A worker that computes for a while, as the supervisor's sampler sees it: prints its readings as JSON.

`python -m energy_models.burner SECONDS` with the environment of a worker; without WATTRAIN_WORKERS it only computes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict

from wattrain_worker.power import PowerSampler


def main() -> None:
    """Compute for so many seconds, counted from the first sample."""
    seconds = float(sys.argv[1])
    if "WATTRAIN_WORKERS" not in os.environ:
        _compute(seconds)
        return
    power = PowerSampler.from_environment(list)
    power.start()
    cpu, wall = time.process_time(), time.monotonic()
    _compute(seconds)
    power.stop()
    figures = {
        "cpuSeconds": time.process_time() - cpu,
        "wallSeconds": time.monotonic() - wall,
        "readings": [asdict(reading) for reading in power.readings()],
    }
    print(json.dumps(figures))


def _compute(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))


if __name__ == "__main__":
    main()
