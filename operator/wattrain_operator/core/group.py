"""The group of one attempt: the preparation, then all workers together, until all are done or one has failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api import names, reasons
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.phases import LONG_PHASES, STARTING_PHASES
from wattrain_api.status import ModelStatus, WorkerCounts
from wattrain_operator.core import energy_causes, losses, refusals, restarts
from wattrain_operator.core.blocked import report_what_blocks
from wattrain_operator.core.conditions import condition_of, is_true, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.lifecycle import end_child
from wattrain_operator.core.observed import Child, CreateChild, Report
from wattrain_operator.core.roles import Role

HANG_STEPS = 10
"""A step that takes longer than so many mean steps is no slow step any more."""
LOOK_AGAIN_SECONDS = 60.0
"""When a child that was created is looked for: it may have been removed before anybody was told that it was there."""
PATIENCE_FACTOR = 5
"""Evaluation, checkpoints and export may take so much longer than a step."""


def prepare(draft: Draft) -> bool:
    """Have the data prepared once, before any worker starts. True: not yet."""
    child = next((c for c in draft.seen.children if c.role == Role.PREPARE), None)
    if draft.internal.data_prepared or draft.spec.data is None or not draft.seen.shared_storage:
        if child is not None and child.others_run:
            end_child(draft, child)
        return False
    if child is None:
        if losses.was_there(draft, Role.PREPARE, 0):  # created again and again, it would cost energy without end
            losses.answer_missing(draft, [0], Role.PREPARE)
        elif _may_create(draft):
            draft.internal = replace(draft.internal, not_before=draft.now)  # from here on the start deadline counts
            _create(draft, Role.PREPARE, 0, workers=1)
            if not refusals.is_told(draft):
                set_condition(draft, reasons.RUNNING, "False", reasons.PREPARING, "the data is being prepared")
        return True
    if child.phase == "Succeeded":
        draft.internal = replace(draft.internal, data_prepared=True, attempt_time=draft.now, not_before=None)
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "the data is prepared, the workers start")
        draft.add_event(reasons.DATA_PREPARED, "the data is prepared")
        if child.termination is not None:
            draft.status = replace(draft.status, unreadable_samples=child.termination.unreadable_samples)
            for warning in child.termination.warnings:
                draft.add_event(reasons.DATA_DOUBTFUL, warning, warning=True)
    elif child.phase == "Failed":
        restarts.answer_failure(draft, *restarts.cause_of([child]))
    elif child.terminating_seconds is not None:
        losses.answer_loss(draft, [child.worker], Role.PREPARE)
    elif child.phase == "Pending":
        _hold_to_start(draft, [child])
    return True


def run_workers(draft: Draft) -> None:
    """Bring the group up, watch over it, and answer its end."""
    desired = draft.spec.workers.replicas
    workers = [c for c in draft.seen.children if c.role == Role.WORKER and c.attempt == draft.status.attempt]
    failed = [c for c in workers if c.phase == "Failed"]
    counts = WorkerCounts(desired=desired, ready=sum(c.ready for c in workers), failed=len(failed))
    if counts != draft.status.workers:
        draft.status = replace(draft.status, workers=counts)
        draft.internal = replace(draft.internal, workers_time=draft.now)
    missing = sorted(set(range(desired)) - {c.worker for c in workers})
    leaving = [c for c in workers if c.terminating_seconds is not None and not c.ended]
    if failed:
        replaced = [c.worker for c in workers if c.phase == "Pending"]  # the survivor cannot mean one that never ran
        losses.answer_failed(draft, failed, sorted(c.worker for c in leaving), missing, replaced)
    elif leaving:
        losses.answer_loss(draft, sorted(c.worker for c in leaving))
    elif missing and (draft.internal.group_complete or _has_trained(draft)):
        losses.answer_missing(draft, missing)
    elif missing:
        _create_missing(draft, missing)
    elif all(c.phase == "Succeeded" for c in workers):
        _complete(draft, workers)
    else:
        if not draft.internal.group_complete:
            draft.internal = replace(draft.internal, group_complete=True)
        _watch(draft, workers)


def _may_create(draft: Draft) -> bool:
    """Whether the time has come, and a view that misses no child of an earlier attempt."""
    not_before = draft.internal.not_before
    if not_before is not None and draft.seen.now < not_before:
        draft.wake_at(not_before)
        return False
    if not draft.seen.fresh:
        draft.needs_fresh_view = True
        return False
    return True


def _create_missing(draft: Draft, missing: list[int]) -> None:
    if not _may_create(draft):
        return
    if len(missing) == draft.spec.workers.replicas:
        # The old workers are gone: from here on the start deadline counts.
        draft.internal = replace(draft.internal, not_before=draft.now)
    for worker in missing:
        _create(draft, Role.WORKER, worker, workers=draft.spec.workers.replicas)
    running = condition_of(draft.status, reasons.RUNNING)
    if running.reason not in (reasons.RESTARTING, reasons.STARTING) and not refusals.is_told(draft):
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "the workers start")


def _create(draft: Draft, role: Role, worker: int, *, workers: int) -> None:
    attempt = draft.status.attempt
    name = names.child_name(draft.seen.job.metadata.name, role, attempt, worker)
    budget, energy = restarts.in_place_budget(draft), draft.status.energy
    joules = (energy.joules, energy.low, energy.high)
    draft.create(CreateChild(name, role, attempt, worker, workers, budget, *joules))
    draft.wake_after(LOOK_AGAIN_SECONDS)


def _complete(draft: Draft, workers: list[Child]) -> None:
    left = next((c.termination for c in workers if c.worker == 0), None)
    model = ModelStatus()
    if left is not None:
        model = ModelStatus(left.model_uri, left.test, left.model_step, left.model_choice)
    message = "the worker is done" if len(workers) == 1 else f"all {len(workers)} workers are done"
    if not draft.seen.shared_storage:
        model, message = (
            replace(model, uri=""),
            f"{message}; what they wrote goes with their pods, for storage is ephemeral",
        )
    draft.status = replace(draft.status, completion_time=draft.now, model=model)
    restarts.stop_figures(draft)
    set_condition(draft, reasons.COMPLETE, "True", reasons.JOB_COMPLETE, message)
    set_condition(draft, reasons.RUNNING, "False", reasons.JOB_COMPLETE, message)
    draft.add_event(reasons.JOB_COMPLETE, message)


def _watch(draft: Draft, workers: list[Child]) -> None:
    answering = all(c.ready or c.phase == "Succeeded" for c in workers)
    _answer_whether_running(draft, len(workers), answering)
    report = draft.report
    if _has_trained(draft) or (draft.spec.script is not None and report is not None and answering):
        hangs = report is not None and _tells_steps(draft) and _answer_hang(draft, report)
        if not answering and not hangs:
            _hold_to_answer(draft, workers, report)
    elif report is not None or not answering:  # else an operator that has just started: it has not asked yet
        _hold_to_start(draft, workers)


def _answer_whether_running(draft: Draft, workers: int, answering: bool) -> None:
    running = is_true(draft.status, reasons.RUNNING)
    if answering and not running:
        set_condition(draft, reasons.RUNNING, "True", reasons.WORKERS_RUNNING, "all workers are running")
        draft.add_event(reasons.WORKERS_RUNNING, f"all {workers} workers of attempt {draft.status.attempt} are running")
    elif running and not answering:
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "a worker does not answer")


def _has_trained(draft: Draft) -> bool:
    """Whether this attempt's group has left its start behind. The status remembers it, for an operator that has just
    started knows no report, and must not take a group that has trained for hours for one that does not start."""
    progress = draft.status.progress
    return draft.internal.in_place_seen > 0 or (progress is not None and progress.phase not in STARTING_PHASES)


def _tells_steps(draft: Draft) -> bool:
    """Whether no new step means no progress: of a script that has never told one, nothing can be said."""
    progress = draft.status.progress
    return draft.spec.script is None or (
        progress is not None and (progress.step > 0 or progress.phase not in STARTING_PHASES)
    )


def _hold_to_start(draft: Draft, workers: list[Child]) -> None:
    """Until the first step only the start deadline counts: pulling, importing and compiling are not hanging."""
    since, limit = _silent_since(draft), draft.spec.policy.start_deadline_seconds
    report_what_blocks(draft, workers, since)
    if not _is_over(draft, since, limit):
        return
    waiting = _silent(workers)
    message = f"no first step within policy.startDeadlineSeconds ({limit}); "
    message += f"waiting for {', '.join(waiting)}" if waiting else "all workers run, but none has trained a step"
    restarts.fail(draft, reasons.START_DEADLINE_EXCEEDED, message)


def _hold_to_answer(draft: Draft, workers: list[Child], report: Report | None) -> None:
    """A group that has trained and of which nothing is heard any more is given as long as one that starts."""
    limit, since = draft.spec.policy.start_deadline_seconds, _silent_since(draft)
    if report is not None:
        since = max(since, draft.seen.now - timedelta(seconds=report.age_seconds))
    if _is_over(draft, since, limit):
        line = f"no answer for {limit} s from {', '.join(_silent(workers))}"
        step = draft.status.progress.step if draft.status.progress is not None else 0
        _answer_no_progress(draft, line, step)


def _silent_since(draft: Draft) -> datetime:
    """Since when the group has been waited for: its creation, or the end of its running."""
    running = condition_of(draft.status, reasons.RUNNING)
    stopped = running.last_transition_time if running.status == "False" else None
    return max(t for t in (draft.internal.attempt_time, draft.internal.not_before, stopped) if t is not None)


def _silent(workers: list[Child]) -> list[str]:
    return [f"{c.name} ({c.message or c.phase})" for c in workers if not (c.ready or c.phase == "Succeeded")][:5]


def _is_over(draft: Draft, since: datetime, limit_seconds: float) -> bool:
    """Whether a deadline has passed, by a view that cannot be older than the deadline itself."""
    over = since + timedelta(seconds=limit_seconds)
    if draft.seen.now < over:
        draft.wake_at(over)
        return False
    if not draft.seen.fresh:
        draft.needs_fresh_view = True
    return draft.seen.fresh


def _answer_hang(draft: Draft, report: Report) -> bool:
    """Whether the group hangs, by its own answers; if so, it is dealt with."""
    limit = max(float(draft.spec.policy.progress_deadline_seconds), HANG_STEPS * report.step_seconds)
    if report.phase in LONG_PHASES:
        limit *= PATIENCE_FACTOR
    if report.phase in STARTING_PHASES:  # a restart in place starts anew
        limit = max(limit, float(draft.spec.policy.start_deadline_seconds))
    limit /= 1.0 if draft.status.power_cap is None else draft.status.power_cap.duty_ratio  # what is slowed is no hang
    if report.unchanged_seconds < limit:
        left = limit - report.unchanged_seconds - report.age_seconds
        if left > 0:  # later, only another answer shows whether it moves
            draft.wake_after(left)
        return False
    energy_causes.enter_hang(draft, report)
    waited = f"for {report.unchanged_seconds:.0f} s, longer than {limit:.0f} s"
    line = f"{report.phase} has not moved from step {report.step} {waited}"
    if report.ranks_left:
        who = ", ".join(f"rank {rank}" for rank in report.ranks_left[:5])
        line += f"; {who} had left with exit code 0 while others still ran"
    elif draft.spec.script is not None:
        line += " (a script that tells steps less often needs a larger policy.progressDeadlineSeconds)"
    _answer_no_progress(draft, line, report.step)
    return True


def _answer_no_progress(draft: Draft, line: str, step: int) -> None:
    """No process has ended, so the failure has no exit code; it counts as that of our own for a hang does."""
    failure = Failure(reasons.NO_PROGRESS, last_line=line, step=step)
    restarts.answer_failure(draft, failure, reasons.meaning_of_exit(reasons.EXIT_NO_PROGRESS))
