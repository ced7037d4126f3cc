"""`PYTHONPATH=benchmarks:worker:api python -m energy_models`: see --help."""

from __future__ import annotations

import argparse
import sys

from energy_models.side_by_side import Setting, measure, table


def main() -> int:
    """Measure all settings, print the table; 1 where a model lies outside of low and high."""
    parser = argparse.ArgumentParser(
        prog="python -m energy_models",
        description="Has processes compute as workers of one job, alone and beside other load, and prints what the "
        "worker's power sampler counts beside what published models say of the same CPU time. With codecarbon "
        "installed, it runs besides.",
    )
    parser.add_argument(
        "--seconds", type=float, default=8.0, help="how long each setting computes (default: 8, at most 60)"
    )
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2, 4], help="numbers of workers (default: 1 2 4, at most 8)"
    )
    options = parser.parse_args()
    seconds, counts = min(60.0, options.seconds), [min(8, count) for count in options.workers]
    results = []
    for workers in counts:
        for beside in (False, True):
            results.append(measure(Setting(workers, beside, seconds)))
            print(table(results[-1]), flush=True)
    outside = [name for result in results for name in result.outside]
    print(f"{sum(len(r.told) for r in results)} figures of other models, {len(outside)} outside of low and high")
    return 1 if outside else 0


if __name__ == "__main__":
    sys.exit(main())
