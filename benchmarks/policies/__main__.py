"""`PYTHONPATH=benchmarks python -m policies > trace.jsonl`: a made trace, or a made year of carbon intensities."""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from datetime import UTC, datetime, timedelta

_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> int:
    """Write one of both."""
    parser = argparse.ArgumentParser(prog="python -m policies", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs of the trace (default 20000)")
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default 1)")
    parser.add_argument("--series", action="store_true", help="a year of hourly intensities as CSV in place of a trace")
    args = parser.parse_args()
    if args.series:
        _say_series(random.Random(args.seed))
    else:
        _say_trace(args.jobs, random.Random(args.seed))
    return 0


def _say_trace(jobs: int, chance: random.Random) -> None:
    """Submissions at random, one in 40 s on average; 1 to 8 workers of 300 W; a median of 18 minutes, some take days;
    one job in four is more important, and all have two days."""
    submit_seconds = 0.0
    for number in range(jobs):
        submit_seconds += chance.expovariate(1 / 40)
        job = {
            "name": f"job-{number}",
            "namespace": chance.choice("abc"),
            "submitSeconds": round(submit_seconds, 1),
            "workers": chance.choice([1, 1, 1, 2, 4, 8]),
            "wattsPerWorker": 300,
            "durationSeconds": round(chance.lognormvariate(7, 1.2), 1),
            "priority": chance.choice([0, 0, 0, 1]),
            "deadlineSeconds": 172_800,
        }
        sys.stdout.write(f"{json.dumps(job)}\n")


def _say_series(chance: random.Random) -> None:
    """400 g/kWh, with 120 more at eight in the evening and less at eight in the morning, 60 more in winter and less in
    summer, and noise of 30. It is made, and of no zone."""
    sys.stdout.write("time,gramsPerKWh\n")
    for hour in range(365 * 24):
        day = 120 * math.cos(2 * math.pi * (hour - 20) / 24)
        season = 60 * math.cos(2 * math.pi * hour / (365 * 24))
        grams = max(20.0, 400 + day + season + chance.gauss(0, 30))
        sys.stdout.write(f"{(_BEGIN + timedelta(hours=hour)).isoformat()},{grams:.1f}\n")


if __name__ == "__main__":
    sys.exit(main())
