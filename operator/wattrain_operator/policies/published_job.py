"""What is taken of a job of a published trace, and how its columns are read. Pure."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from wattrain_operator.policies.job_trace import TraceError


class PublishedJob(NamedTuple):
    """A job that ran on GPUs."""

    name: str
    namespace: str
    submit_seconds: float
    """Since any moment, which is the same for all jobs of a file."""
    workers: int
    gpus: float
    """Of all workers together."""
    duration_seconds: float
    """How long it ran, without waiting."""


class LeftOut(Enum):
    """Why a job of a published trace is not taken."""

    WITHOUT_GPU = "without a GPU"
    NEVER_RAN = "never started"
    STILL_RAN = "without an end"
    ENDED_BEFORE = "that ended before they started"


def columns_of(lines: Iterable[str], names: Sequence[str], *, header: bool) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and the fields `names` of each row of CSV, in their order. TraceError: a row lacks one.

    Without a header `names` are all columns, from the first on.
    """
    rows = _rows(lines)
    places = list(range(len(names)))
    if header:
        first = [field.strip() for field in next(rows, (1, []))[1]]
        missing = [name for name in names if name not in first]
        if missing:
            raise TraceError(f"line 1: there is no column {missing[0]}; give the file as it was published")
        places = [first.index(name) for name in names]
    least = max(places) + 1
    for line, row in rows:
        if not row:
            continue
        if len(row) < least:
            raise TraceError(
                f"line {line}: has {len(row)} of at least {least} fields; give the file as it was published"
            )
        yield line, [row[place].strip() for place in places]


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise TraceError(f"line {reader.line_num}: is no CSV ({error}); give the file as it was published") from None


def number(line: int, name: str, text: str) -> float:
    """A number from 0 on. TraceError: `text` is none."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise TraceError(f"line {line}: {name} is {text!r}, and no number from 0 on; correct or remove the line")
    return value


def moment(place: str, name: str, text: str) -> float:
    """Seconds of a wall clock, as in 2020-06-09 18:41:01. TraceError: `text` is none; `place` says where it is."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise TraceError(
            f"{place}: {name} is {text!r}, and no time as in 2020-06-09 18:41:01; correct or remove it"
        ) from None
