"""Each process begins with its share of the long tests, and what is left at the end is short."""

from __future__ import annotations

from typing import NamedTuple

from harness.order import ordered


class Collected(NamedTuple):
    """A test."""

    nodeid: str


LONG = [Collected(f"tests/e2e/test_{file}.py::test_{n}") for file in "abcde" for n in range(1 + 7 * (file == "b"))]
SHORT = [Collected(f"tests/unit/test_u.py::test_{n}") for n in range(48)]


def _names(tests: list[Collected]) -> str:
    return "".join("." if test in SHORT else test.nodeid.partition("test_")[2][0] for test in tests)


def test_each_part_begins_with_whole_files_of_long_tests_and_ends_with_short_ones() -> None:
    found = ordered([*LONG, *SHORT], 2)
    assert sorted(found) == sorted([*LONG, *SHORT])
    assert _names(found[:30]) == "ace" + 27 * "."
    assert _names(found[30:]) == "d" + 8 * "b" + 21 * "."
    assert [test for test in found if "test_b" in test.nodeid] == [test for test in LONG if "test_b" in test.nodeid]


def test_one_process_and_tests_of_one_kind_are_left_complete() -> None:
    assert ordered([*LONG, *SHORT], 1) == [*LONG, *SHORT]
    assert ordered(SHORT, 2) == SHORT
    assert sorted(ordered(LONG, 3)) == sorted(LONG)
    assert sorted(ordered([*LONG, *SHORT[:3]], 2)) == sorted([*LONG, *SHORT[:3]])
