"""The effort of a preparation grows with the table's columns, and not with their square. Counted, not timed."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from typing import Any

import polars as pl
import pytest

from wattrain_worker.data.readers.csv_header import Header, demand_names


class CountedName(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        CountedName.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def effort(bench: Any, monkeypatch: pytest.MonkeyPatch, columns: int) -> Counter[str]:
    """Calls of Python functions, and looks at all columns of a frame at once, in preparing a table of `columns`."""
    names = [f"x{i}" for i in range(columns)]
    rows = [",".join(str((i * 7 + j * 3) % 11) for j in range(columns)) + f",{i % 2}" for i in range(60)]
    path = bench.write("\n".join([",".join([*names, "kind"]), *rows, ""]), f"{columns}.csv")
    counted: Counter[str] = Counter()

    def count(what: str, original: Any, *arguments: Any) -> Any:
        counted[what] += 1
        return original(*arguments)

    def count_call(frame: object, event: str, argument: object) -> None:
        counted["calls"] += event == "call"

    with monkeypatch.context() as patched:
        names_of = functools.partial(count, "whole frame", pl.DataFrame.columns.fget)
        patched.setattr(pl.DataFrame, "columns", property(lambda frame: names_of(frame)))
        for lookup in ("__getitem__", "get_column", "get_columns"):
            original = getattr(pl.DataFrame, lookup)
            patched.setattr(pl.DataFrame, lookup, functools.partialmethod(_counted, counted, original))
        sys.setprofile(count_call)
        try:
            bench.prepare(path, into=str(columns), label="kind")
        finally:
            sys.setprofile(None)
    return counted


def _counted(frame: pl.DataFrame, counted: Counter[str], original: Any, *arguments: Any) -> Any:
    counted["whole frame"] += 1
    return original(frame, *arguments)


def test_twice_the_columns_are_at_most_twice_the_work(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    effort(bench, monkeypatch, 10)  # what is done once in a process is done here
    few, more, most = (effort(bench, monkeypatch, columns) for columns in (20, 40, 80))
    assert most["calls"] - more["calls"] <= 2.2 * (more["calls"] - few["calls"])
    assert few["whole frame"] == more["whole frame"] == most["whole frame"] > 0


def test_names_are_compared_once_each() -> None:
    names = [CountedName(f"x{i}") for i in range(500)]
    CountedName.comparisons = 0
    demand_names(Header(1, 1, list(names)), None)
    assert CountedName.comparisons <= 2 * len(names)
