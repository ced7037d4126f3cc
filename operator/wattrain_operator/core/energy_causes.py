"""What time and energy of a job went to: start, training, waiting for data, hanging and so on.

A group reports how many seconds of its life went to each cause. The joules that are entered in the ledger together are
divided by the seconds that these reports have more than those before: an attribution, for nobody measures the joules
of an evaluation apart from those of the step beside it. Where no seconds have been told, all go to what the group was
last known to do. So the joules by cause always sum up to the ledger.

Training that repeats steps is `computed_again`: of the steps that were made, those up to the farthest that had been
reached before. What a hang has used counts as training, or what it was, until the hang is found; then it is moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, NamedTuple

from wattrain_api.contract.spent_seconds import CAUSE_OF_PHASE
from wattrain_api.status import Cause, CauseSeconds, CauseTotals, Internal, PhaseTotals, State, TrainingJobStatus
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import JOULES_DIGITS
from wattrain_operator.core.observed import Report

SECONDS_DIGITS: Final = 3
TOLD_CAUSES: Final[tuple[Cause, ...]] = (
    "prepare", "start", "restore", "training", "data_wait", "slowest_rank", "paused", "evaluation", "checkpoint",
    "export",
)  # fmt: skip
"""The fields of `contract.spent_seconds.SpentSeconds`."""
_MAY_HANG: Final[tuple[Cause, ...]] = ("computed_again", "data_wait", "slowest_rank", "training")
_WITHOUT_CHILDREN: Final[tuple[State, ...]] = ("Pending", "Queued")
_NOT_COUNTED: Final[tuple[State, ...]] = (*_WITHOUT_CHILDREN, "Suspended")
Spent = tuple[CauseSeconds, ...]


class Division(NamedTuple):
    """How joules are divided by more than the seconds that are told."""

    repeated: float
    """Share of the training whose steps had been made before."""
    otherwise: Cause
    """What all goes to where no seconds are told."""


def division(status: TrainingJobStatus, report: Report | None) -> Division:
    """What of the time since the last look repeats steps, and what the group does."""
    if report is None:
        phase = "" if status.progress is None else status.progress.phase
        started: Cause = "prepare" if status.state == "Preparing" else "start"
        return Division(0.0, CAUSE_OF_PHASE.get(phase, started))
    internal = status.internal
    made = max(0, (report.steps_done or 0) - internal.counted_steps)
    new = max(0, report.step - internal.farthest_step)
    repeated = max(0, made - new) / made if made else float(0 < report.step < internal.farthest_step)
    return Division(repeated, CAUSE_OF_PHASE.get(report.phase, "start"))


def enter(status: TrainingJobStatus, joules: float, spent: Spent, how: Division) -> TrainingJobStatus:
    """`status` with more `joules`, of a time of which `spent` has been told."""
    seconds = _with_repeated({each.cause: each.seconds for each in spent if each.seconds > 0}, how.repeated)
    if not seconds and not joules:
        return status
    parts = _parts(joules, seconds or {how.otherwise: 1.0})
    known = {totals.cause: totals for totals in status.causes}
    for cause, part in parts.items():
        old = known.get(cause, CauseTotals(cause))
        known[cause] = CauseTotals(
            cause, round(old.seconds + seconds.get(cause, 0.0), SECONDS_DIGITS),
            round(old.joules + part, JOULES_DIGITS),
        )  # fmt: skip
    return replace(status, causes=tuple(known.values()))


def above(spent: Spent, mark: Spent) -> Spent:
    """What of `spent` is above `mark`, cause by cause."""
    old = {each.cause: each.seconds for each in mark}
    more = ((each.cause, round(each.seconds - old.get(each.cause, 0.0), SECONDS_DIGITS)) for each in spent)
    return tuple(CauseSeconds(cause, seconds) for cause, seconds in more if seconds > 0)


def highest(mark: Spent, spent: Spent) -> Spent:
    """The higher of both, cause by cause."""
    sums = {each.cause: each.seconds for each in mark}
    for each in spent:
        sums[each.cause] = max(each.seconds, sums.get(each.cause, 0.0))
    return tuple(CauseSeconds(cause, sums[cause]) for cause in TOLD_CAUSES if cause in sums)


def note_position(draft: Draft, before: Internal) -> None:
    """Remember the farthest step, and what had been used when the group was last seen to move. `before`: until where
    the ledger had been brought."""
    report = draft.report
    if report is None:
        return
    internal = draft.internal
    moved = draft.seen.now - timedelta(seconds=report.age_seconds + report.unchanged_seconds)
    if before.metered_time is None or moved > before.metered_time:
        internal = replace(internal, moved_joules=draft.energy.joules)
    if report.steps_done is not None:  # with which it is compared
        internal = replace(internal, farthest_step=max(internal.farthest_step, report.step))
    draft.internal = internal


def enter_hang(draft: Draft, report: Report) -> None:
    """The group of `report` hangs: what it has used since it last moved has gone to that."""
    joules = draft.energy.joules - draft.internal.moved_joules
    seconds, cause = report.unchanged_seconds, CAUSE_OF_PHASE.get(report.phase, "start")
    known = {totals.cause: totals for totals in draft.status.causes}
    hang = known.pop("hang", CauseTotals("hang"))
    for each in dict.fromkeys((cause, *_MAY_HANG)):
        old = known.get(each)
        if old is not None:
            part, time = round(min(joules, old.joules), JOULES_DIGITS), round(min(seconds, old.seconds), SECONDS_DIGITS)
            known[each] = _more(old, -time, -part)
            hang = _more(hang, time, part)
            joules, seconds = max(0.0, joules - part), max(0.0, seconds - time)
    draft.status = replace(draft.status, causes=(*known.values(), hang))


def with_waiting(causes: Sequence[CauseTotals], phases: Sequence[PhaseTotals]) -> tuple[CauseTotals, ...]:
    """`causes`, and the time in which no supervisor ran, by the seconds of each state: `queue` while the job waited for
    its power domain, `idle` for the rest, such as pods that are created. Nothing of the job uses energy then."""
    seconds = {totals.phase: totals.seconds for totals in phases}
    queue = sum(seconds.get(state, 0) for state in _WITHOUT_CHILDREN)
    active = sum(count for state, count in seconds.items() if state not in _NOT_COUNTED)
    idle = round(max(0.0, active - sum(totals.seconds for totals in causes)), SECONDS_DIGITS)
    return (*causes, CauseTotals("idle", idle), CauseTotals("queue", float(queue)))


def _with_repeated(seconds: dict[Cause, float], share: float) -> dict[Cause, float]:
    training = seconds.get("training", 0.0)
    again = round(training * share, SECONDS_DIGITS)
    if again <= 0:
        return seconds
    divided: dict[Cause, float] = {**seconds, "training": round(training - again, SECONDS_DIGITS)}
    divided["computed_again"] = again
    return {cause: each for cause, each in divided.items() if each > 0}


def _parts(joules: float, seconds: Mapping[Cause, float]) -> dict[Cause, float]:
    """`joules` in proportion to `seconds`; what rounding leaves goes to the largest part."""
    total = sum(seconds.values())
    parts = {cause: round(joules * each / total, JOULES_DIGITS) for cause, each in seconds.items()}
    largest = max(parts, key=lambda cause: parts[cause])
    parts[largest] = round(parts[largest] + joules - sum(parts.values()), JOULES_DIGITS)
    return parts


def _more(totals: CauseTotals, seconds: float, joules: float) -> CauseTotals:
    return CauseTotals(
        totals.cause, round(totals.seconds + seconds, SECONDS_DIGITS), round(totals.joules + joules, JOULES_DIGITS)
    )
