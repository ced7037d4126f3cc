"""Why workers ended: which failure came first, and whether it is the same as before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_api.contract.kinds import LINE_CHARACTERS, NODE_CHARACTERS, count, integer, reason, text
from wattrain_api.reasons import Meaning

_SIGABRT: Final = -6
DISRUPTION: Final = Meaning(reasons.WORKER_LOST, permanent=False, counted=False)
"""A worker that was taken away from outside: not the program's fault."""


@dataclass(frozen=True)
class Failure:
    """How one rank, or one worker as a whole, ended."""

    reason: str = field(default=reasons.PROGRAM_FAILED, metadata=reason())
    """One of `wattrain_api.reasons`."""
    exit_code: int | None = field(default=None, metadata=integer())
    """Exit code of the rank, a script's as it is; -n: signal n ended it; absent where nothing ended by itself."""
    worker: int | None = field(default=None, metadata=count())
    """Index of the worker, 0-based; absent where not known."""
    rank: int | None = field(default=None, metadata=count())
    """DDP's global rank; absent where not known, or where a worker failed as a whole."""
    node: str = field(default="", metadata=text(NODE_CHARACTERS))
    """Machine that it ran on."""
    last_line: str = field(default="", metadata=text(LINE_CHARACTERS))
    """Last line of its output that says something."""
    step: int = field(default=0, metadata=count("steps"))
    """Step that its worker had reached."""


class SeenFailure(NamedTuple):
    """A failure as it is compared with others."""

    failure: Failure
    meaning: Meaning
    seconds: float = 0.0
    """When it was seen, on any clock; the same for all where that is not known."""


def first_cause(failures: Iterable[SeenFailure]) -> SeenFailure:
    """Of at least one failure, the one that brought down the others.

    A disruption goes before all, for whatever a program does then is its consequence. Next comes an exit code that says
    what is wrong for good: it is never a consequence. A lost peer always is one. Between them a signal is more likely
    the beginning than an exit: survivors of a killed rank exit, but no rank is killed because a peer has exited.
    (Aborted it may be: NCCL's watchdog does that.) Among equals the earlier one counts, then the one given first.
    """
    return min(failures, key=lambda seen: (_order(seen), seen.seconds))


def _order(seen: SeenFailure) -> int:
    if seen.meaning == DISRUPTION:
        return 0
    if seen.meaning.permanent:
        return 1
    if seen.meaning.reason == reasons.PEER_LOST:
        return 4
    code = seen.failure.exit_code
    return 2 if code is not None and code < 0 and code != _SIGABRT else 3


def meaning_of(failure: Failure) -> Meaning:
    """What a failure tells the restart policy, as far as it says so itself. Its reason counts: an exit code of a script
    is the script's own."""
    if failure.reason == reasons.WORKER_LOST or failure.exit_code is None:
        return DISRUPTION
    return reasons.meaning_of_reason(failure.reason)


def is_same_failure(failure: Failure, before: Failure | None) -> bool:
    """Whether the program itself ended as the time before, at the same step.

    A signal, a lost peer or a storage that is away says nothing about the program.
    """
    if before is None or failure.exit_code is None or failure.exit_code <= 0:
        return False
    if failure.reason != reasons.PROGRAM_FAILED:
        return False
    return (failure.exit_code, failure.last_line, failure.step) == (before.exit_code, before.last_line, before.step)


def exit_status_of(failure: Failure) -> int:
    """What a supervisor exits with because of `failure`: its exit code, a signal -n as 128 + n, as in shells. 1 where
    that would mean something else for a supervisor: a script's own 65 is no BadData."""
    code = failure.exit_code or reasons.EXIT_PEER_LOST
    status = code if code > 0 else 128 - code
    return status if reasons.meaning_of_exit(status).reason == failure.reason else reasons.EXIT_PROGRAM_FAILED
