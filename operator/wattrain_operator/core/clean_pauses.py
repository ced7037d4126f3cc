"""Pausing in dirty hours (`energy.carbon.mode: PauseResume`): a job that runs is held until its next clean hours.

Every LOOK_AGAIN the cleanest hours are chosen anew for what is left of the job. It pauses where they begin later and
save enough, it has run for a while, and its checkpoints outlive its workers. The deadline always wins: a job whose time
gets short goes on, and so does one whose series says nothing any more.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from wattrain_api import reasons
from wattrain_api.energy import Carbon
from wattrain_api.status import CleanHoursStatus, Hold
from wattrain_operator.core import holding
from wattrain_operator.core.carbon_window import SHORTEST_RUN, Start, first_run
from wattrain_operator.core.clean_hours import LONGEST_WAIT, LOOK_AGAIN, with_profile
from wattrain_operator.core.conditions import is_true
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.fleet_forecasts import ENDING_SECONDS, ETA_BIAS

SLACK: Final = timedelta(minutes=30)
"""So long before a job would be late it goes on: it has to wait for its place, to start its workers and to read its
checkpoint. Our choice."""
_SAME_START: Final = timedelta(minutes=15)
"""A new start that is less than a slot of the choice before the one that the job waits for is no other."""


def watch(draft: Draft) -> None:
    """Have the job pause, go on, or stay as it is."""
    carbon, hours = draft.spec.energy.carbon, draft.status.clean_hours
    is_paused = any(each.reason == reasons.PAUSED_IN_DIRTY_HOURS for each in draft.internal.holds)
    if carbon is None or carbon.mode != "PauseResume" or draft.spec.suspend:
        if is_paused:
            _go_on(draft, hours)
        return
    if draft.seen.carbon.awaited or not (is_paused or _may_pause(draft)):
        return
    hours = hours or CleanHoursStatus(draft.now)
    if is_paused and hours.start is not None and draft.now < min(hours.start, _looked(hours) + LOOK_AGAIN):
        draft.wake_at(min(hours.start, _looked(hours) + LOOK_AGAIN))
        return
    if not is_paused and draft.now < _looked(hours) + LOOK_AGAIN:
        return
    start = _next_clean(draft, carbon, hours, is_paused=is_paused)
    if start is not None:
        _pause(draft, hours, start, is_paused=is_paused)
    elif is_paused:
        _go_on(draft, hours)
    else:
        draft.status = replace(draft.status, clean_hours=replace(hours, looked_time=draft.now))


def _may_pause(draft: Draft) -> bool:
    """Whether it runs, has for SHORTEST_RUN, and finds its checkpoints again."""
    since = draft.internal.active_since
    runs = is_true(draft.status, reasons.ADMITTED) and draft.seen.shared_storage
    return runs and since is not None and draft.now >= since + SHORTEST_RUN


def _looked(hours: CleanHoursStatus) -> datetime:
    return hours.looked_time or hours.since - LOOK_AGAIN


def _next_clean(draft: Draft, carbon: Carbon, hours: CleanHoursStatus, *, is_paused: bool) -> Start | None:
    """When the job's next clean hours begin; None: it is to run now."""
    left, series = _left(draft, carbon, hours, is_paused=is_paused), draft.seen.carbon.series
    if left is None or series is None or left <= SHORTEST_RUN:
        return None
    deadline = (carbon.deadline or hours.since + LONGEST_WAIT + left + _active(draft)) - SLACK
    if draft.now + left >= deadline:
        return None
    start = first_run(with_profile(series, draft.now, deadline), draft.now, left, deadline, runs=not is_paused)
    if start is None:
        return None
    if is_paused and hours.start is not None and draft.now < hours.start < start.time + _SAME_START:
        start = start._replace(time=max(hours.start, start.time))
    if start.time <= draft.now:
        return None
    return start if is_paused or 100 * start.saving_ratio >= carbon.min_benefit_percent else None


def _active(draft: Draft) -> timedelta:
    since = draft.internal.active_since
    now = timedelta() if since is None else draft.now - since
    return timedelta(seconds=draft.internal.active_seconds) + now


def _left(draft: Draft, carbon: Carbon, hours: CleanHoursStatus, *, is_paused: bool) -> timedelta | None:
    """How long the job still takes, at the latest that is to be expected: by its steps, else by what its user has
    estimated; None: nobody knows."""
    if is_paused:
        return None if hours.left_seconds is None else timedelta(seconds=hours.left_seconds)
    progress = draft.status.progress
    if progress is not None and progress.eta_seconds is not None:
        return timedelta(seconds=int(progress.eta_seconds * ETA_BIAS + ENDING_SECONDS))
    if carbon.estimated_duration_seconds is None:
        return None
    return max(timedelta(), timedelta(seconds=carbon.estimated_duration_seconds) - _active(draft))


def _pause(draft: Draft, hours: CleanHoursStatus, start: Start, *, is_paused: bool) -> None:
    carbon = draft.spec.energy.carbon or Carbon(mode="PauseResume")
    if not is_paused:
        left = _left(draft, carbon, hours, is_paused=False)
        seconds = None if left is None else int(left.total_seconds())
        hours = replace(hours, paused_since=draft.now, left_seconds=seconds)
    why = (
        f"paused in dirty hours until {start.time:%Y-%m-%d %H:%M} UTC, for {start.grams_per_kwh:.0f} g/kWh in place of "
        f"{start.now_grams_per_kwh:.0f}"
    )
    if is_paused and hours.start == start.time:
        draft.status = replace(draft.status, clean_hours=replace(hours, looked_time=draft.now))
    else:
        hours = replace(hours, start=start.time, saving_ratio=round(start.saving_ratio, 4), message=why)
        draft.status = replace(draft.status, clean_hours=replace(hours, looked_time=draft.now))
        until = "they are over, its deadline is near, or spec.energy.carbon.mode is Off"
        holding.put(draft, Hold(reasons.PAUSED_IN_DIRTY_HOURS, why, until))
    draft.wake_at(min(start.time, draft.now + LOOK_AGAIN))


def _go_on(draft: Draft, hours: CleanHoursStatus | None) -> None:
    """Lift the hold, and count how long it has lasted."""
    holding.lift(draft, reasons.PAUSED_IN_DIRTY_HOURS)
    if hours is None:
        return
    paused = 0 if hours.paused_since is None else max(0, int((draft.now - hours.paused_since).total_seconds()))
    draft.status = replace(
        draft.status,
        clean_hours=replace(
            hours, start=None, paused_since=None, left_seconds=None, held_seconds=hours.held_seconds + paused,
            looked_time=draft.now, message="goes on after a pause in dirty hours",
        ),
    )  # fmt: skip
