"""Regular CSV, fast: the structure is checked in whole arrays of bytes, and polars takes the values out.

polars alone is not strict: it takes a blank or a torn line for missing values, and quotes inside a value as it likes.
So it is given only what was found to be regular, on which it and the csv module agree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

_BLOCK_BYTES: Final = 1 << 20
"""Bytes that are checked at a time: the positions of their commas need several times as much memory, and stay in a
processor's cache (half the time of blocks of 32 MiB)."""
_NEWLINE, _COMMA, _QUOTE = b'\n,"'
_Bytes: TypeAlias = npt.NDArray[np.uint8]
_Positions: TypeAlias = npt.NDArray[np.int64]


def read_regular(body: bytes, names: list[str], lines_before: int) -> tuple[pl.DataFrame, npt.NDArray[np.int64]] | None:
    """All columns as strings (null: empty), and the last line of each row, from the records below the header.

    None where anything is unusual. `lines_before`: lines above `body`.
    """
    plain = _with_newlines_alone(body)
    if plain is None:
        return None
    places, pieces = [np.zeros(0, np.int64)], []
    for start, end in _blocks(plain):
        block = np.frombuffer(plain, np.uint8, end - start, start)
        rows = _rows(block, len(names))
        if rows is None:
            return None
        places.append(rows.lines + lines_before)
        pieces.append(np.delete(block, rows.blank).tobytes() if len(rows.blank) else memoryview(plain)[start:end])
        lines_before += rows.newlines
    frame = _values(plain if all(isinstance(piece, memoryview) for piece in pieces) else b"".join(pieces), names)
    lines = np.concatenate(places)
    return (frame, lines) if frame is not None and frame.shape == (len(lines), len(names)) else None


def _with_newlines_alone(body: bytes) -> bytes | None:
    """`body` with every line ended by a newline. None where a line end inside a value would be changed by that."""
    if b"\r" in body:
        quoted = b'"' in body
        body = body.replace(b"\r\n", b"\n")
        if quoted and (b"\r" in body or _has_newline_in_quotes(body)):
            return None
        body = body.replace(b"\r", b"\n")
    return body if not body or body.endswith(b"\n") else body + b"\n"


def _has_newline_in_quotes(body: bytes) -> bool:
    """Whether a newline stands behind an odd number of quotes."""
    array = np.frombuffer(body, np.uint8)
    quotes, newlines = np.flatnonzero(array == _QUOTE), np.flatnonzero(array == _NEWLINE)
    return bool((np.searchsorted(quotes, newlines) % 2).any())


def _blocks(body: bytes) -> Iterator[tuple[int, int]]:
    """Begin and end of parts of about `_BLOCK_BYTES`, cut behind newlines at which no quote is open."""
    start = 0
    while start < len(body):
        end = body.find(b"\n", min(start + _BLOCK_BYTES, len(body) - 1)) + 1
        quotes = body.count(b'"', start, end)
        while quotes % 2 and end < len(body):
            following = body.find(b"\n", end) + 1
            quotes += body.count(b'"', end, following)
            end = following
        yield start, end
        start = end


@dataclass(frozen=True)
class _Rows:
    """What a block holds."""

    lines: _Positions
    """[rows]: the line that each row ends in; the block's first line is 1."""
    blank: _Positions
    """Positions of the newlines of blank lines, which are no rows."""
    newlines: int
    """All of them, those in quotes included."""


def _rows(block: _Bytes, columns: int) -> _Rows | None:
    """The rows of `block`, which ends with a newline. None where one is irregular."""
    newlines, commas, quotes = (np.flatnonzero(block == byte) for byte in (_NEWLINE, _COMMA, _QUOTE))
    if len(quotes) and not _are_regular(quotes, block):
        return None
    ends = _outside(newlines, quotes)
    commas = _outside(commas, quotes)
    starts = np.concatenate([[0], ends[:-1] + 1])
    blank = ends[starts == ends] if columns > 1 else ends[:0]  # in a table of one column it is an empty value
    lines = np.arange(1, len(newlines) + 1)
    if len(ends) < len(newlines):
        lines = np.searchsorted(newlines, ends) + 1
    if len(blank):
        full = starts < ends
        starts, ends, lines = starts[full], ends[full], lines[full]
    if len(commas) != (columns - 1) * len(ends):
        return None
    if columns > 1:
        grid = commas.reshape(len(ends), columns - 1)
        if (grid[:, 0] < starts).any() or (grid[:, -1] > ends).any():
            return None
    return _Rows(lines, blank, len(newlines))


def _outside(positions: _Positions, quotes: _Positions) -> _Positions:
    """Those of `positions` that no value in quotes holds."""
    return positions[np.searchsorted(quotes, positions) % 2 == 0] if len(quotes) else positions


def _are_regular(quotes: _Positions, block: _Bytes) -> bool:
    """Whether every quote opens a value, closes it, or is one of two that stand for one inside it."""
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    doubled = opening[1:] == closing[:-1] + 1
    before = block[opening - 1]  # at 0 the last one of the block, which is a newline
    after = block[closing + 1]
    opens = (before == _COMMA) | (before == _NEWLINE)
    closes = (after == _COMMA) | (after == _NEWLINE)
    opens[1:] |= doubled
    closes[:-1] |= doubled
    return bool(opens.all() and closes.all())


def _values(body: bytes, names: list[str]) -> pl.DataFrame | None:
    if not body:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    try:
        return pl.read_csv(body, has_header=False, schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError:
        return None
