"""The decision about one job, told from top to bottom. Pure: the same observation always gives the same plan."""

from __future__ import annotations

from wattrain_operator.core import (
    best_point,
    blocked,
    budgets,
    clean_pauses,
    directing,
    group,
    ledger,
    lifecycle,
    log_keeping,
    notifying,
    phase_totals,
    power_cap,
    preemption_orders,
    preparation_intake,
    refusals,
    report_intake,
    shed_orders,
)
from wattrain_operator.core.conditions import derive_state, is_finished
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Observed, Plan
from wattrain_operator.core.roles import Role


def plan(seen: Observed) -> Plan:
    """Decide what to do now, and what to remember.

    Cause and cleanup are different passes: a failure only raises `status.attempt`; a later pass finds children of an
    older attempt and removes them, a later one finds that the new attempt lacks children and creates them. So an
    operator may die after any single write and another goes on from what is written.
    """
    draft = Draft(seen)
    if seen.job.metadata.deletion_timestamp is not None:
        return draft.to_plan()  # its children are owned by it and go with it
    lifecycle.first_sight(draft)
    phase_totals.begin(draft)
    ledger.account(draft)
    report_intake.take_report(draft)
    shed_orders.obey(draft)
    preemption_orders.obey(draft)
    _decide(draft)
    power_cap.hold(draft)
    best_point.find(draft)
    directing.direct(draft)
    budgets.show_use(draft)
    log_keeping.keep_last_lines(draft)
    if not is_finished(draft.status):
        blocked.report_what_stays(draft)
    derive_state(draft)
    preparation_intake.note_prepared(draft)
    phase_totals.note_state(draft)
    notifying.note_end(draft)
    notifying.notify(draft)
    report_intake.hold_figures_back(draft, seen.status)
    return draft.to_plan()


def _decide(draft: Draft) -> None:
    if lifecycle.fail_without_storage(draft) or lifecycle.wind_down_if_finished(draft):
        return
    if lifecycle.refuse_unsupported(draft) or lifecycle.is_outdated(draft):
        return
    if _all_workers_succeeded(draft):  # before a suspension: there is nothing left to suspend
        group.run_workers(draft)
        return
    if budgets.watch(draft):
        return
    clean_pauses.watch(draft)
    if lifecycle.suspend(draft) or lifecycle.admit(draft) or lifecycle.fail_if_too_long(draft):
        return
    if lifecycle.remove_stale(draft) or refusals.wait_while_refused(draft) or group.prepare(draft):
        return
    group.run_workers(draft)


def _all_workers_succeeded(draft: Draft) -> bool:
    workers = [c for c in draft.seen.children if c.role == Role.WORKER and c.attempt == draft.status.attempt]
    return len(workers) == draft.spec.workers.replicas and all(c.phase == "Succeeded" for c in workers)
