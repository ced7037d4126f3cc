"""Reading and writing series of carbon intensity: our CSV, and the JSON that carbon-intensity exporters leave.

docs/carbon.md describes both. What is wrong with a text is a ValueError: a sentence with the line and the remedy.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from wattrain_api.carbon_series import HOUR, Basis, CarbonSeries, Interval

MAX_BYTES = 8 * 2**20
"""A year in steps of five minutes has 5 MB."""
MOST_GRAMS_PER_KWH = 5000.0
LONGEST_STEP = timedelta(hours=3)
"""In CSV an intensity holds until the next one, but no longer than this: what is missing is a hole."""
HEADER = ["time", "gramsPerKWh"]
_ENTRY = {"location", "timestamp", "time", "duration", "value", "rating"}
_BASES: dict[str, Basis] = {"average": "Average", "marginal": "Marginal"}


def read_series(content: bytes, zone: str, basis: Basis, source: str) -> CarbonSeries:
    """The series that `content` holds, CSV or JSON. `zone` and `source` are told where it does not name them itself.

    ValueError where it holds none, or is of another zone or basis than is said.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"the series is larger than {MAX_BYTES // 2**20} MiB; keep the last year, in hours")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: not UTF-8 text; save it as UTF-8") from None
    try:
        series = _read_json(text) if text.lstrip().startswith("[") else _read_csv(text, basis)
    except OverflowError:
        raise ValueError("a time or a duration in it is beyond every calendar; mend it") from None
    if series.basis != basis:
        raise ValueError(
            f"the series is {series.basis.lower()}, and the power domain takes it for {basis.lower()}; write "
            f"carbon.basis: {series.basis}"
        )
    if zone and series.zone and series.zone != zone:
        raise ValueError(f"the series is of zone {series.zone}, not {zone}; write carbon.zone: {series.zone}")
    return CarbonSeries(series.intervals, series.zone or zone, basis, series.source or source)


def write_csv(series: CarbonSeries) -> str:
    """`series` in our CSV."""
    told = {"zone": series.zone, "basis": series.basis.lower(), "source": series.source}
    lines = [f"# {name}: {value}" for name, value in told.items() if value]
    lines += [",".join(HEADER)]
    lines += [f"{part.start:%Y-%m-%dT%H:%M:%SZ},{part.grams_per_kwh:.6g}" for part in series.intervals]
    return "\n".join(lines) + "\n"


def intervals_of(entries: list[tuple[int, datetime, float]]) -> tuple[Interval, ...]:
    """Each of `entries` (line, time, g/kWh) until the next one; the last as long as the one before it, alone an hour.

    ValueError where times do not rise.
    """
    for (_, before, _), (line, time, _) in pairwise(entries):
        if time <= before:
            raise ValueError(f"line {line}: {time:%Y-%m-%dT%H:%M:%SZ} is not after the line before it; sort the lines")
    if not entries:
        raise ValueError(f"there is no intensity; write a line {','.join(HEADER)}, and below it one for each hour")
    ends = [time for _, time, _ in entries[1:]]
    times = [time for _, time, _ in entries]
    ends.append(times[-1] + (times[-1] - times[-2] if len(times) > 1 else HOUR))
    return tuple(
        Interval(time, min(end, time + LONGEST_STEP), grams)
        for (_, time, grams), end in zip(entries, ends, strict=True)
    )


def grams_in(line: int, written: str, unit: str = "g/kWh", factor: float = 1.0) -> float:
    """What `written` of `line` says, x `factor`, in g/kWh. ValueError where that is none."""
    try:
        grams = float(written) * factor
    except ValueError:
        raise ValueError(f"line {line}: {written!r} is no number; write {unit}, or leave the line out") from None
    if not math.isfinite(grams) or not 0 <= grams <= MOST_GRAMS_PER_KWH:
        raise ValueError(f"line {line}: {written} {unit} is not between 0 and {MOST_GRAMS_PER_KWH:g} g/kWh; mend it")
    return grams


