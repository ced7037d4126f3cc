"""The group of one attempt: the preparation, then all workers together, until all are done or one has failed."""

from __future__ import annotations

from datetime import datetime, timedelta

from wattrain_api import names, reasons
from wattrain_api.status import ModelStatus, WorkerCounts
from wattrain_operator.core import restarts
from wattrain_operator.core.blocked import tell_what_blocks
from wattrain_operator.core.conditions import condition_of, is_true, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import STARTING_PHASES, Child, CreateChild, Failure, Report, Role

HANG_STEPS = 10
"""A step that takes longer than so many mean steps is no slow step any more."""
LOOK_AGAIN_SECONDS = 60.0
"""When a child that was created is looked for: it may have been removed before anybody was told that it was there."""
PATIENCE_FACTOR = 5
"""Evaluation, checkpoints and export may take so much longer than a step."""
_PATIENT = ("evaluating", "checkpointing", "exporting")


def prepare(draft: Draft) -> bool:
    """Have the data prepared once, before any worker starts. True: not yet."""
    if draft.status.data_prepared or draft.spec.data is None or not draft.seen.shared_storage:
        return False
    child = next((c for c in draft.seen.children if c.role == "prepare"), None)
    if child is None:
        if _may_create(draft):
            draft.update(not_before=draft.now)  # from here on the start deadline counts
            _create(draft, "prepare", 0, workers=1)
            set_condition(draft, reasons.RUNNING, "False", reasons.PREPARING, "the data is being prepared")
        return True
    if child.phase == "Succeeded":
        draft.update(data_prepared=True, attempt_time=draft.now, not_before=None)
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "the data is prepared, the workers start")
        draft.tell(reasons.DATA_PREPARED, "the data is prepared")
    elif child.phase == "Failed":
        restarts.answer_failure(draft, *restarts.first_cause([child]))
    elif child.terminating_seconds is not None:
        _answer_loss(draft, [f"the preparation {child.name}"], child.rank, child.node)
    elif child.phase == "Pending":
        _hold_to_start(draft, [child])
    return True


def run_workers(draft: Draft) -> None:
    """Bring the group up, watch over it, and answer its end."""
    desired = draft.spec.workers.replicas
    workers = [c for c in draft.seen.children if c.role == "worker" and c.attempt == draft.status.attempt]
    failed = [c for c in workers if c.phase == "Failed"]
    old = draft.status.workers
    counts = WorkerCounts(
        desired=desired, ready=sum(c.ready for c in workers), failed=len(failed), updated_time=old.updated_time
    )
    if counts != old:
        draft.update(workers=counts.model_copy(update={"updated_time": draft.now}))
    missing = sorted(set(range(desired)) - {c.rank for c in workers})
    leaving = [c for c in workers if c.terminating_seconds is not None and not c.ended]
    if failed:
        replaced = [c.rank for c in workers if c.phase == "Pending"]  # the survivor cannot mean one that never ran
        _answer_failed(draft, failed, sorted([*(c.rank for c in leaving), *replaced, *missing]))
    elif leaving:
        _answer_loss(draft, [f"worker {c.name}" for c in leaving], leaving[0].rank, leaving[0].node)
    elif missing and (draft.status.group_complete or _has_trained(draft)):
        _answer_missing(draft, missing)
    elif missing:
        _create_missing(draft, missing)
    elif all(c.phase == "Succeeded" for c in workers):
        _complete(draft, workers)
    else:
        if not draft.status.group_complete:
            draft.update(group_complete=True)
        _watch(draft, workers)


def _may_create(draft: Draft) -> bool:
    """Whether the time has come, and a view that misses no child of an earlier attempt."""
    not_before = draft.status.not_before
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
        draft.update(not_before=draft.now)  # the old workers are gone: from here on the start deadline counts
    for rank in missing:
        _create(draft, "worker", rank, workers=draft.spec.workers.replicas)
    running = condition_of(draft.status, reasons.RUNNING)
    if running.reason not in (reasons.RESTARTING, reasons.STARTING):
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "the workers start")


def _create(draft: Draft, role: Role, rank: int, *, workers: int) -> None:
    attempt = draft.status.attempt
    name = names.child_name(draft.seen.job.metadata.name, role, attempt, rank)
    budget, joules = restarts.in_place_budget(draft), draft.status.energy.joules
    draft.create(CreateChild(name, role, attempt, rank, workers, budget, joules))
    draft.wake_after(LOOK_AGAIN_SECONDS)


def _answer_failed(draft: Draft, failed: list[Child], gone: list[int]) -> None:
    """Workers have failed. Where all that they know is that a peer is lost, its being taken away is the cause; and it
    is looked up at the source, for the failure of a survivor may be seen before the end of the one it names. In a
    group that was never seen complete, the lost peer may have been replaced already."""
    failure, meaning = restarts.first_cause(failed)
    if meaning.reason != reasons.PEER_LOST:
        restarts.answer_failure(draft, failure, meaning)
    elif not draft.seen.fresh:
        draft.needs_fresh_view = True
    elif gone or not draft.status.group_complete:
        _answer_loss(draft, [f"worker {rank}" for rank in gone] or ["a worker"], gone[0] if gone else None)
    else:
        restarts.answer_failure(draft, failure, meaning)


def _answer_missing(draft: Draft, missing: list[int]) -> None:
    """Workers that were there and are not: lost, if the source itself does not have them either."""
    if not draft.seen.fresh:
        draft.needs_fresh_view = True
        return
    _answer_loss(draft, [f"worker {rank}" for rank in missing], missing[0])


