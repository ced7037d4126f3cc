"""What returns in a date: the time of the day, the day of the week, the time of the year, as points on a circle.

A number of days alone tells a model none of them. On a circle midnight is beside 23:59 and December beside January,
and a part takes two columns: the sine and the cosine of the angle.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from wattrain_worker.data.fit import Vector

DatePart = Literal["timeOfDay", "dayOfWeek", "timeOfYear"]
PARTS: Final[tuple[DatePart, ...]] = ("timeOfDay", "dayOfWeek", "timeOfYear")
COLUMNS: Final = 2
"""Of a part."""
_WEEK: Final = 7
_YEAR: Final = 365.2425
"""Days of a year, its mean over the 400 years after which the Gregorian calendar returns."""


def parts_that_differ(days: Vector) -> tuple[DatePart, ...]:
    """The parts that tell rows apart by `days` [rows] since 1970 (NaN: missing), of the training split. The time of the
    year is one where they span a year: in less, the number of days says it."""
    there = days[~np.isnan(days)]
    differ = {
        "timeOfDay": len(np.unique(there % 1)) > 1,
        "dayOfWeek": len(np.unique(np.floor(there) % _WEEK)) > 1,
        "timeOfYear": bool(len(there)) and there.max() - there.min() >= _YEAR,
    }
    return tuple(part for part in PARTS if differ[part])


def on_circles(days: Vector, parts: tuple[DatePart, ...]) -> npt.NDArray[np.float32]:
    """[rows, COLUMNS x parts]: sine and cosine of each of `parts` of `days` [rows]; 0, the centre, where one is NaN."""
    turns = {"timeOfDay": days % 1, "dayOfWeek": np.floor(days) % _WEEK / _WEEK, "timeOfYear": days % _YEAR / _YEAR}
    angles = [2 * np.pi * turns[part] for part in parts]
    points = [function(angle) for angle in angles for function in (np.sin, np.cos)]
    if not points:
        return np.empty((len(days), 0), np.float32)
    return np.asarray(np.nan_to_num(np.stack(points, axis=1)), np.float32)
