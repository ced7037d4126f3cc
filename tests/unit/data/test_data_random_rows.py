"""Pages of rows that are asked for before they are read."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wattrain_worker.data import random_rows
from wattrain_worker.data.random_rows import RandomRows
from wattrain_worker.data.shard_file import MappedTensors, verified_tensors, write_tensors

PAGE = 4096
ROWS = 2000


@pytest.fixture
def mapped(tmp_path: Path) -> MappedTensors:
    """2,000 rows of a page and a half each, and labels of which a page has 512; nothing of them in memory."""
    path = tmp_path / "train.safetensors"
    tensors = {"features": np.zeros((ROWS, 3 * PAGE // 8), np.float32), "labels": np.arange(ROWS, dtype=np.int64)}
    entry = write_tensors(path, tensors)
    found = verified_tensors(path, entry)
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return found


@pytest.fixture
def pages_read(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What the system says to have read, as a test would have it."""
    used = SimpleNamespace(ru_inblock=0, ru_majflt=0)
    monkeypatch.setattr(random_rows.resource, "getrusage", lambda who: used)
    return used


def advised(rows: RandomRows, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(rows, "_advise", lambda advice, start, length: asked.append((start, length)))
    return asked


def test_each_page_of_a_row_is_asked_for_once(mapped: MappedTensors, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = RandomRows(mapped)
    asked = advised(rows, monkeypatch)
    assert rows.ask_for(np.array([7, 3, 4, 1500])) == len(asked) == 6  # a stretch a row; labels 3, 4, 7 share a page
    base = np.frombuffer(mapped.mapping, np.uint8).ctypes.data
    for name in mapped.tensors:
        for row in (3, 4, 7, 1500):
            values = mapped.tensors[name][row : row + 1]
            begin = values.ctypes.data - base
            assert any(start <= begin and begin + values.nbytes <= start + length for start, length in asked), name
    assert all(start % PAGE == 0 for start, _ in asked)


def test_rows_that_memory_holds_are_soon_not_asked_for_any_more(
    mapped: MappedTensors, pages_read: SimpleNamespace
) -> None:
    rows = RandomRows(mapped)
    asked = [rows.ask_for(np.array([1])) for _ in range(20)]
    assert asked == [2] * 16 + [0] * 4
    pages_read.ru_majflt += 1  # a page was not there when it was touched
    assert rows.ask_for(np.array([1])) == 2
    pages_read.ru_inblock += 8  # what was asked for had to be read
    assert [rows.ask_for(np.array([1])) for _ in range(20)] == [2] * 17 + [0] * 3


def test_the_system_counts_what_is_read_because_it_was_asked_for(mapped: MappedTensors, tmp_path: Path) -> None:
    rows = RandomRows(mapped)
    before = resource.getrusage(resource.RUSAGE_SELF)
    rows.ask_for(np.arange(0, ROWS, 20))
    assert mapped.tensors["labels"][::20].sum() == sum(range(0, ROWS, 20))
    assert mapped.tensors["features"][::20].sum() == 0
    after = resource.getrusage(resource.RUSAGE_SELF)
    if after.ru_inblock == before.ru_inblock:
        pytest.skip("the file system of the temporary folder has no disk, or counts no reads")
    assert after.ru_majflt - before.ru_majflt < 20  # of 100 rows none was waited for alone


def test_a_batch_without_rows_asks_for_nothing(mapped: MappedTensors) -> None:
    assert RandomRows(mapped).ask_for(np.array([], np.int64)) == 0
