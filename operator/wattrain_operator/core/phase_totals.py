"""Where the time and the energy of a job went, by the state that it was in.

Seconds of a state are entered when it is left, so that a state that lasts costs no write of the status; `as_of` adds
the present one. They are taken from the times of decisions, which are stored: an operator that ends in between loses
none. A joule belongs to the state in which it was used. Of the states the present one and the one before are
remembered with the time between them; what was used earlier than these, and is heard only now, counts for the earlier.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from wattrain_api.status import OpenPhase, PhaseTotals, State, TrainingJobStatus
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import JOULES_DIGITS

AFTER_THE_END: tuple[State, ...] = ("Complete", "Failed")
"""In these no time is counted: they last for ever."""


def begin(draft: Draft) -> None:
    """At first sight, begin to count."""
    if draft.internal.open_phase is None:
        draft.internal = replace(draft.internal, open_phase=OpenPhase("Pending", draft.now, joules_before=0.0))


def note_state(draft: Draft) -> None:
    """Where this pass has brought the job into another state, enter how long it was in the one before."""
    old, state = draft.internal.open_phase, draft.status.state
    if old is None or old.phase == state:
        return
    draft.status = replace(draft.status, phases=as_of(draft.status, draft.now))
    earlier = next((totals.joules for totals in draft.status.phases if totals.phase == state), 0.0)
    draft.internal = replace(draft.internal, open_phase=OpenPhase(state, draft.now, old.phase, earlier))


def enter_joules(status: TrainingJobStatus, joules: float, since: datetime, until: datetime) -> TrainingJobStatus:
    """`status` with `joules` more, used evenly from `since` to `until`, in the states of that time."""
    now = status.internal.open_phase
    if now is None or not joules:
        return status
    earlier = 0.0 if now.before is None else round(joules * _share_before(now.since, since, until), JOULES_DIGITS)
    phases = _with(status.phases, now.phase, joules=round(joules - earlier, JOULES_DIGITS))
    return replace(status, phases=phases if now.before is None else _with(phases, now.before, joules=earlier))


def as_of(status: TrainingJobStatus, moment: datetime) -> tuple[PhaseTotals, ...]:
    """What was spent in each state until `moment`, or until the job's end where that was before."""
    now = status.internal.open_phase
    if now is None or now.phase in AFTER_THE_END:
        return status.phases
    end = moment if status.completion_time is None else min(moment, status.completion_time)
    return _with(status.phases, now.phase, seconds=max(0, int((end - now.since).total_seconds())))


def _share_before(moment: datetime, since: datetime, until: datetime) -> float:
    """Which share of the time from `since` to `until` was before `moment`."""
    if since >= moment or until <= moment:
        return float(until <= moment)
    return (moment - since) / (until - since)


def _with(
    phases: tuple[PhaseTotals, ...], phase: State, *, seconds: int = 0, joules: float = 0.0
) -> tuple[PhaseTotals, ...]:
    """`phases` with more of one of them, which is the last where it is new."""
    known = {totals.phase: totals for totals in phases}
    old = known.get(phase, PhaseTotals(phase))
    more = replace(old, seconds=old.seconds + seconds, joules=round(old.joules + joules, JOULES_DIGITS))
    return tuple({**known, phase: more}.values())
