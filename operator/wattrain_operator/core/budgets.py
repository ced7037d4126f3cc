"""What a job may spend over its life: a warning near the end of it, and at the end what spec.energy.budget.action says.

A job is held before it has spent all, so that its last checkpoint fits: what is kept for that is its power times the
time that has passed since the report, until the next one, and that a checkpoint and the end take. While the job is held
this reserve is kept in the status, for a job that has stopped draws nothing, and would go on by what that leaves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wattrain_api import reasons
from wattrain_api.contract.phases import STARTING_PHASES
from wattrain_api.energy import Budget
from wattrain_api.status import BudgetAmounts, BudgetMarks, BudgetStatus, Hold, budget_unit
from wattrain_operator.core import holding, restarts
from wattrain_operator.core.budget_amounts import (
    Use,
    amounts_of,
    larger,
    limits_of,
    measured_share,
    spent_of,
    uses_of,
)
from wattrain_operator.core.conditions import is_true, set_condition
from wattrain_operator.core.draft import Draft

NEAR_RATIO: Final = 0.8
"""From this share on it is warned."""
MEASURED_RATIO: Final = 0.5
"""Where a smaller share of the joules is measured, it is warned alone, unless allowEstimated says otherwise."""
UNKNOWN_CHECKPOINT_SECONDS: Final = 5.0
"""A first checkpoint is expected to take so long. Our choice: of models that train on a laptop it takes less."""
ENDING_SECONDS: Final = 3.0
"""From the decision until the processes have gone, beside the checkpoint. Measured with two ranks on two busy cores: 1
to 3 s."""
_DIGITS: Final = 6
_RAISED: Final = "spec.energy.budget is raised"


def show_use(draft: Draft) -> None:
    """Bring status.budget up to the ledger, of a job that has ended too."""
    budget = draft.spec.energy.budget
    shown = None if budget is None else _shown(draft, budget)
    if shown != draft.status.budget:
        draft.status = replace(draft.status, budget=shown)


def watch(draft: Draft) -> bool:
    """Compare what is spent with the budget, warn, hold the job or let it go on. True: it has ended by its budget."""
    budget = draft.spec.energy.budget
    if budget is None:
        holding.lift(draft, reasons.BUDGET_SPENT)
        if draft.internal.budget is not None:
            draft.internal = replace(draft.internal, budget=None)
        return False
    marks, reserve = _marks(draft, budget), _reserve(draft, budget)
    if marks.reserve is not None:
        reserve = larger(reserve, marks.reserve)
    uses = list(uses_of(marks.limits, spent_of(draft.energy, budget.basis), reserve))
    over = next((use for use in uses if use.is_over), None)
    if over is not None and budget.action != "Warn" and (marks.reserve is not None or _may_act(draft, budget)):
        return _stop(draft, budget, over, replace(marks, reserve=marks.reserve or reserve))
    holding.lift(draft, reasons.BUDGET_SPENT)
    _warn(draft, budget, replace(marks, reserve=None), max(uses, key=_used_ratio))
    return False


def _marks(draft: Draft, budget: Budget) -> BudgetMarks:
    """What was told of these limits; of others nothing."""
    known, limits = draft.internal.budget, limits_of(budget)
    if known is None or known.limits == limits:
        return known or BudgetMarks(limits)
    return BudgetMarks(limits, reserve=known.reserve)


def _reserve(draft: Draft, budget: Budget) -> BudgetAmounts:
    report, watts = draft.seen.report, draft.energy.watts
    if report is None or not watts:
        return BudgetAmounts()
    saving = UNKNOWN_CHECKPOINT_SECONDS if report.checkpoint_seconds is None else report.checkpoint_seconds
    saving = 0.0 if report.phase in STARTING_PHASES else saving  # nothing has been trained that could be saved
    seconds = report.age_seconds + report.interval_seconds + saving + ENDING_SECONDS
    return amounts_of(watts * seconds, budget.basis, draft.seen)


def _may_act(draft: Draft, budget: Budget) -> bool:
    return budget.allow_estimated or measured_share(draft.energy) >= MEASURED_RATIO


def _used_ratio(use: Use) -> float:
    return use.used_ratio


def _shown(draft: Draft, budget: Budget) -> BudgetStatus:
    spent = spent_of(draft.energy, budget.basis)
    use = max(uses_of(limits_of(budget), spent, BudgetAmounts()), key=_used_ratio)
    forecast = _forecast(draft, budget, use)
    return BudgetStatus(use.limit_by, round(use.spent, _DIGITS), use.limit, round(use.used_ratio, _DIGITS), forecast)


def _forecast(draft: Draft, budget: Budget, use: Use) -> float | None:
    """What will be spent at the end / limit."""
    progress, watts = draft.status.progress, draft.energy.watts
    if progress is None or progress.eta_seconds is None or watts is None:
        return None
    left = amounts_of(watts * progress.eta_seconds, budget.basis, draft.seen)
    more = {"energyKWh": left.energy_kwh, "carbonGrams": left.carbon_grams, "cost": left.cost}[use.limit_by]
    return round((use.spent + more) / use.limit, 3)


def _stop(draft: Draft, budget: Budget, over: Use, marks: BudgetMarks) -> bool:
    """Hold the job; one that is to end does so once its workers have saved and are gone."""
    why = f"{_name(draft, over)} is spent"
    draft.internal = replace(draft.internal, budget=marks)
    if budget.action != "Stop":
        holding.put(draft, Hold(reasons.BUDGET_SPENT, why, _RAISED, by_itself=False))
        return False
    if not is_true(draft.status, reasons.SUSPENDED):
        holding.put(draft, Hold(reasons.BUDGET_SPENT, why, f"{_RAISED} before its workers have stopped"))
        return False
    holding.lift(draft, reasons.BUDGET_SPENT)
    set_condition(draft, reasons.SUSPENDED, "False", reasons.NOT_SUSPENDED, "")
    restarts.fail(draft, reasons.BUDGET_SPENT, f"{why}, and spec.energy.budget.action is Stop")
    return True


def _warn(draft: Draft, budget: Budget, marks: BudgetMarks, nearest: Use) -> None:
    """Tell once of each: that the budget is nearly spent, and that it is spent and the job goes on."""
    name, ratio = _name(draft, nearest), nearest.used_ratio
    if ratio >= 1 and not marks.spent_told:
        told = f"{name} is spent; the job goes on, for {_why_it_goes_on(draft, budget)}"
        draft.add_event(reasons.BUDGET_SPENT, told, warning=True)
        marks = replace(marks, near_told=True, spent_told=True)
    elif ratio >= NEAR_RATIO and not marks.near_told:
        told = f"{100 * ratio:.0f} % of {name} is spent{_expected(draft)}; once all is, {_consequence(draft, budget)}"
        draft.add_event(reasons.BUDGET_NEAR, told, warning=True)
        marks = replace(marks, near_told=True)
    if draft.internal.budget != marks and (marks != BudgetMarks(marks.limits) or draft.internal.budget is not None):
        draft.internal = replace(draft.internal, budget=marks)


def _consequence(draft: Draft, budget: Budget) -> str:
    if budget.action == "Warn" or not _may_act(draft, budget):
        return f"the job goes on, for {_why_it_goes_on(draft, budget)}"
    return "the job saves and ends as failed" if budget.action == "Stop" else "the job saves and is suspended"


def _why_it_goes_on(draft: Draft, budget: Budget) -> str:
    if budget.action == "Warn":
        return "spec.energy.budget.action is Warn"
    percent = 100 * measured_share(draft.energy)
    measured = f"only {percent:.0f} % of its energy is measured"
    return f"{measured}; with spec.energy.budget.allowEstimated: true it would be stopped"


def _expected(draft: Draft) -> str:
    shown = draft.status.budget
    if shown is None or shown.forecast_ratio is None:
        return ""
    return f", and the job will take {100 * shown.forecast_ratio:.0f} % at its present power"


def _name(draft: Draft, use: Use) -> str:
    """`the budget of 2 kWh (energyKWh)`."""
    tariff = draft.seen.domain.tariff
    currency = draft.energy.currency or ("" if tariff is None else tariff.currency)
    return f"the budget of {use.limit:g}{budget_unit(use.limit_by, currency)} ({use.limit_by})"
