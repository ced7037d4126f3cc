"""CSV files (RFC 4180), read strictly: each record has a value for each column, and every quote is closed.

A regular file is read by `csv_regular`. Where that finds anything unusual, the csv module reads the file record by
record: it takes what is merely unusual, and finds the place of what is wrong.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from wattrain_worker.data.readers.content import demand_text, end_of_line, line_at, told_by_beginning
from wattrain_worker.data.readers.csv_header import Header, demand_names
from wattrain_worker.data.readers.csv_regular import read_regular
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_CHUNK_ROWS: Final = 65_536
Records: TypeAlias = "Iterator[tuple[int, int, list[str]]]"


def read_csv(content: bytes) -> Table:
    """The table in the CSV file `content`; its first line that is not blank names the columns.

    BadData, with the line, where it is no text in UTF-8, or a record is not whole.
    """
    if content and (what := told_by_beginning(content)) is not None:
        raise BadData(f"data: not a CSV file: {what}")
    content = content.removeprefix(codecs.BOM_UTF8)
    demand_text(content, "the CSV file")
    with fields_of_any_length():
        header = header_of(content)
        body = content[end_of_line(content, header.last_line) :]
        regular = read_regular(body, header.names, header.last_line)
        frame, places = regular if regular is not None else _read_slowly(content, header)
    return Table(frame, places, "line", default_label=None)


@contextmanager
def fields_of_any_length() -> Iterator[None]:
    """While this lasts, the csv module takes them."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def header_of(content: bytes) -> Header:
    """The first record that is not blank. BadData where that names no columns."""
    records = (record for record in _records(content) if any(cell.strip() for cell in record[2]))
    first = next(records, None)
    if first is None:
        raise BadData("data: the file is empty; give a CSV file whose first line names the columns")
    first_line, last_line, names = first
    second = next(records, None) if names[0].lstrip().startswith("#") else None
    header = Header(first_line, last_line, [name.strip() for name in names])
    demand_names(header, fields_below=len(second[2]) if second is not None else None)
    return header


def _records(content: bytes) -> Records:
    """First line, last line and values of every record, blank ones included."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    lines = csv.reader(text, strict=True)
    while True:
        first_line = lines.line_num + 1
        try:
            record = next(lines, None)
        except csv.Error as error:
            _refuse_record(content, first_line, lines.line_num, error)
        if record is None:
            return
        yield first_line, lines.line_num, record


def _refuse_record(content: bytes, first_line: int, last_line: int, error: csv.Error) -> NoReturn:
    if "unexpected end of data" in str(error):
        line = _open_quote_line(content[end_of_line(content, first_line - 1) if first_line > 1 else 0 :], first_line)
        raise BadData(
            f"data: line {line}: not CSV: a quote opens here and never closes; close it, or remove it (inside a value "
            'it is doubled: "")'
        ) from error
    begun = f", in a quoted value that may have begun in line {first_line}" if first_line < last_line else ""
    raise BadData(
        f'data: line {last_line}: not CSV ({error}){begun}; mend the quotes (a quote inside a value is doubled: "")'
    ) from error


def _open_quote_line(record: bytes, first_line: int) -> int:
    """The line where the quote opened that is open at the end of `record`, which begins in `first_line`."""
    quotes = [match.start() for match in re.finditer(b'"', record)]
    return first_line + line_at(record, quotes[_last_opening(record, quotes)]) - 1


def _last_opening(record: bytes, quotes: list[int]) -> int:
    """Index into `quotes` of the one that opened a value last."""
    is_open, opening, i = False, 0, 0
    while i < len(quotes):
        at = quotes[i]
        if not is_open and (at == 0 or record[at - 1 : at] in (b",", b"\n", b"\r")):
            is_open, opening = True, i
        elif is_open and record[at + 1 : at + 2] == b'"':
            i += 1  # a doubled quote is one of the value's
        elif is_open:
            is_open = False
        i += 1
    return opening


def _read_slowly(content: bytes, header: Header) -> tuple[pl.DataFrame, npt.NDArray[np.int64]]:
    read = list(frames_of(_records(content), header))
    if not read:
        return pl.DataFrame(), np.zeros(0, np.int64)
    return pl.concat([frame for frame, _ in read]), np.concatenate([lines for _, lines in read])


def frames_of(records: Records, header: Header) -> Iterator[tuple[pl.DataFrame, npt.NDArray[np.int64]]]:
    """The rows among `records`, as strings, and their lines, `_CHUNK_ROWS` at a time."""
    for rows, lines in _chunks(records, header):
        columns = zip(*rows, strict=True)
        series = [pl.Series(name, cells, dtype=pl.String) for name, cells in zip(header.names, columns, strict=True)]
        yield pl.DataFrame(series), np.array(lines, np.int64)


def _chunks(records: Records, header: Header) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Rows and their lines, `_CHUNK_ROWS` at a time, so that a big file is not held as Python strings."""
    rows: list[list[str]] = []
    places: list[int] = []
    for first_line, last_line, record in records:
        if last_line <= header.last_line or (len(header.names) > 1 and _is_blank(record)):
            continue  # the header and what is above it
        row = record or [""]
        if len(row) != len(header.names):
            _refuse_length(first_line, last_line, row, header)
        rows.append(row)
        places.append(last_line)
        if len(rows) == _CHUNK_ROWS:
            yield rows, places
            rows, places = [], []
    if rows:
        yield rows, places


def _is_blank(record: list[str]) -> bool:
    return len(record) < 2 and not "".join(record).strip()


def _refuse_length(first_line: int, last_line: int, row: list[str], header: Header) -> NoReturn:
    if row[0].lstrip().startswith("#"):
        raise BadData(
            f"data: line {first_line}: {row[0][:60]!r} looks like a comment, which CSV has not; remove the line"
        )
    begun = f", in a record that begins in line {first_line} (a quote that does not close?)" * (first_line < last_line)
    values = f"{len(row)} value{'s' * (len(row) > 1)}"
    remedy = "a text with commas needs quotes, and a number a point before its decimals"
    if len(row) == len(header.names) + 1 and not row[-1].strip():
        remedy = "remove the comma at its end"
    raise BadData(
        f"data: line {last_line}: {values}{begun}, but {len(header.names)} columns are named in line "
        f"{header.last_line}; mend the line ({remedy})"
    )
