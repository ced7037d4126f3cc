"""Waiting for clean hours: before a job asks its fleet for a place, it waits for the start that its carbon window has.

A start is chosen anew whenever the series says something else; as long as it says the same, the job waits for the start
it has chosen. The deadline always wins, and without data, or a duration, nothing is waited for.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_api.carbon_series import DAY, HOUR, CarbonSeries
from wattrain_api.energy import Carbon
from wattrain_api.status import CleanHoursStatus, Condition, QueueStatus, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.carbon_window import Start, best_start, first_run
from wattrain_operator.core.conditions import set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import CarbonView

LONGEST_WAIT = DAY
"""Without a deadline."""
LOOK_AGAIN = timedelta(minutes=5)
"""How soon a new series is noticed."""
FIRST_LOOK_SECONDS = 1.0
_PROFILE_AGE = 2 * DAY
"""A series that ended longer ago tells nothing of today."""


def awaits_clean_hours(spec: TrainingJobSpec, status: TrainingJobStatus) -> bool:
    """Whether the job waits for clean hours, or has still to look whether it does: then it asks for no place."""
    known = status.clean_hours
    return _waits_at_all(spec) and (known is None or known.start is not None)


def wait(draft: Draft) -> bool:
    """Wait for the start that was chosen, or choose one. True: the job still waits."""
    known, carbon = draft.status.clean_hours, draft.spec.energy.carbon
    if carbon is None or not awaits_clean_hours(draft.spec, draft.status):
        if known is not None and known.start is not None:
            _go(draft, known, "spec.energy.carbon.mode says so")
        return False
    if draft.seen.carbon.awaited:
        draft.wake_after(FIRST_LOOK_SECONDS)
        return True
    since = _since(draft, known)
    known = known if known is not None and known.since == since else CleanHoursStatus(since)
    chosen_at = known.looked_time  # hours with pauses take a moment to choose
    if known.start is None or chosen_at is None or draft.now >= min(known.start, chosen_at + LOOK_AGAIN):
        start, why = _choose(carbon, draft.seen.carbon, draft.now, known)
        if start is None:
            _go(draft, known, why)
            return False
        start = start._replace(time=start.time.replace(microsecond=0))  # as the API server keeps it
        if known.start != start.time:
            known = replace(known, start=start.time, saving_ratio=round(start.saving_ratio, 4), message=why)
            draft.add_event(reasons.WAITING_FOR_CLEAN_HOURS, why)
        known = known if carbon.mode == "StartWindow" else replace(known, looked_time=draft.now)
    start_time = known.start or draft.now
    draft.status = replace(draft.status, clean_hours=known, queue=QueueStatus())
    set_condition(draft, reasons.ADMITTED, "False", reasons.WAITING_FOR_CLEAN_HOURS, known.message)
    draft.wake_at(min(start_time, draft.now + LOOK_AGAIN))
    return True


def series_condition(view: CarbonView, old: tuple[Condition, ...], now: datetime, generation: int) -> Condition | None:
    """What is to be stored about the series of a power domain that names one; None: nothing is known yet."""
    if view.awaited:
        return next((c for c in old if c.type == reasons.SERIES), None)
    before = next((c for c in old if c.type == reasons.SERIES), None)
    well = not view.problem
    status = "True" if well else "False"
    since = now.replace(microsecond=0) if before is None or before.status != status else before.last_transition_time
    message = _told(view)
    if well:
        return Condition(reasons.SERIES, "True", reasons.SERIES, since, message, generation)
    return Condition(reasons.SERIES, "False", reasons.SERIES_UNREADABLE, since, message, generation)


def _told(view: CarbonView) -> str:
    series = view.series
    if series is None:
        return f"{view.problem}; until then gramsPerKWh counts, and jobs wait for no clean hours"
    known = (
        f"{len(series.intervals):,} intensities, {series.basis.lower()}, zone {series.zone or 'not named'}, until "
        f"{series.end:%Y-%m-%d %H:%M} UTC"
    )
    return f"{view.problem}; what was read before counts: {known}" if view.problem else known


def _waits_at_all(spec: TrainingJobSpec) -> bool:
    return spec.energy.carbon is not None and spec.energy.carbon.mode != "Off"


def _since(draft: Draft, known: CleanHoursStatus | None) -> datetime:
    """From when on the job could have run: a suspension by its user is none of the waiting."""
    resumed = [
        c.last_transition_time
        for c in draft.status.conditions
        if c.type == reasons.SUSPENDED and c.reason == reasons.JOB_RESUMED
    ]
    return max([draft.now if known is None else known.since, *resumed])


def _choose(carbon: Carbon, view: CarbonView, now: datetime, known: CleanHoursStatus) -> tuple[Start | None, str]:
    """The start to wait for, and why; None: now."""
    if carbon.estimated_duration_seconds is None:
        return None, "how long it takes is not known; write spec.energy.carbon.estimatedDurationSeconds"
    if view.series is None:
        return None, view.problem or "its power domain names no series of carbon intensity"
    duration = timedelta(seconds=carbon.estimated_duration_seconds)
    deadline = carbon.deadline or known.since + LONGEST_WAIT + duration
    choose = first_run if carbon.mode == "PauseResume" else best_start
    start = choose(with_profile(view.series, now, deadline), now, duration, deadline)
    if start is None:
        return None, _why_none(view.series, now, duration, deadline)
    percent = 100 * start.saving_ratio
    chosen_before = start.time.replace(microsecond=0) == known.start
    if start.time <= now or (not chosen_before and percent < carbon.min_benefit_percent):
        if start.time <= now and known.start is not None:
            return None, "the start that it had chosen has come"
        return None, f"waiting would save {percent:.1f} %, less than minBenefitPercent {carbon.min_benefit_percent}"
    by = "within a day" if carbon.deadline is None else f"to end by {carbon.deadline:%Y-%m-%d %H:%M} UTC"
    return start, (
        f"waits until {start.time:%Y-%m-%d %H:%M} UTC for {start.grams_per_kwh:.0f} g/kWh in place of "
        f"{start.now_grams_per_kwh:.0f}, which saves {percent:.0f} %, {by}; to start it now, set "
        "spec.energy.carbon.mode to Off"
    )


def with_profile(series: CarbonSeries, now: datetime, deadline: datetime) -> CarbonSeries:
    """A series that ends before the deadline goes on as the same hours of the last days were."""
    if series.end >= deadline or now - series.end > _PROFILE_AGE:
        return series
    return series.continued(min(deadline, now + 7 * DAY) + HOUR)


def _why_none(series: CarbonSeries, now: datetime, duration: timedelta, deadline: datetime) -> str:
    if deadline - duration <= now:
        return f"the deadline {deadline:%Y-%m-%d %H:%M} UTC leaves no time to wait"
    return (
        f"the series of carbon intensity, from {series.start:%Y-%m-%d %H:%M} to {series.end:%Y-%m-%d %H:%M} UTC, does "
        "not know the hours of a start now"
    )


def _go(draft: Draft, known: CleanHoursStatus, why: str) -> None:
    """The job waits no longer."""
    held = max(0, int((draft.now - known.since).total_seconds()))
    message = f"does not wait for clean hours: {why}"
    draft.status = replace(draft.status, clean_hours=replace(known, start=None, held_seconds=held, message=message))
    draft.add_event(reasons.CLEAN_HOURS_OVER, f"the job {message}")