def time_in(line: int, written: str, *, utc: bool = False) -> datetime:
    """The moment that `written` of `line` says, in UTC. `utc`: one without a zone is in UTC. ValueError: it is none."""
    try:
        moment = datetime.fromisoformat(written.strip())
    except ValueError:
        moment = None
    if moment is not None and moment.tzinfo is None and utc:
        moment = moment.replace(tzinfo=UTC)
    if moment is None or moment.tzinfo is None:
        raise ValueError(f"line {line}: {written!r} is no time with its zone; write it as 2026-12-01T18:00:00Z")
    return moment.astimezone(UTC)


def _read_csv(text: str, basis: Basis) -> CarbonSeries:
    told: dict[str, str] = {}
    rows: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            told[name.strip()] = value.strip()
        elif line.strip():
            rows.append((number, line))
    if not rows or [field.strip() for field in rows[0][1].split(",")] != HEADER:
        first = rows[0][0] if rows else 1
        raise ValueError(
            f"line {first}: the header must be {','.join(HEADER)}; `wattrain carbon convert` makes such a file from "
            "those of Electricity Maps and WattTime"
        )
    said = told.get("basis", basis.lower())
    if said not in _BASES:
        raise ValueError(f"# basis: {said}: must be average or marginal")
    entries = [_entry(line, row) for line, row in _parsed(rows[1:])]
    return CarbonSeries(intervals_of(entries), told.get("zone", ""), _BASES[said], told.get("source", ""))


def _parsed(rows: Iterable[tuple[int, str]]) -> Iterable[tuple[int, list[str]]]:
    return ((line, next(csv.reader([row]), [])) for line, row in rows)


def _entry(line: int, fields: list[str]) -> tuple[int, datetime, float]:
    if len(fields) != len(HEADER):
        raise ValueError(f"line {line}: has {len(fields)} fields; write {','.join(HEADER)}")
    return line, time_in(line, fields[0]), grams_in(line, fields[1])


def _read_json(text: str) -> CarbonSeries:
    """What Azure/kubernetes-carbon-intensity-exporter leaves in its ConfigMap: objects with location, timestamp,
    duration in minutes and value, in g/kWh. Its description calls them time and rating. It leaves out a value of 0."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"this is no JSON: {error}; write a list of objects, or CSV") from None
    intervals: list[Interval] = []
    zones: set[str] = set()
    for number, entry in enumerate(found, 1):
        if not isinstance(entry, dict):
            raise ValueError(f"entry {number} is no object; write location, timestamp, duration and value")
        unknown = sorted({*entry} - _ENTRY)
        if unknown:
            raise ValueError(f"entry {number}: {unknown[0]} is unknown; write location, timestamp, duration and value")
        try:
            start = time_in(number, str(entry.get("timestamp", entry.get("time", ""))))
            grams = grams_in(number, str(entry.get("value", entry.get("rating", 0))))
            end = start + _duration(number, entry.get("duration"))
        except ValueError as error:
            raise ValueError(str(error).replace("line", "entry", 1)) from None
        if intervals and start < intervals[-1].start:
            raise ValueError(f"entry {number}: its time is before that of the entry before it; sort the entries")
        if intervals and start < intervals[-1].end:  # the one before counts until this one begins
            intervals[-1] = intervals[-1]._replace(end=start)
        intervals.append(Interval(start, end, grams))
        zones.add(str(entry.get("location", "")))
    if not intervals:
        raise ValueError("the list is empty: there is no intensity")
    if len(zones) > 1:
        raise ValueError(f"the entries are of several locations ({', '.join(sorted(zones))}); keep those of one")
    return CarbonSeries(tuple(part for part in intervals if part.end > part.start), zones.pop())


def _duration(line: int, written: object) -> timedelta:
    """Minutes, or hh:mm:ss."""
    if isinstance(written, str) and written.count(":") == 2:
        try:
            hours, minutes, seconds = (float(part) for part in written.split(":"))
            length = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        except ValueError:
            length = timedelta()
    else:
        minutes_told = isinstance(written, (int, float)) and not isinstance(written, bool) and math.isfinite(written)
        length = timedelta(minutes=min(float(written), 1e6)) if minutes_told else timedelta()  # type: ignore[arg-type]
    if not timedelta() < length <= timedelta(days=1):
        raise ValueError(f"line {line}: duration {written!r} is no number of minutes up to a day; write 5, say")
    return length
