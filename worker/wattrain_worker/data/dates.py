"""Columns of dates, in ISO 8601 (or with slashes for its hyphens) or as a file's own type, as numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.words import stripped

_TIME: Final = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
_FORM: Final = rf"^[0-9]{{4}}(-[0-9]{{2}}-|/[0-9]{{2}}/)[0-9]{{2}}([ T]{_TIME})?$"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def are_dates(series: pl.Series, missing: npt.NDArray[np.bool_]) -> bool:
    """Whether the column holds dates by its type, or every text that is not `missing` is written as one."""
    if series.dtype in (pl.Date, pl.Datetime):
        return True
    if series.dtype != pl.String or missing.all():
        return False
    return bool(stripped(series.filter(pl.Series(~missing))).str.contains(_FORM).all())


def as_days(series: pl.Series, missing: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """[rows]: days since 1970-01-01 in UTC, with fractions; NaN where one is `missing` or is no date."""
    days = np.full(len(series), np.nan)
    there = series.filter(pl.Series(~missing))
    written = stripped(there) if series.dtype == pl.String else there
    known = {each: _days(each) for each in written.unique().to_list()}
    days[~missing] = [known[each] for each in written.to_list()]
    return days


def _days(moment: object) -> float:
    """Days since 1970 of a date, a time or a text; NaN where it is none."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment.replace("/", "-"))
        except ValueError:
            return float("nan")
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    if not isinstance(moment, datetime):
        return float("nan")
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (zoned - _EPOCH) / timedelta(days=1)
