"""What every directive keeps to: it replaces all before it, so its version is higher, and it says what still holds."""

from __future__ import annotations

from dataclasses import replace

from wattrain_api.status import PowerCapStatus
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child


def take_next_version(draft: Draft, first: Child | None) -> None:
    """The directive that is to come to the group whose worker 0 is `first` is newer than all that a person has given,
    taken already or not."""
    taken = 0 if draft.report is None else draft.report.directive_version
    given = 0 if first is None else first.directive_version
    version = max(draft.internal.directive_version, taken, given) + 1
    draft.internal = replace(draft.internal, directive_version=version)


def duty_of(held: PowerCapStatus | None) -> float | None:
    """Share of the time in which the ranks are to compute, as a directive says it; None: all of it."""
    return None if held is None or held.duty_ratio == 1 else held.duty_ratio
