"""What holds for the job's energy now: its power, and what of it is not counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wattrain_api.status import UncountedEnergy
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Report

GAPS_AT_MOST: Final = 8
"""Reasons come from processes in which a user's program runs: the status must not grow without end."""
_LEAST_STALE_SECONDS: Final = 5.0


def note_present(draft: Draft) -> None:
    """Bring power and gaps up to what supervisors have said. A gap stays: what was not counted then never will be."""
    seen, energy = draft.seen, draft.status.energy
    told = [gap for child in seen.children if child.termination is not None for gap in child.termination.gaps]
    told += () if seen.report is None else seen.report.gaps
    incomplete = _merged(energy.incomplete, told)
    watts = _watts(draft, seen.report)
    ratio = None if incomplete else energy.measured_ratio
    if (watts, incomplete, ratio) != (energy.watts, energy.incomplete, energy.measured_ratio):
        draft.energy = replace(energy, watts=watts, incomplete=incomplete, measured_ratio=ratio)


def _watts(draft: Draft, report: Report | None) -> float | None:
    """Power of all workers; None: not known, or not heard of for two intervals."""
    if all(child.ended for child in draft.seen.children):
        return 0.0 if draft.status.energy.meters else None
    if report is None or report.watts is None or not is_present(draft, report):
        return None
    return report.watts


def is_present(draft: Draft, report: Report) -> bool:
    """Whether what `report` says of now, its power and its speed, still holds; if so, the job is looked at again when
    it does not any more."""
    if not report.interval_seconds:
        return True
    left = max(_LEAST_STALE_SECONDS, 2 * report.interval_seconds) - report.age_seconds
    if left > 0:
        draft.wake_after(left)
    return left > 0


def _merged(known: tuple[UncountedEnergy, ...], told: list[UncountedEnergy]) -> tuple[UncountedEnergy, ...]:
    new = [gap for gap in dict.fromkeys(told) if gap not in known]
    return (*known, *new)[:GAPS_AT_MOST] if new else known
