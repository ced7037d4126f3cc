"""What restarts of a script have cost.

A script need not say when it has saved a checkpoint of its own. What a restart of it costs is known when it reports a
step again: the joules that the step cost when it was reached before are not lost, what was spent since is. For that the
status keeps how many joules the steps so far have cost, at a few of them; between these, steps count as equal.
"""

from __future__ import annotations

from dataclasses import replace

from wattrain_api.status import StepJoules
from wattrain_operator.core import ledger
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import JOULES_DIGITS
from wattrain_operator.core.observed import Report

KEPT_STEPS = 12


def is_unknown(draft: Draft) -> bool:
    """Whether it cannot be said now what a restart has cost."""
    return draft.spec.script is not None and draft.status.checkpoint is None


def note_unknown(draft: Draft) -> None:
    """A restart has cost something that is not known yet."""
    draft.energy = replace(draft.energy, waste_is_known=False)


def settle(draft: Draft, report: Report) -> float | None:
    """The script trains again, at the step of `report`: enter what its restarts have cost since the last time that this
    was known. Returns it, in joules. None: it reports no step, so that this stays unknown."""
    if not report.step:
        return None
    energy, useful = draft.energy, _useful_joules(draft)
    known = _joules_at(draft.internal.step_joules, report.step)
    kept = ledger.joules_of_group(draft, report) if known is None else known
    lost = round(max(0.0, useful - kept), JOULES_DIGITS)
    wasted = round(energy.wasted_joules + lost, JOULES_DIGITS)
    draft.energy = replace(energy, wasted_joules=wasted, waste_is_known=True)
    return lost


def note_step(draft: Draft, report: Report) -> None:
    """Keep what the steps until that of `report` have cost."""
    if not is_unknown(draft) or not report.step or not draft.energy.waste_is_known:
        return
    old = draft.internal.step_joules
    if old and old[-1].step == report.step:
        return
    kept = [entry for entry in old if entry.step < report.step]
    if len(kept) == KEPT_STEPS:
        kept = kept[1::2]
    step_joules = (*kept, StepJoules(report.step, _useful_joules(draft)))
    draft.internal = replace(draft.internal, step_joules=step_joules)


def _useful_joules(draft: Draft) -> float:
    return round(draft.energy.joules - draft.energy.wasted_joules, JOULES_DIGITS)


def _joules_at(known: tuple[StepJoules, ...], step: int) -> float | None:
    """What the steps until `step` have cost; beyond the last that is known each as much as the mean. None: nothing is
    known."""
    if not known:
        return None
    before = StepJoules(0, 0.0)
    for entry in known:
        if step <= entry.step:
            share = (step - before.step) / (entry.step - before.step)
            return before.joules + share * (entry.joules - before.joules)
        before = entry
    return before.joules * step / before.step
