"""What keeps a worker from starting where waiting alone may not help: said while it lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_operator.core.conditions import condition_of, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child

PATIENCE_SECONDS = 10.0
"""An obstacle that lasts so long is told: a node or an image may need a moment."""
_CANNOT_START = " cannot start "


def tell_what_blocks(draft: Draft, children: Sequence[Child], since: datetime) -> None:
    """Say in the condition Running, and once in an event, which of `children`, awaited `since`, is blocked and by what.

    What is told stays until its obstacle is gone: its words may change with every look of the scheduler.
    """
    running = condition_of(draft.status, reasons.RUNNING)
    blocked = sorted((c for c in children if c.blocked_by), key=lambda c: c.rank)
    if running.status == "True" or any(running.message.startswith(_subject(c)) for c in blocked):
        return
    if not blocked:
        if _CANNOT_START in running.message:
            set_condition(draft, reasons.RUNNING, "False", running.reason, "what was in the way is gone")
        return
    due = since + timedelta(seconds=PATIENCE_SECONDS)
    if draft.seen.now < due:
        draft.wake_at(due)
        return
    message = f"{_subject(blocked[0])}: {blocked[0].message}"
    set_condition(draft, reasons.RUNNING, "False", running.reason, message)
    draft.tell(reasons.WORKER_BLOCKED, message, warning=True)


def _subject(child: Child) -> str:
    return f"{child.name}{_CANNOT_START}({child.blocked_by})"
