"""What is kept of the logs of an attempt that is over: its pods go, and their logs with them."""

from __future__ import annotations

from dataclasses import replace

from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child


def keep_last_lines(draft: Draft) -> None:
    """Where this pass has ended an attempt or the job: the last lines of who decided that, if any are known."""
    before = draft.seen.status
    is_end = draft.status.attempt != before.attempt or is_finished(draft.status) != is_finished(before)
    ended = [c for c in draft.seen.children if c.attempt == before.attempt and c.termination is not None]
    lines = next((lines for child in sorted(ended, key=_order) if (lines := _lines(child))), ())
    if is_end and lines:
        draft.status = replace(draft.status, last_lines=lines)


def _order(child: Child) -> tuple[bool, bool, int, int]:
    """Who failed by itself comes first, then who failed because of it, then who trains, then by index."""
    failure = None if child.termination is None else child.termination.failure
    own = failure is not None and failure.worker == child.worker
    return child.phase != "Failed", not own, -child.role.traits.order, child.worker


def _lines(child: Child) -> tuple[str, ...]:
    return () if child.termination is None else child.termination.last_lines
