"""The job's energy ledger: every joule of every rank, attempt and preparation counted once, with its source.

Supervisors count upwards from their own start. Of each child of the newest attempt, by its uid, the ledger keeps the
highest reading seen: its mark. A child's readings come with its group's reports and in its termination message; one
that is lost, repeated or late changes nothing, for only what exceeds the mark is added. What is added was used since
the addition before, or since the child was created where that is later, until the moment of the reading.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import ChildMeters, Internal, Meter, TrainingJobStatus
from wattrain_operator.core import energy_causes
from wattrain_operator.core.accounts import add_energy
from wattrain_operator.core.carbon_saved import compared
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import JOULES_DIGITS, Meters, difference, highest, joules_of
from wattrain_operator.core.observed import Observed, Report
from wattrain_operator.core.phase_totals import enter_joules
from wattrain_operator.core.present_energy import note_present

_MARKS_BESIDES = 16


class ChildReading(NamedTuple):
    """What a child has used since it started."""

    attempt: int
    uid: str
    meters: Meters
    until: datetime
    """When it was read."""
    spent: energy_causes.Spent = ()
    """Of the one that speaks for its group: what the group's time has gone to."""


def account(draft: Draft) -> None:
    """Bring the ledger up to what supervisors have said."""
    seen, before = draft.seen, draft.internal
    in_view = {child.uid for child in seen.children}
    how = energy_causes.division(draft.status, draft.report)
    draft.status = enter(
        draft.status, _readings(seen), seen.domain, draft.now, in_view, draft.spec.workers.replicas, seen.carbon.series,
        how,
    )  # fmt: skip
    energy_causes.note_position(draft, before)
    note_present(draft)


def joules_of_group(draft: Draft, report: Report) -> float:
    """What the children that `report` names have used, as far as it has been entered."""
    marks = _marks(draft)
    named = {reading.uid for reading in _reported(draft.seen, report)}
    return joules_of(meter for uid in named for meter in marks.get(uid, ()))


def mark_safe(draft: Draft, checkpoint: Report) -> float:
    """A checkpoint was committed: what was spent until then is safe. Returns the ledger at that moment, in joules."""
    energy = draft.status.energy
    since = max(0.0, joules_of_group(draft, checkpoint) - checkpoint.checkpoint_joules)
    at_commit = round(energy.joules - since, JOULES_DIGITS)
    if at_commit > draft.internal.safe_joules:
        draft.internal = replace(draft.internal, safe_joules=at_commit)
    return at_commit


def lose_what_was_safe(draft: Draft) -> None:
    """The checkpoints are gone: of what was spent, only what has been written off before is not lost with them."""
    draft.internal = replace(draft.internal, safe_joules=draft.energy.wasted_joules)


def write_off(draft: Draft, joules_lost: float | None = None) -> float:
    """A restart: what was spent since the newest checkpoint or restart is lost. Returns it, in joules."""
    energy = draft.status.energy
    unsafe = max(0.0, energy.joules - draft.internal.safe_joules)
    lost = round(unsafe if joules_lost is None else min(max(0.0, joules_lost), unsafe), JOULES_DIGITS)
    draft.energy = replace(energy, wasted_joules=round(energy.wasted_joules + lost, JOULES_DIGITS))
    safe = round(draft.internal.safe_joules + lost, JOULES_DIGITS)
    draft.internal = replace(draft.internal, safe_joules=safe)
    return lost


def give_back(draft: Draft, joules: float) -> None:
    """What was written off turns out not to be lost: a checkpoint had been saved that nobody had heard of."""
    draft.energy = replace(draft.energy, wasted_joules=round(draft.energy.wasted_joules - joules, JOULES_DIGITS))


