"""Lines of a rank's log about a profile: its table of operators, between a heading and where its trace is."""

from __future__ import annotations


def profile_start(rank: int) -> str:
    """What each sentence about a profile of `rank` begins with."""
    return f"the profile of rank {rank} over steps "


def profile_name(rank: int, first_step: int, last_step: int) -> str:
    """The profile of `rank` from `first_step` to `last_step`, both included. With a colon after it, it is the heading
    of the table; with what became of the trace after it, the sentence that follows the table."""
    return f"{profile_start(rank)}{first_step} to {last_step}"
