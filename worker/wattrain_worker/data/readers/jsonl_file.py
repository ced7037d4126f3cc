"""JSON lines: an object a line, whose fields are the columns.

Each value is taken as the line writes it, as text: so a table means the same as CSV and as JSON lines.
"""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import numpy as np
import polars as pl

from wattrain_worker.data.readers.content import demand_text, told_by_beginning
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_CHUNK_ROWS: Final = 65_536
_Row = dict[str, Any]


class _TwiceError(ValueError):
    """An object that has a field twice."""


def read_jsonl(content: bytes) -> Table:
    """The table in `content`. A field that an object has not is a missing value.

    BadData, with the line and the field, where one is no object of plain values.
    """
    content = content.removeprefix(codecs.BOM_UTF8)
    demand_text(content, "the file")
    frames, places = [], []
    for lines, rows in _chunks(content):
        names = dict.fromkeys(name for row in rows for name in row)
        frames.append(pl.DataFrame([_column(name, rows, lines) for name in names]))
        places += lines
    frame = pl.concat(frames, how="diagonal") if frames else pl.DataFrame()
    if places and not frame.width:
        raise BadData(f"data: line {places[0]}: an object without fields, as all others; give each its columns")
    return Table(frame, np.array(places, np.int64), "line", default_label=None)


def _chunks(content: bytes) -> Iterator[tuple[list[int], list[_Row]]]:
    """Lines and their objects, so many at a time that a big file is not held as Python objects."""
    decode = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_fields).decode
    lines, rows = list[int](), list[_Row]()
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line or line.isspace():
            continue
        try:
            row = decode(line.decode())
        except (ValueError, RecursionError) as error:
            _refuse_line(content, number, error, is_first=not lines)
        if not isinstance(row, dict):
            raise BadData(f'data: line {number}: no object; write one a line, as {{"column": value}}')
        lines.append(number)
        rows.append(row)
        if len(rows) == _CHUNK_ROWS:
            yield lines, rows
            lines, rows = [], []
    if rows:
        yield lines, rows


def _fields(pairs: list[tuple[str, Any]]) -> _Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise _TwiceError(Counter(name for name, _ in pairs).most_common(1)[0][0])
    return row


def _refuse_line(content: bytes, number: int, error: Exception, *, is_first: bool) -> NoReturn:
    if isinstance(error, _TwiceError):
        raise BadData(f'data: line {number}: the field "{error}" is there twice; keep one of them') from error
    if is_first and content.lstrip()[:1] in (b"[", b"{"):
        what = "a list of objects" if content.lstrip()[:1] == b"[" else "an object over several lines"
        remedy = "write an object a line, as jq -c '.[]' does" if what.startswith("a list") else "write it in one line"
        raise BadData(f"data: line {number}: {what}, or no JSON ({_reason(error)}); {remedy}") from error
    if is_first and (told := told_by_beginning(content)) is not None:
        raise BadData(f"data: no JSON lines: {told}") from error
    raise BadData(
        f"data: line {number}: no JSON ({_reason(error)}); mend the line, which is to be an object"
    ) from error


def _reason(error: Exception) -> str:
    return f"{error.msg}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "too many brackets"


def _column(name: str, rows: list[_Row], lines: list[int]) -> pl.Series:
    values = [row.get(name) for row in rows]
    if not name:
        where = next(line for line, row in zip(lines, rows, strict=True) if "" in row)
        raise BadData(f"data: line {where}: a field without a name; name it")
    try:
        return pl.Series(name, values, dtype=pl.String, strict=True)
    except (TypeError, UnicodeEncodeError, pl.exceptions.PolarsError):  # truths, or what no table has
        texts = [_text(name, value, line) for value, line in zip(values, lines, strict=True)]
        return pl.Series(_encodable(name, name, lines[0]), texts, dtype=pl.String)


def _text(name: str, value: Any, line: int) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else _encodable(value, name, line)
    if isinstance(value, bool):
        return str(value).lower()
    what = "an object" if isinstance(value, dict) else "a list"
    raise BadData(
        f'data: line {line}, field "{name}": {what}, which no table has; give each value a field of its own, or remove '
        "the field"
    )


def _encodable(text: str, name: str, line: int) -> str:
    """JSON may hold half of a surrogate pair, which is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadData(
            f"data: line {line}, field {name!a}: \\u{ord(text[error.start]):04x} is half of a character; write the "
            "whole pair"
        ) from error
    return text
