"""What every directive keeps to: it replaces all before it, so its version is higher, and it says what still holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.status import PowerCapStatus, TrainingJobStatus
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child, Report
from wattrain_operator.core.roles import Role

_SETTLED_SECONDS: Final = 3.0
"""From a change until it is in every sample that is told: ranks agree on it within 0.2 s, samples are a second long,
and each worker tells worker 0 of its own once a second."""


class Settings(NamedTuple):
    """What holds until another directive comes, as a directive says it."""

    duty_ratio: float | None
    threads: int | None


def settings_of(status: TrainingJobStatus) -> Settings:
    """What the group of a job is to keep to."""
    best = status.best_point
    threads = None if best is None or best.threads == best.most_threads else best.threads
    return Settings(duty_of(status.power_cap), threads)


def is_to_train(draft: Draft) -> bool:
    """Whether the group may be directed otherwise: a directive would take back the one to stop."""
    admitted = is_true(draft.status, reasons.ADMITTED) and not is_finished(draft.status)
    return admitted and draft.internal.stop_time is None


def is_settled(draft: Draft, since: datetime | None, report: Report) -> bool:
    """Whether all that the means of the training in `report` are taken from was after `since`, when a change was known
    to be in force; None: it is not."""
    if since is None:
        return False
    settled = since + timedelta(seconds=report.training_watts_seconds + _SETTLED_SECONDS)
    if draft.seen.now < settled:
        draft.wake_at(settled)
    return draft.seen.now - timedelta(seconds=report.age_seconds) >= settled


def direct(draft: Draft) -> None:
    """Have the group keep to what this pass has decided."""
    if not is_to_train(draft):
        return
    first = next((child for child in draft.seen.children if _is_first(draft, child)), None)
    settings = settings_of(draft.status)
    if settings != settings_of(draft.seen.status) or _has_others(draft, first, settings):
        take_next_version(draft, first)
    directs = draft.status.power_cap is not None or draft.status.best_point is not None
    if first is not None and not first.directed_to_stop and (directs or first.directive_version):
        draft.direct(first, Directive(draft.internal.directive_version, **settings._asdict()))


def _is_first(draft: Draft, child: Child) -> bool:
    """Whether `child` is the worker of the current group that takes its directives."""
    is_current = child.role == Role.WORKER and child.attempt == draft.status.attempt
    return is_current and child.worker == 0 and not child.ended


def _has_others(draft: Draft, first: Child | None, settings: Settings) -> bool:
    """Whether somebody else has directed the group since these were meant for it, and has taken them back."""
    given = None if first is None else first.directive
    if given is None or given.stop_at_step is not None or given.version < draft.internal.directive_version:
        return False
    return ((given.duty_ratio or 1.0), given.threads or None) != ((settings.duty_ratio or 1.0), settings.threads)


def take_next_version(draft: Draft, first: Child | None) -> None:
    """The directive that is to come to the group whose worker 0 is `first` is newer than all that a person has given,
    taken already or not."""
    taken = 0 if draft.report is None else draft.report.directive_version
    given = 0 if first is None else first.directive_version
    version = max(draft.internal.directive_version, taken, given) + 1
    draft.internal = replace(draft.internal, directive_version=version)


def duty_of(held: PowerCapStatus | None) -> float | None:
    """Share of the time in which the ranks are to compute, as a directive says it; None: all of it."""
    return None if held is None or held.means != "DutyCycle" or held.duty_ratio == 1 else held.duty_ratio
