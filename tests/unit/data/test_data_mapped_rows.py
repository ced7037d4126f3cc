"""Pages of rows that are asked for before they are read."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from wattrain_worker.data import mapped_rows
from wattrain_worker.data.mapped_rows import MappedRows, RandomRows
from wattrain_worker.data.samples import as_rows
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.shard_file import Tensors, verified_tensors, write_tensors
from wattrain_worker.data.stored_columns import PartInFile

PAGE = 4096
ROWS = 2000
Asked = list[tuple[int, int]]


@pytest.fixture
def tensors(tmp_path: Path) -> Tensors:
    """2,000 rows of a page and a half each, and labels of which a page has 512; nothing of them in memory."""
    path = tmp_path / "train.safetensors"
    content = {"features": np.zeros((ROWS, 3 * PAGE // 8), np.float32), "labels": np.arange(ROWS, dtype=np.int64)}
    found = verified_tensors(path, write_tensors(path, content))
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return found


@pytest.fixture
def pages_read(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the system says to have read, as a test would have it."""
    used = SimpleNamespace(ru_inblock=0, ru_majflt=0)
    monkeypatch.setattr(mapped_rows.resource, "getrusage", lambda who: used)
    return used


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Stretches that the kernel is asked for from now on: where each begins in its file, and ends."""
    found: Asked = []
    monkeypatch.setattr(MappedRows, "_advise", lambda self, advice, start, end: found.append((start, end)))
    return found


def where(tensors: Tensors, name: str, row: int) -> tuple[int, int]:
    """In the file."""
    owner = tensors[name].base
    while isinstance(owner, np.ndarray):
        owner = owner.base
    values = tensors[name][row : row + 1]
    begin = values.ctypes.data - np.frombuffer(owner, np.uint8).ctypes.data
    return begin, begin + values.nbytes


def test_each_page_of_a_row_is_asked_for_once(tensors: Tensors, asked: Asked) -> None:
    rows = RandomRows(tensors)
    asked.clear()
    assert rows.ask_for(np.array([7, 3, 4, 1500])) == len(asked) == 6  # a stretch a row; labels 3, 4, 7 share a page
    for name in tensors:
        for begin, end in (where(tensors, name, row) for row in (3, 4, 7, 1500)):
            assert any(start <= begin and end <= stop <= end + PAGE for start, stop in asked if start > begin - PAGE)


def test_rows_that_memory_holds_are_soon_not_asked_for_any_more(tensors: Tensors, pages_read: SimpleNamespace) -> None:
    rows = RandomRows(tensors)
    assert [rows.ask_for(np.array([1])) for _ in range(20)] == [2] * 16 + [0] * 4
    pages_read.ru_majflt += 1  # a page was not there when it was touched
    assert rows.ask_for(np.array([1])) == 2
    pages_read.ru_inblock += 8  # what was asked for had to be read
    assert [rows.ask_for(np.array([1])) for _ in range(20)] == [2] * 17 + [0] * 3


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="this system counts for whole processes alone")
def test_the_system_counts_what_is_read_because_it_was_asked_for(tensors: Tensors) -> None:
    rows = RandomRows(tensors)
    before = resource.getrusage(resource.RUSAGE_THREAD)
    rows.ask_for(np.arange(0, ROWS, 20))
    assert tensors["labels"][::20].sum() == sum(range(0, ROWS, 20))
    assert tensors["features"][::20].sum() == 0
    after = resource.getrusage(resource.RUSAGE_THREAD)
    if after.ru_inblock == before.ru_inblock:
        pytest.skip("the file system of the temporary folder has no disk, or counts no reads")
    assert after.ru_majflt - before.ru_majflt < 100  # 200 pages and more, had each been waited for alone


def test_rows_in_memory_and_batches_without_rows_ask_for_nothing(tensors: Tensors) -> None:
    assert RandomRows(tensors).ask_for(np.array([], np.int64)) == 0
    assert RandomRows({"features": np.zeros((3, 4), np.float32)}).ask_for(np.array([1])) == 0


def test_columns_in_files_are_asked_for_a_block_of_rows_before_it_is_read(tmp_path: Path, asked: Asked) -> None:
    scratch, rows = Scratch(tmp_path), 9000
    columns = [scratch.empty((rows,), np.float64) for _ in range(3)]
    for number, values in enumerate(columns):
        values[:] = np.arange(rows) + number
    found = as_rows(columns, scratch)
    assert (found == np.arange(rows)[:, None] + np.arange(3)).all()
    of_blocks = [(8 * start, 8 * (start + 4096)) for start in range(0, rows, 4096) for _ in columns]
    assert asked == [(0, 8 * rows)] * 3 + of_blocks


def test_of_a_part_in_a_file_the_column_that_is_wanted_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = pl.DataFrame({f"x{number}": [f"{number}.{row}" for row in range(2000)] for number in range(20)})
    part = PartInFile(frame, tmp_path, {})
    read, pread = list[int](), os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, start: read.append(size) or pread(file, size, start))
    assert part.column("x7").equals(frame["x7"])
    assert sum(read) < os.fstat(part._descriptor).st_size / 10


def test_a_part_has_nothing_but_missing_values_of_columns_that_come_up_in_later_parts(tmp_path: Path) -> None:
    numbers: dict[str, int] = {}
    first = PartInFile(pl.DataFrame({"a": [1, 2]}), tmp_path, numbers)
    second = PartInFile(pl.DataFrame({"late": [3], "a": [4], "later": [5], "last": [6]}), tmp_path, numbers)
    assert {name: first.column(name).to_list() for name in numbers} == {
        "a": [1, 2], "late": [None, None], "later": [None, None], "last": [None, None]
    }  # fmt: skip
    assert {name: second.column(name).to_list() for name in numbers} == {
        "a": [4],
        "late": [3],
        "later": [5],
        "last": [6],
    }
