"""`PYTHONPATH=benchmarks python -m carbon`: see --help."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime, timedelta
from typing import NamedTuple

from carbon.made_up_year import HOURS, START, made_up_year
from wattrain_api.carbon_series import DAY, HOUR, CarbonSeries
from wattrain_operator.core.carbon_window import best_start, cleanest_hours

DURATIONS, DEADLINES = (1, 4, 12, 24), (12, 24, 48)
FIRST_DAY, LAST_DAY = 8, 362


class Saving(NamedTuple):
    """Sums of mean intensities over all submissions."""

    at_once: float = 0.0
    window: float = 0.0
    window_by_profile: float = 0.0
    oracle: float = 0.0

    def plus(self, other: Saving) -> Saving:
        """The sums with another submission."""
        return Saving(*(mine + its for mine, its in zip(self, other, strict=True)))


def submitted(series: CarbonSeries, now: datetime, duration: timedelta, deadline: datetime) -> Saving:
    """A job of `duration` that is submitted at `now`."""
    at_once = series.mean(now, now + duration) or 0.0
    true = best_start(series, now, duration, deadline)
    past = CarbonSeries(tuple(part for part in series.intervals if now - 8 * DAY <= part.start < now))
    guessed = best_start(past.continued(deadline + HOUR), now, duration, deadline)
    hours = cleanest_hours(series, now, duration, deadline)
    by_profile = at_once if guessed is None else series.mean(guessed.time, guessed.time + duration) or 0.0
    return Saving(
        at_once,
        at_once if true is None else true.grams_per_kwh,
        by_profile,
        at_once if hours is None else hours.grams_per_kwh,
    )


def main() -> int:
    """Print the table; 1 where a window that knows the series is worse than starting at once."""
    parser = argparse.ArgumentParser(
        prog="python -m carbon",
        description="Submits jobs over a year of hourly carbon intensity, made by us, and prints what waiting for "
        "the cleanest stretch saves beside a start at once, with the series as forecast and with the same hours of the "
        "last seven days, and what pausing in dirty hours would save, which is the most that can be had.",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the series (default: 1)")
    parser.add_argument("--every", type=int, default=31, help="hours between two submissions (default: 31)")
    options = parser.parse_args()
    series, worse = made_up_year(options.seed), 0
    print(f"series made by us, seed {options.seed}; a submission every {options.every} h\n")
    print("| duration | deadline | start at once, g/kWh | StartWindow | by the last 7 days | PauseResume (oracle) |")
    print("|---|---|---|---|---|---|")
    for duration in DURATIONS:
        for deadline in (hours for hours in DEADLINES if hours > duration):
            sums, count = Saving(), 0
            for hour in range(FIRST_DAY * 24, min(LAST_DAY * 24, HOURS - deadline), options.every):
                now = START + hour * HOUR
                one = submitted(series, now, duration * HOUR, now + deadline * HOUR)
                worse += one.window > one.at_once + 1e-9
                sums, count = sums.plus(one), count + 1
            saved = [f"{100 * (1 - total / sums.at_once):.1f} %" for total in sums[1:]]
            print(f"| {duration} h | {deadline} h | {sums.at_once / count:.0f} | {' | '.join(saved)} |", flush=True)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
