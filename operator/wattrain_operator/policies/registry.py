"""The policies that can be compared. What differs is a row; how time passes is the same for all."""

from __future__ import annotations

from typing import Final, NamedTuple


class Policy(NamedTuple):
    """How jobs that wait are admitted under a cap."""

    name: str
    help: str
    by_priority: bool
    """Higher priority goes first; else the order is that of submission alone."""
    overtakes: bool
    """A job behind the head may go first where that cannot delay the head."""
    clean_hours: bool = False
    """A job with a deadline waits for the cleanest window before it that has room."""


POLICIES: Final = (
    Policy("fifo", "in the order of submission; nobody overtakes", by_priority=False, overtakes=False),
    Policy("priority", "by priority, then by age; nobody overtakes", by_priority=True, overtakes=False),
    Policy(
        "cap-backfill", "what a PowerDomain with capWatts does: by priority, then by age; who delays nobody overtakes, "
        "and preemption of the domain acts",
        by_priority=True, overtakes=True,
    ),
    Policy(
        "carbon",
        "as cap-backfill; a job with a deadline first waits for its cleanest window that has room, unless others wait "
        "for room already", by_priority=True, overtakes=True, clean_hours=True,
    ),
)  # fmt: skip
