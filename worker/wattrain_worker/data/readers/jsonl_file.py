"""JSON lines: an object a line, whose fields are the columns.

Each value is taken as the line writes it, as text: so a table means the same as CSV and as JSON lines.
"""

from __future__ import annotations

import codecs
import json
import mmap
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, NoReturn

import numpy as np
import polars as pl

from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.readers.content import demand_text, told_by_beginning
from wattrain_worker.data.stored_columns import Piece
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

_CUT_BYTES: Final = 1 << 20
"""Of a file, that are Python objects at a time."""
_LONGEST_LINE: Final = 64 << 20
_Row = dict[str, Any]


class _TwiceError(ValueError):
    """An object that has a field twice."""


def read_jsonl(content: bytes) -> Table:
    """The table in `content`. A field that an object has not is a missing value.

    BadData, with the line and the field, where one is no object of plain values.
    """
    read = [_rows_of(lines) for lines in _cuts(content)]
    frame = pl.concat([frame for frame, _ in read], how="diagonal") if read else pl.DataFrame()
    places = np.concatenate([np.zeros(0, np.int64), *(places for _, places in read)])
    return Table(frame, places, "line", default_label=None)


def read_jsonl_pieces(source: LargeFile, in_order: InOrder = one_by_one) -> Iterator[Piece]:
    """The rows of a file that memory does not hold, some at a time, with the columns that these have. BadData, as
    `read_jsonl`."""
    return in_order(_rows_of, _cuts(source.bytes))


class _Lines(NamedTuple):
    """Some whole lines of a file."""

    content: bytes
    lines_before: int
    are_first: bool
    """Whether nothing but blank lines is above."""


def _cuts(content: bytes | mmap.mmap) -> Iterator[_Lines]:
    """The lines of a file, so many at a time that it is not held as Python objects."""
    position = len(codecs.BOM_UTF8) if content[: len(codecs.BOM_UTF8)] == codecs.BOM_UTF8 else 0
    lines_before, are_first = 0, True
    while position < len(content):
        end = content.find(b"\n", min(position + _CUT_BYTES, len(content) - 1), position + _LONGEST_LINE) + 1
        if not end and len(content) - position > _LONGEST_LINE:
            _refuse_long_line(content[position : position + _CUT_BYTES], lines_before)
        lines = content[position : end or len(content)]
        yield _Lines(lines, lines_before, are_first)
        position, lines_before = position + len(lines), lines_before + lines.count(b"\n")
        are_first = are_first and lines.isspace()


def _refuse_long_line(beginning: bytes, lines_before: int) -> NoReturn:
    number = 1 + lines_before + beginning.count(b"\n")
    what = (
        "a list of objects"
        if beginning.rpartition(b"\n")[2].lstrip()[:1] == b"["
        else f"longer than {_LONGEST_LINE >> 20} MiB"
    )
    raise BadData(f"data: line {number}: {what}; write an object a line, as jq -c '.[]' does")


def _rows_of(lines: _Lines) -> Piece:
    """The fields of all objects in `lines` as columns of strings."""
    demand_text(lines.content, "the file", lines.lines_before)
    decode = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_fields).decode
    numbers, rows = list[int](), list[_Row]()
    for number, line in enumerate(lines.content.split(b"\n"), start=lines.lines_before + 1):
        if not line or line.isspace():
            continue
        try:
            row = decode(line.decode())
        except (ValueError, RecursionError) as error:
            _refuse_line(lines.content, number, error, is_first=lines.are_first and not rows)
        if not isinstance(row, dict):
            raise BadData(f'data: line {number}: no object; write one a line, as {{"column": value}}')
        numbers.append(number)
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    if rows and not names:
        raise BadData(
            f"data: line {numbers[0]}: an object without fields, as the others below it; give each its columns"
        )
    return pl.DataFrame([_column(name, rows, numbers) for name in names]), np.array(numbers, np.int64)


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
