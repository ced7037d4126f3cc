"""From the CSV that others publish to our series: Electricity Maps (average) and WattTime (marginal).

Electricity Maps publishes a year of a zone in hours, in UTC: columns `Datetime (UTC)`, `Zone id`, `Carbon intensity
gCO₂eq/kWh (Life cycle)` (in older files `(LCA)`). Life cycle, as Ember counts, whose mean of the world is the default.
WattTime's historical files have `timestamp,MOER,...`, those of its version 3 `point_time,value,...`: pounds of CO2 a
megawatt-hour that one more emits, in steps of five minutes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from wattrain_api.carbon_format import grams_in, intervals_of, time_in
from wattrain_api.carbon_series import CarbonSeries

Publisher = Literal["electricity-maps", "watttime"]
GRAMS_PER_POUND = 453.59237
"""Exactly, by the international agreement of 1959."""
_LIFE_CYCLE = ("carbon intensity gco₂eq/kwh (life cycle)", "carbon intensity gco₂eq/kwh (lca)")
_WATTTIME = (("timestamp", "moer"), ("point_time", "value"))


def convert(text: str, publisher: Publisher, zone: str = "") -> CarbonSeries:
    """The series that `text`, a file of `publisher`, holds. `zone`: its zone, where the file does not name it.

    ValueError, with the line and the remedy, where it is no such file. Lines without an intensity are holes.
    """
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    if not rows:
        raise ValueError("the file is empty; download it again")
    header = [field.strip().lower() for field in rows[0]]
    if publisher == "electricity-maps":
        return _electricity_maps(header, rows, zone)
    return _watttime(header, rows, zone)


def _electricity_maps(header: list[str], rows: Sequence[list[str]], zone: str) -> CarbonSeries:
    column = next((header.index(name) for name in _LIFE_CYCLE if name in header), None)
    if column is None or "datetime (utc)" not in header:
        raise ValueError(
            "line 1: a file of Electricity Maps has the columns Datetime (UTC) and Carbon intensity gCO₂eq/kWh (Life "
            "cycle); give the hourly file as it was downloaded"
        )
    entries = _entries(rows, header.index("datetime (utc)"), column, "g/kWh", 1.0)
    named = header.index("zone id") if "zone id" in header else None
    zones = {row[named].strip() for row in rows[1:] if named is not None and len(row) > named}
    if len(zones) > 1:
        raise ValueError(f"the file has several zones ({', '.join(sorted(zones)[:3])}); keep the lines of one")
    source = "Electricity Maps, life cycle, average"
    return CarbonSeries(intervals_of(entries), next(iter(zones), zone), "Average", source)


def _watttime(header: list[str], rows: Sequence[list[str]], zone: str) -> CarbonSeries:
    names = next((names for names in _WATTTIME if set(names) <= set(header)), None)
    if names is None:
        raise ValueError(
            "line 1: a file of WattTime has the columns timestamp and MOER, or point_time and value; give it as it "
            "was downloaded"
        )
    moment, value = (header.index(name) for name in names)
    entries = _entries(rows, moment, value, "lbs/MWh", GRAMS_PER_POUND / 1000)
    return CarbonSeries(intervals_of(entries), zone, "Marginal", "WattTime, marginal (MOER), converted from lbs/MWh")


def _entries(
    rows: Sequence[list[str]], moment: int, value: int, unit: str, factor: float
) -> list[tuple[int, datetime, float]]:
    found = []
    for line, row in enumerate(rows[1:], 2):
        if not any(field.strip() for field in row):
            continue
        if len(row) <= max(moment, value):
            raise ValueError(f"line {line}: has {len(row)} fields, the header more; download the file again")
        if row[value].strip():
            found.append((line, time_in(line, row[moment], utc=True), grams_in(line, row[value], unit, factor)))
    return found
