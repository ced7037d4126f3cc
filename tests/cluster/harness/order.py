"""In which order tests run: the long ones first in every process, so that at the end there are short ones to share.

`--dist worksteal` gives each process a part of the tests, one after the other as they are collected, and one that is
through takes the second half of what another has left, but never its last two. So each part begins with its share of
the tests before real clusters, of trainings and of walks, and ends with unit tests: were two long ones the last of a
process, the others would wait for it. Every second part goes through its share backwards, so that walks, which need a
core alone, run beside tests that wait for a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Protocol, TypeVar

import pytest

SHORT = "tests/unit/"


class _Test(Protocol):
    """A test that has been collected."""

    @property
    def nodeid(self) -> str: ...


Test = TypeVar("Test", bound=_Test)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where tests are shared between processes, put them into their order, which is the same in each."""
    workers: dict[str, int] = getattr(config, "workerinput", {})
    items[:] = ordered(items, workers.get("workercount", 1))


def ordered(tests: Sequence[Test], processes: int) -> list[Test]:
    """`tests` for so many processes; tests of one file stay together, in their order, but for the short ones."""
    if processes < 2:
        return list(tests)
    short = [test for test in tests if test.nodeid.startswith(SHORT)]
    files = [list(file) for _, file in groupby((t for t in tests if not t.nodeid.startswith(SHORT)), key=_file)]
    found: list[Test] = []
    for part in range(processes):
        share = files[part::processes]
        found += [test for file in (reversed(share) if part % 2 else share) for test in file]
        until = len(tests) * (part + 1) // processes
        fill = max(0, until - len(found))
        found, short = found + short[:fill], short[fill:]
    return found + short


def _file(test: _Test) -> str:
    return test.nodeid.partition("::")[0]