def enter(
    status: TrainingJobStatus,
    readings: Iterable[ChildReading],
    domain: PowerDomainSpec,
    now: datetime,
    in_view: AbstractSet[str],
    workers: int,
    series: CarbonSeries | None = None,
    how: energy_causes.Division | None = None,
) -> TrainingJobStatus:
    """`status` with what of `readings`, the oldest attempts first, is above the marks, and with these raised.

    `series` is the carbon intensity of `domain` over time; `in_view` are the uids of the children that are known to
    exist, of a group of `workers`. `how` the joules are divided by cause; None: as the status says.
    """
    old = status.internal
    # A version that had no marks has entered what the children in view had used by then: nobody knows how much of it.
    has_no_marks = not old.metered_attempt and status.energy.joules > 0
    attempt, marks = old.metered_attempt, {child.uid: child.meters for child in old.child_meters}
    spent_marks = {child.uid: child.spent for child in old.child_meters if child.spent}
    spent: energy_causes.Spent = ()
    new: dict[tuple[datetime, datetime], list[Meter]] = {}
    for reading in readings:
        if reading.attempt < attempt:
            continue  # closed: its joules are in the ledger already
        if reading.attempt > attempt:
            attempt, marks, spent_marks = reading.attempt, {}, {}
        mark = marks.get(reading.uid)
        # What names uids is untrusted, and the status must not grow without end: there is room for each worker to be
        # replaced once, unseen.
        if mark is None and reading.uid not in in_view and len(marks) >= 2 * workers + _MARKS_BESIDES:
            continue
        above = highest(mark or (), reading.meters)
        if above != mark:
            time = _time_of_use(old, reading, now, is_first=mark is None)
            new.setdefault(time, []).extend(() if has_no_marks else difference(above, mark or ()))
            marks[reading.uid] = above
            spent += energy_causes.above(reading.spent, spent_marks.get(reading.uid, ()))
            if reading.spent:
                spent_marks[reading.uid] = energy_causes.highest(spent_marks.get(reading.uid, ()), reading.spent)
    if not new:  # as in most passes
        return status
    joules_before = status.energy.joules
    for since, until in sorted(new):
        before = status.energy
        energy = add_energy(before, tuple(new[since, until]), since, until, domain, series)
        facility_joules = energy.facility_joules - before.facility_joules
        status = replace(status, clean_hours=compared(status.clean_hours, series, facility_joules, since, until))
        added = round(energy.joules - before.joules, JOULES_DIGITS)
        status = enter_joules(replace(status, energy=energy), added, since, until)
    # Of what a version without causes has entered, nobody knows them: it goes where this does.
    added = round(status.energy.joules - (joules_before if status.causes else 0.0), JOULES_DIGITS)
    status = energy_causes.enter(status, added, spent, how or energy_causes.division(status, None))
    internal = replace(
        old,
        metered_attempt=attempt,
        metered_time=max(until for until in (old.metered_time, *(until for _, until in new)) if until is not None),
        child_meters=tuple(ChildMeters(uid, marks[uid], spent_marks.get(uid, ())) for uid in sorted(marks)),
    )
    return replace(status, internal=internal)


def _time_of_use(
    internal: Internal, reading: ChildReading, now: datetime, *, is_first: bool
) -> tuple[datetime, datetime]:
    """From when until when that was used which `reading` has more than its mark."""
    until = min(now, reading.until)
    known = [internal.metered_time]
    if is_first:
        known.append(internal.not_before or internal.attempt_time)  # when its group was created
    since = max((time for time in known if time is not None), default=until)
    return min(since, until), until


def _marks(draft: Draft) -> dict[str, Meters]:
    return {child.uid: child.meters for child in draft.internal.child_meters}


def _readings(seen: Observed) -> list[ChildReading]:
    """What children have said that they used, the oldest attempts first."""
    left = [
        ChildReading(c.attempt, c.uid, c.termination.energy, c.termination.time or seen.now, c.termination.spent)
        for c in seen.children
        if c.termination is not None and c.termination.energy
    ]
    return sorted(left + _reported(seen, seen.report), key=lambda reading: reading.attempt)


def _reported(seen: Observed, report: Report | None) -> list[ChildReading]:
    """What the group's report says of each child. A supervisor of another version does not know its uid: it is taken
    for the child of that name in view, and not entered where there is none, lest it be entered twice."""
    if report is None:
        return []
    answered = (seen.now - timedelta(seconds=report.age_seconds)).replace(microsecond=0)
    uids = {(c.role, c.attempt, c.worker): c.uid for c in seen.children}
    told = [(one.uid or uids.get((report.role, report.attempt, one.worker), ""), one) for one in report.energy]
    return [ChildReading(report.attempt, uid, one.meters, answered, one.spent) for uid, one in told if uid]
