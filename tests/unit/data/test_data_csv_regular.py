"""The fast reader of CSV takes values and lines as the csv module does, or leaves a file to it."""

from __future__ import annotations

import csv
import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.data.readers import csv_file, csv_regular
from wattrain_worker.data.readers.csv_file import read_csv
from wattrain_worker.data.table import Table
from wattrain_worker.errors import BadData

PIECES = st.sampled_from(
    ["1", "2.5", "x", '"', '""', ",", ",", "\n", "\n", "\r\n", "\r", " ", "#", "é", '"a,b"', '"a\nb"', "\t"]
)


def slowly(text: str) -> Table:
    content = text.encode()
    frame, places = csv_file._read_slowly(content, csv_file.header_of(content))
    return Table(frame, places, "line", None)


def outcome(read: object, text: str) -> object:
    try:
        table = read(text)  # type: ignore[operator]
    except BadData as error:
        return str(error)
    frame = table.frame.fill_null("")
    return (frame.rows(), table.places.tolist()) if frame.height else "no rows"


@given(st.sampled_from(["a\n", "a,b\n", "a,b,c\r\n", '"a\nb",c\n']), st.lists(PIECES, max_size=30).map("".join))
def test_any_text_is_read_as_the_csv_module_reads_it_or_refused_alike(header: str, body: str) -> None:
    assert outcome(lambda text: read_csv(text.encode()), header + body) == outcome(slowly, header + body)


@pytest.mark.parametrize("block_bytes", [1, 5, 1 << 25])
@pytest.mark.parametrize(
    "body",
    [
        "1,2\n3,4\n",
        "1,2\r\n3,4",
        "1,2\n\n\n3,4\n\n",
        '"1","2"\n"x, ""y""","4"\n',
        '"a\nb",2\n3,4\n,""\n',
        "1,2\r3,4\r",
    ],
)
def test_what_is_common_is_read_fast_whatever_the_blocks(
    monkeypatch: pytest.MonkeyPatch, body: str, block_bytes: int
) -> None:
    monkeypatch.setattr(csv_regular, "_BLOCK_BYTES", block_bytes)
    found = csv_regular.read_regular(body.encode(), ["a", "b"], 1)
    assert found is not None
    frame, places = found
    records = [row for row in csv.reader(io.StringIO(body, newline="")) if row]
    assert [list(row) for row in frame.fill_null("").rows()] == records
    assert places.tolist() == slowly("a,b\n" + body).places.tolist()


@pytest.mark.parametrize("body", ["1\n", "1,2,3\n", "1,2,3\n4\n", '1,a"b"\n', '1,"a"b\n', '1,"a\n', '"a\r\nb",1\n'])
def test_what_is_unusual_is_left_to_the_slow_reader(body: str) -> None:
    assert csv_regular.read_regular(body.encode(), ["a", "b"], 1) is None


def test_a_long_record_does_not_make_up_for_a_short_one() -> None:
    block = np.frombuffer(b"1\n1,2,3\n", np.uint8)
    assert csv_regular._rows(block, 2) is None


def test_values_are_taken_to_the_letter() -> None:
    cells = [" 1 ", "NA", "null", "#x", "1_000", "é", "a'b", "\\", "\\n", "true", "2026-01-01", "\t", "'"]
    table = read_csv(("a,b\n" + "".join(f"{cell},0\n" for cell in cells)).encode())
    assert table.frame["a"].to_list() == cells
    assert table.frame.dtypes == [pl.String, pl.String]
