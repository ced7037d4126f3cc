"""A year of hourly carbon intensity, made by us: no grid's. It has what grids have, by a formula that can be read.

    g/kWh = 350 + 60 cos(2 pi day / 365) - 110 sun x season + 25 evening + w

`sun` is a half sine from 7 to 19 h, `season` 0.4 in winter to 1 in summer, `evening` a hump at 20 h, and `w` wind: a
random walk that returns to its mean within a day and a half (AR(1), 0.97 an hour, standard deviation 70). At least 20.
"""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime

from wattrain_api.carbon_series import HOUR, CarbonSeries, Interval

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 365 * 24
_MEMORY, _DEVIATION = 0.97, 70.0


def made_up_year(seed: int) -> CarbonSeries:
    """The series of that seed."""
    noise, wind, found = random.Random(seed), 0.0, []
    for hour in range(HOURS):
        day, clock = hour / 24, hour % 24
        wind = _MEMORY * wind + noise.gauss(0, _DEVIATION * math.sqrt(1 - _MEMORY**2))
        season = 0.7 - 0.3 * math.cos(2 * math.pi * day / 365)
        sun = math.sin(math.pi * (clock - 7) / 12) if 7 <= clock <= 19 else 0.0
        evening = math.exp(-(((clock - 20) / 2) ** 2))
        grams = 350 + 60 * math.cos(2 * math.pi * day / 365) - 110 * sun * season + 25 * evening + wind
        found.append(Interval(START + hour * HOUR, START + (hour + 1) * HOUR, max(20.0, grams)))
    return CarbonSeries(tuple(found), "MADE-UP", "Average", f"made by us, seed {seed}")
