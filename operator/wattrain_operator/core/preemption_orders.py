"""What a job does that gives its place to one of higher priority: it is held until it has stopped, and queues again."""

from __future__ import annotations

from wattrain_api import reasons
from wattrain_api.status import Hold
from wattrain_operator.core import holding
from wattrain_operator.core.conditions import is_finished, is_true, set_condition
from wattrain_operator.core.draft import Draft


def obey(draft: Draft) -> None:
    """Hold the job while its present turn is to end; a suspension begins another turn, which nobody has taken."""
    why = draft.seen.grant.preempted
    if why and not is_finished(draft.status):
        holding.put(draft, Hold(reasons.PREEMPTED_BY_PRIORITY, why, "there is room for it again"))
        return
    hold = next((each for each in draft.internal.holds if each.reason == reasons.PREEMPTED_BY_PRIORITY), None)
    if hold is None:
        return
    holding.lift(draft, reasons.PREEMPTED_BY_PRIORITY)
    if is_true(draft.status, reasons.SUSPENDED) and holding.hold_of(draft.spec, draft.status) is None:
        _queue_again(draft, hold)


def _queue_again(draft: Draft, hold: Hold) -> None:
    """It is suspended no more, but does not go on before it is admitted: it says what became of it meanwhile."""
    set_condition(
        draft, reasons.SUSPENDED, "False", reasons.JOB_RESUMED, f"{hold.why}; it has stopped and queues again"
    )
    set_condition(draft, reasons.RUNNING, "False", reasons.QUEUED, f"{hold.why}; it waits for room")