def _answer_loss(draft: Draft, who: list[str], rank: int | None, node: str = "") -> None:
    step = draft.status.progress.step if draft.status.progress is not None else 0
    line = f"{', '.join(who[:5])}{' and others' if len(who) > 5 else ''} is gone"
    failure = Failure(reasons.WORKER_LOST, rank=rank, node=node, last_line=line, step=step)
    restarts.answer_failure(draft, failure, restarts.DISRUPTION)


def _complete(draft: Draft, workers: list[Child]) -> None:
    word = next((c.last_word for c in workers if c.rank == 0), None)
    metrics, uri = (None, "") if word is None else (word.test, word.model_uri)
    message = "the worker is done" if len(workers) == 1 else f"all {len(workers)} workers are done"
    if not draft.seen.shared_storage:
        uri, message = "", f"{message}; what they wrote goes with their pods, for storage is ephemeral"
    draft.update(completion_time=draft.now, model=ModelStatus(uri=uri, metrics=metrics))
    set_condition(draft, reasons.COMPLETE, "True", reasons.JOB_COMPLETE, message)
    set_condition(draft, reasons.RUNNING, "False", reasons.JOB_COMPLETE, message)
    draft.tell(reasons.JOB_COMPLETE, message)


def _watch(draft: Draft, workers: list[Child]) -> None:
    answering = all(c.ready or c.phase == "Succeeded" for c in workers)
    _tell_whether_running(draft, len(workers), answering)
    report = draft.seen.report
    if report is not None and (report.attempt, report.role) != (draft.status.attempt, "worker"):
        report = None
    if _has_trained(draft) or (draft.spec.script is not None and report is not None and answering):
        if report is not None and report.total_steps:
            _hold_to_progress(draft, report)
        elif report is None and not answering:
            _hold_to_answer(draft, workers)
    elif report is not None or not answering:  # else an operator that has just started: it has not asked yet
        _hold_to_start(draft, workers)


def _tell_whether_running(draft: Draft, workers: int, answering: bool) -> None:
    running = is_true(draft.status, reasons.RUNNING)
    if answering and not running:
        set_condition(draft, reasons.RUNNING, "True", reasons.WORKERS_RUNNING, "all workers are running")
        draft.tell(reasons.WORKERS_RUNNING, f"all {workers} workers of attempt {draft.status.attempt} are running")
    elif running and not answering:
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "a worker does not answer")


def _has_trained(draft: Draft) -> bool:
    """Whether this attempt's group has left its start behind. The status remembers it, for an operator that has just
    started knows no report, and must not take a group that has trained for hours for one that does not start."""
    progress = draft.status.progress
    return draft.status.in_place_seen > 0 or (progress is not None and progress.phase not in STARTING_PHASES)


def _hold_to_start(draft: Draft, workers: list[Child]) -> None:
    """Until the first step only the start deadline counts: pulling, importing and compiling are not hanging."""
    since, limit = _silent_since(draft), draft.spec.policy.start_deadline_seconds
    tell_what_blocks(draft, workers, since)
    if not _is_over(draft, since, limit):
        return
    waiting = _silent(workers)
    message = f"no first step within policy.startDeadlineSeconds ({limit}); "
    message += f"waiting for {', '.join(waiting)}" if waiting else "all workers run, but none has trained a step"
    restarts.fail(draft, reasons.START_DEADLINE_EXCEEDED, message)


def _hold_to_answer(draft: Draft, workers: list[Child]) -> None:
    """A group that has trained and of which nothing is heard any more is given as long as one that starts."""
    limit = draft.spec.policy.start_deadline_seconds
    if _is_over(draft, _silent_since(draft), limit):
        line = f"no answer for {limit} s from {', '.join(_silent(workers))}"
        step = draft.status.progress.step if draft.status.progress is not None else 0
        failure = Failure(reasons.NO_PROGRESS, reasons.EXIT_NO_PROGRESS, last_line=line, step=step)
        restarts.answer_failure(draft, failure, reasons.meaning_of_exit(reasons.EXIT_NO_PROGRESS))


def _silent_since(draft: Draft) -> datetime:
    """Since when the group has been waited for: its creation, or the end of its running."""
    running = condition_of(draft.status, reasons.RUNNING)
    stopped = running.last_transition_time if running.status == "False" else None
    return max(t for t in (draft.status.attempt_time, draft.status.not_before, stopped) if t is not None)


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


def _hold_to_progress(draft: Draft, report: Report) -> None:
    limit = max(float(draft.spec.policy.progress_deadline_seconds), HANG_STEPS * report.step_seconds)
    if report.phase in _PATIENT:
        limit *= PATIENCE_FACTOR
    if report.phase in STARTING_PHASES:  # a restart in place starts anew
        limit = max(limit, float(draft.spec.policy.start_deadline_seconds))
    if report.unchanged_seconds < limit:
        draft.wake_after(limit - report.unchanged_seconds)
        return
    waited = f"for {report.unchanged_seconds:.0f} s, longer than {limit:.0f} s"
    line = f"{report.phase} has not moved from step {report.step} {waited}"
    failure = Failure(reasons.NO_PROGRESS, reasons.EXIT_NO_PROGRESS, last_line=line, step=report.step)
    restarts.answer_failure(draft, failure, reasons.meaning_of_exit(reasons.EXIT_NO_PROGRESS))
