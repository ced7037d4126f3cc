"""Why ranks died: which failure came first, and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from wattrain_api import reasons

Json = dict[str, Any]
_SIGABRT: Final = -6


def first_cause(failures: Iterable[Json]) -> Json:
    """Of failures, the one that brought down the others. They have `exitCode` and `seen`, any clock's time.

    An exit code that says what is wrong for good is never a consequence. A lost peer always is. Between them a
    signal is more likely the beginning than an exit: survivors of a killed rank exit, but nobody is killed because
    a peer has exited. (Aborted they may be: NCCL's watchdog does that.) Among equals the earlier one counts.
    """
    return min(failures, key=lambda failure: (_order(failure["exitCode"]), failure["seen"]))


def _order(exit_code: int) -> int:
    meaning = reasons.meaning_of_exit(exit_code)
    if meaning.permanent:
        return 0
    if meaning.reason == reasons.PEER_LOST:
        return 3
    return 1 if exit_code < 0 and exit_code != _SIGABRT else 2


def to_status(exit_code: int) -> int:
    """`exit_code` of a rank as a supervisor can exit with it: a signal -n becomes 128 + n, as in shells."""
    return exit_code if exit_code >= 0 else 128 - exit_code


def is_the_same_again(failure: Json, before: Json | None) -> bool:
    """Whether the program itself ended as the time before, at the same step.

    A signal, a lost peer or a storage that is away says nothing about the program.
    """
    if before is None or failure["exitCode"] <= 0:
        return False
    if reasons.meaning_of_exit(failure["exitCode"]).reason != reasons.PROGRAM_FAILED:
        return False
    return all(failure[key] == before[key] for key in ("exitCode", "lastLine", "step"))
