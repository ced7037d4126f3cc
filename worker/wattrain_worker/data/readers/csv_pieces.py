"""CSV files of which memory holds a piece at a time. A regular piece is read by `csv_regular`; from the first other one
on the csv module reads record by record, as it does with a file that memory holds."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from wattrain_worker.data.blocks_in_order import InOrder, one_by_one
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.readers.content import demand_text, end_of_line, told_by_beginning
from wattrain_worker.data.readers.csv_file import (
    Records,
    fields_of_any_length,
    frames_of,
    header_of,
)
from wattrain_worker.data.readers.csv_header import Header
from wattrain_worker.data.readers.csv_regular import read_regular
from wattrain_worker.data.stored_columns import Piece
from wattrain_worker.errors import BadData

_WHAT: Final = "the CSV file"
_BOM: Final = b"\xef\xbb\xbf"
_HEAD_BYTES: Final = 1 << 20
_LONGEST_VALUE: Final = 64 << 20
"""A longer one is a quote that does not close."""
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")


def read_csv_pieces(source: LargeFile, piece_bytes: int, in_order: InOrder = one_by_one) -> Iterator[Piece]:
    """The rows, about `piece_bytes` of the file at a time, as strings. BadData, as `read_csv`."""
    head = source.bytes[:_HEAD_BYTES]
    if b"\n" not in head:
        head = source.bytes[:_LONGEST_VALUE]
    if (what := told_by_beginning(head)) is not None:
        raise BadData(f"data: not a CSV file: {what}")
    begin = len(_BOM) if head.startswith(_BOM) else 0
    demand_text(head[begin : head.rfind(b"\n") + 1], _WHAT)
    with fields_of_any_length():
        header = header_of(head[begin:])
    return _pieces(source, begin + end_of_line(head[begin:], header.last_line), header, piece_bytes, in_order)


class _Cut(NamedTuple):
    """A piece of the file as it is, and what is above it."""

    content: bytes
    names: list[str]
    lines_before: int


def _pieces(source: LargeFile, position: int, header: Header, piece_bytes: int, in_order: InOrder) -> Iterator[Piece]:
    reached = _Reached(position, header.last_line)
    for end, cut_lines, regular in _regular_pieces(source, reached, header, piece_bytes, in_order):
        if regular is None:
            break
        yield regular
        reached = _Reached(end, cut_lines)
    if reached.position < len(source):
        yield from _slow_pieces(source, reached.position, header, reached.lines)


class _Reached(NamedTuple):
    """How far a file is read: bytes and lines."""

    position: int
    lines: int


def _regular_pieces(
    source: LargeFile, reached: _Reached, header: Header, piece_bytes: int, in_order: InOrder
) -> Iterator[tuple[int, int, Piece | None]]:
    """Of each piece that can be cut off: where it ends, how many lines are above that, and what is in it."""
    ends = deque[_Reached]()

    def cuts() -> Iterator[_Cut]:
        position, lines = reached
        while position < len(source) and (end := _end_of_piece(source, position, piece_bytes)) is not None:
            content, lines_before = source.bytes[position:end], lines
            position, lines = end, lines + _lines_in(content)
            ends.append(_Reached(position, lines))
            yield _Cut(content, header.names, lines_before)

    for regular in in_order(_read_cut, cuts()):
        yield *ends.popleft(), regular


def _read_cut(cut: _Cut) -> Piece | None:
    demand_text(cut.content, _WHAT, cut.lines_before)
    return read_regular(cut.content, cut.names, cut.lines_before)


def _end_of_piece(source: LargeFile, start: int, piece_bytes: int) -> int | None:
    """Behind a newline at which no quote is open; None: there is none for so long that the file is not regular."""
    end = min(start + piece_bytes, len(source))
    quotes = source.bytes[start:end].count(b'"')
    while end < len(source):
        following = source.bytes.find(b"\n", end) + 1 or len(source)
        if following - start > 2 * piece_bytes + _LONGEST_VALUE:
            return None
        quotes += source.bytes[end:following].count(b'"')
        end = following
        if quotes % 2 == 0:
            break
    return end


def _lines_in(piece: bytes) -> int:
    newlines = piece.count(b"\n")
    if b"\r" in piece and piece.count(b"\r") != piece.count(b"\r\n"):
        return sum(1 for _ in _LINE_END.finditer(piece))
    return newlines


def _slow_pieces(source: LargeFile, position: int, header: Header, lines: int) -> Iterator[Piece]:
    if (nul := source.bytes.find(b"\0", position)) >= 0:
        raise BadData(f"data: byte {nul}: a NUL, which no text has; export the file anew, as CSV in UTF-8")
    with io.TextIOWrapper(source.opened_at(position), encoding="utf-8", newline="") as text:
        yield from frames_of(_records(text, lines), header)


def _records(text: io.TextIOWrapper, lines_before: int) -> Records:
    reader, limit = csv.reader(text, strict=True), csv.field_size_limit()
    while True:
        first_line = reader.line_num + 1
        csv.field_size_limit(_LONGEST_VALUE)
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise BadData(
                f"data: not CSV ({error}) in the record that begins in line {lines_before + first_line}; mend "
                'its quotes (a quote inside a value is doubled: "")'
            ) from error
        except UnicodeDecodeError as error:
            line = lines_before + first_line
            raise BadData(f"data: behind line {line}: not UTF-8; save the CSV file as UTF-8") from error
        finally:
            csv.field_size_limit(limit)
        if record is None:
            return
        yield lines_before + first_line, lines_before + reader.line_num, record
