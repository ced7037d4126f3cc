"""Makes the hourly number of cars on a road from 2023 to 2025. Nobody counted them.

python examples/data/road_traffic.py FILE.csv

The mean of an hour is a product of: the hour of the day (two peaks on workdays, one hump at weekends), the season,
school holidays, rain, and a growth of 2 % a year. Rain keeps some at home, and comes in spells of hours. The count is
drawn around that mean (gamma, then rounded), so that 4 % of it cannot be foretold by anybody.
"""

import csv
import math
import random
import sys
from datetime import datetime, timedelta
from pathlib import Path

BEGIN, END = datetime(2023, 1, 1), datetime(2026, 1, 1)
HOLIDAYS = ((52, 1), (14, 15), (27, 32), (42, 42))
"""Weeks of the year without school, first and last."""
NOISE = 0.04


def main(file: Path) -> None:
    draw, rain, time = random.Random(11), 0.0, BEGIN
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="") as out:
        table = csv.writer(out)
        table.writerow(["time", "rain_mm", "school_holidays", "cars"])
        while time < END:
            rain = draw.expovariate(1) if draw.random() < (0.75 if rain else 0.03) else 0.0
            cars = mean(time, rain) * draw.gammavariate(1 / NOISE**2, NOISE**2)
            table.writerow([time.isoformat(" "), f"{rain:.2f}", in_holidays(time), round(cars)])
            time += timedelta(hours=1)


def in_holidays(time):
    week = time.isocalendar().week
    return any(first <= week <= last if first <= last else week >= first or week <= last for first, last in HOLIDAYS)


def mean(time, rain):
    hour = time.hour
    if time.weekday() < 5:
        shape = 0.08 + bump(hour, 7.5, 1.3) + 0.85 * bump(hour, 17, 1.8) + 0.45 * bump(hour, 12.5, 3)
        commuting = 0.82 if in_holidays(time) else 1.0
    else:
        shape, commuting = 0.06 + 0.7 * bump(hour, 14, 4), 1.1 if in_holidays(time) else 1.0
    season = 1 + 0.1 * math.sin(2 * math.pi * (time.timetuple().tm_yday - 80) / 365)
    growth = 1.02 ** ((time - BEGIN).days / 365)
    return 1400 * shape * commuting * season * growth * (1 - 0.06 * min(rain, 3))


def bump(hour, middle, width):
    return math.exp(-(((hour - middle) / width) ** 2) / 2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
