"""What waiting for clean hours has saved: each joule at its own hour, beside the same joule at the hour that it would
have had, had the job started at once. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.status import CleanHoursStatus
from wattrain_operator.core.accounts import JOULES_PER_KWH

_DIGITS = 6


def compared(
    hours: CleanHoursStatus | None,
    series: CarbonSeries | None,
    facility_joules: float,
    since: datetime,
    until: datetime,
) -> CleanHoursStatus | None:
    """`hours` with what was used from `since` to `until`, as far as `series` knows these hours and the earlier ones."""
    if hours is None or series is None or hours.held_seconds == 0:
        return hours
    earlier = timedelta(seconds=hours.held_seconds)
    now, before = _mean(series, since, until), _mean(series, since - earlier, until - earlier)
    if now is None or before is None or hours.basis not in ("", series.basis):
        return hours
    kwh = facility_joules / JOULES_PER_KWH
    return replace(
        hours,
        compared_joules=round(hours.compared_joules + facility_joules, 3),
        grams=round(hours.grams + kwh * now, _DIGITS),
        at_once_grams=round(hours.at_once_grams + kwh * before, _DIGITS),
        basis=series.basis,
    )


def _mean(series: CarbonSeries, since: datetime, until: datetime) -> float | None:
    return series.mean(since, until) if until > since else series.at(until)
