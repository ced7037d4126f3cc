"""From first sight to the last trace: admission, suspension, deadline of the whole job, what stays afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from wattrain_api import reasons
from wattrain_api.status import Hold, QueueStatus
from wattrain_api.support import unpriced, unsupported
from wattrain_operator.core import clean_hours, notifying, restarts, stopping
from wattrain_operator.core.conditions import condition_of, is_finished, is_true, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.holding import BY_ITS_USER, hold_of
from wattrain_operator.core.observed import Child, Grant

NODE_LOST_SECONDS = 90.0
"""How long a worker may take to end before its machine is given up: the grace of its checkpoint and a minute."""
STORAGE_IS_EPHEMERAL = (
    "storage is ephemeral: model and checkpoints do not outlive the job's pods; to keep them, name a claim in "
    "spec.storage.claim"
)


def first_sight(draft: Draft) -> None:
    """Answer every question once, so that `kubectl wait` and a reader find all conditions from the start."""
    if draft.status.conditions:
        return
    set_condition(draft, reasons.ADMITTED, "Unknown", reasons.PENDING, "the job has just been seen")
    set_condition(draft, reasons.RUNNING, "False", reasons.PENDING, "no worker has been started")
    set_condition(draft, reasons.SUSPENDED, "False", reasons.NOT_SUSPENDED, "")
    set_condition(draft, reasons.COMPLETE, "False", reasons.NOT_FINISHED, "")
    set_condition(draft, reasons.FAILED, "False", reasons.NOT_FINISHED, "")


def wind_down_if_finished(draft: Draft) -> bool:
    """A finished job stays finished, whatever becomes of its workers: remove them, and at last itself."""
    if not is_finished(draft.status):
        return False
    keep, complete = draft.spec.policy.keep_pods, is_true(draft.status, reasons.COMPLETE)
    for child in draft.seen.children:
        if complete and child.role.traits.outlives_completion:
            continue
        kept = (
            child.ended and not child.others_run and (keep == "All" or (keep == "Failed" and child.phase == "Failed"))
        )
        if not kept:
            end_child(draft, child)
    ttl, completed = draft.spec.policy.ttl_seconds_after_finished, draft.status.completion_time
    if ttl is not None and completed is not None:
        over = completed + timedelta(seconds=ttl)
        told = draft.seen.receiver is None or not notifying.is_awaited(draft.status)
        draft.delete_job = draft.seen.now >= over and told
        if draft.seen.now < over:
            draft.wake_at(over)
    return True


def fail_without_storage(draft: Draft) -> bool:
    """A job whose status cannot be kept any more ends while that can still be said. True: it has ended just now."""
    if not draft.seen.storage_failure or is_finished(draft.status):
        return False
    restarts.fail(draft, reasons.STORAGE_UNAVAILABLE, draft.seen.storage_failure)
    return True


def refuse_unsupported(draft: Draft) -> bool:
    """Fail a job that asks for what this version does not do, instead of doing something else. One that another version
    has admitted goes on as it was: an upgrade of the operator ends no training."""
    if draft.status.attempt and draft.status.observed_generation == draft.seen.job.metadata.generation:
        return False
    problems = unsupported(draft.spec)
    if problems:
        restarts.fail(draft, reasons.NOT_SUPPORTED, "; ".join(f"{field}: {sentence}" for field, sentence in problems))
    return bool(problems)


def is_outdated(draft: Draft) -> bool:
    """Whether there are children of an attempt that the status does not know: then it was read before it was written
    again, and would have the current workers removed."""
    if draft.seen.fresh or all(c.attempt <= draft.status.attempt for c in draft.seen.children):
        return False
    draft.needs_fresh_view = True
    return True


def suspend(draft: Draft) -> bool:
    """Stop the workers of a job that is held; they save a checkpoint. That they are gone is noted before it is said."""
    hold, suspended = hold_of(draft.spec, draft.status), is_true(draft.status, reasons.SUSPENDED)
    if hold is None:
        _go_on(draft, suspended)
        return False
    if draft.seen.children:
        stopping.note_failed_save(draft)
        saves = not suspended and stopping.wait_for_group_to_stop(draft)
        for child in draft.seen.children:
            if not (saves and stopping.is_asked(draft, child)):
                end_child(draft, child)
        if suspended:  # an old view, or a late child: the job stays suspended
            return True
        why = "" if hold == BY_ITS_USER else f"{hold.why}; "
        set_condition(
            draft, reasons.SUSPENDED, "False", reasons.SUSPENDING, f"{why}waiting for the workers to save and stop"
        )
        if is_true(draft.status, reasons.RUNNING):
            set_condition(draft, reasons.RUNNING, "False", reasons.SUSPENDING, "the workers are being stopped")
        return True
    if suspended:
        _say_what_holds_it(draft, hold)
    elif draft.seen.fresh:
        _set_suspended(draft, hold)
    else:
        draft.needs_fresh_view = True
    return True


def _go_on(draft: Draft, suspended: bool) -> None:
    """Nothing holds the job any more, or nothing does."""
    if draft.internal.stop_time is not None:
        draft.internal = replace(draft.internal, stop_time=None)
    if suspended:
        set_condition(draft, reasons.SUSPENDED, "False", reasons.JOB_RESUMED, "")
        again = "goes on after a suspension" if draft.status.attempt else "may start, being suspended no more"
        set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, f"the job {again}")
        draft.add_event(reasons.JOB_RESUMED, f"the job {again}")
    elif condition_of(draft.status, reasons.SUSPENDED).reason == reasons.SUSPENDING:
        set_condition(draft, reasons.SUSPENDED, "False", reasons.NOT_SUSPENDED, "")


def admit(draft: Draft) -> bool:
    """Wait for the grant of the fleet. True: nothing else can be done yet."""
    grant = draft.seen.grant
    if is_true(draft.status, reasons.ADMITTED):
        _note_what_became_of_the_domain(draft, grant)
        return False
    if clean_hours.wait(draft):
        return True
    if not grant.granted:
        _wait_for(draft, grant)
        return True
    if draft.status.attempt == 0:
        if _refuse_unpriced(draft):
            return True
        draft.status = replace(draft.status, attempt=1)
    draft.status = replace(draft.status, start_time=draft.status.start_time or draft.now, queue=QueueStatus())
    draft.internal = replace(
        draft.internal, active_since=draft.now, attempt_time=draft.now, not_before=None, queue_time=None
    )
    set_condition(draft, reasons.ADMITTED, "True", reasons.JOB_ADMITTED, _admitted(draft, grant))
    draft.add_event(reasons.JOB_ADMITTED, f"admitted to power domain {draft.spec.energy.power_domain}")
    if not draft.seen.shared_storage:
        draft.add_event(reasons.EPHEMERAL_STORAGE, STORAGE_IS_EPHEMERAL, warning=True)
    return False


def _refuse_unpriced(draft: Draft) -> bool:
    """Fail a job that has never run and whose budget its power domain cannot count."""
    problems = unpriced(draft.spec, draft.seen.domain)
    if problems:
        restarts.fail(draft, reasons.BAD_SPEC, "; ".join(f"{field}: {sentence}" for field, sentence in problems))
    return bool(problems)


def _admitted(draft: Draft, grant: Grant) -> str:
    ephemeral = "" if draft.seen.shared_storage else STORAGE_IS_EPHEMERAL
    return "; ".join(part for part in ("the job may run", grant.message, ephemeral) if part)


def _wait_for(draft: Draft, grant: Grant) -> None:
    if grant.reason == reasons.PENDING:
        return
    queue = QueueStatus(grant.position, grant.held_by, grant.expected_start)
    if queue != draft.status.queue:
        draft.status = replace(draft.status, queue=queue)
        draft.internal = replace(draft.internal, queue_time=draft.now)
    if condition_of(draft.status, reasons.ADMITTED).reason != grant.reason:
        draft.add_event(grant.reason, grant.message, warning=grant.reason != reasons.QUEUED)
    set_condition(draft, reasons.ADMITTED, "False", grant.reason, grant.message)


def _note_what_became_of_the_domain(draft: Draft, grant: Grant) -> None:
    """A job that runs goes on without its domain: but not without a word, for its carbon and cost depend on it."""
    admitted = condition_of(draft.status, reasons.ADMITTED)
    lost = grant.reason in (reasons.POWER_DOMAIN_NOT_FOUND, reasons.POWER_DOMAIN_UNREADABLE)
    if lost and admitted.reason != grant.reason:
        message = f"{grant.message}; until then its carbon is counted by the world's mean, and no cost"
        set_condition(draft, reasons.ADMITTED, "True", grant.reason, message)
        draft.add_event(grant.reason, message, warning=True)
    elif not lost and admitted.reason != reasons.JOB_ADMITTED:
        set_condition(draft, reasons.ADMITTED, "True", reasons.JOB_ADMITTED, _admitted(draft, grant))


def fail_if_too_long(draft: Draft) -> bool:
    """Hold the job to policy.activeDeadlineSeconds, with suspended time left out."""
    limit, since = draft.spec.policy.active_deadline_seconds, draft.internal.active_since
    if limit is None or since is None:
        return False
    over = since + timedelta(seconds=limit - draft.internal.active_seconds)
    if draft.seen.now < over:
        draft.wake_at(over)
        return False
    message = f"the job was active for {limit} seconds, as long as policy.activeDeadlineSeconds allows"
    restarts.fail(draft, reasons.ACTIVE_DEADLINE_EXCEEDED, message)
    return True


def remove_stale(draft: Draft) -> bool:
    """End the children of another attempt than the current one. True: some are still there, and while one may still
    write a checkpoint, no new group starts."""
    stale = [c for c in draft.seen.children if c.attempt != draft.status.attempt]
    for child in stale:
        end_child(draft, child)
    return bool(stale)


def end_child(draft: Draft, child: Child) -> None:
    """Have `child` end; by force where its machine has been given up."""
    lost = child.terminating_seconds is not None and child.terminating_seconds > NODE_LOST_SECONDS
    draft.delete(child, force=lost)
    if child.terminating_seconds is not None and not lost:
        draft.wake_after(NODE_LOST_SECONDS - child.terminating_seconds + 1)


def _set_suspended(draft: Draft, hold: Hold) -> None:
    failure = draft.internal.save_failure
    since, before = draft.internal.active_since, draft.internal.active_seconds
    active = 0 if since is None else int((draft.now - since).total_seconds())
    draft.status = replace(draft.status, queue=QueueStatus())
    draft.internal = replace(
        draft.internal, active_since=None, active_seconds=before + max(0, active), turn=draft.internal.turn + 1,
        queue_time=None,
    )  # fmt: skip
    if draft.status.attempt:
        restarts.lose_own_storage(draft)
        restarts.next_attempt(draft)  # the workers of the old one are gone: resuming starts others
    message = _suspended(draft, hold, failure)
    set_condition(draft, reasons.SUSPENDED, "True", hold.reason, message)
    set_condition(draft, reasons.ADMITTED, "False", reasons.JOB_SUSPENDED, "a suspended job is not in the queue")
    set_condition(draft, reasons.RUNNING, "False", reasons.JOB_SUSPENDED, "the job is suspended")
    draft.add_event(reasons.JOB_SUSPENDED, message)


def _say_what_holds_it(draft: Draft, hold: Hold) -> None:
    """A suspended job may be held by something else than what had suspended it, or for another cause."""
    told = condition_of(draft.status, reasons.SUSPENDED)
    is_said = hold == BY_ITS_USER or (told.message.startswith(hold.why) and hold.until in told.message)
    if told.reason != hold.reason or not is_said:
        set_condition(draft, reasons.SUSPENDED, "True", hold.reason, _suspended(draft, hold, ""))


def _suspended(draft: Draft, hold: Hold, failure: str) -> str:
    """What holds the job, and where it will go on. `failure`: of a worker that was asked to save."""
    once = "" if hold == BY_ITS_USER else f"once {hold.until}, "
    if not draft.status.attempt:
        return f"{hold.why} before it started; it starts once {hold.until}"
    if not draft.seen.shared_storage:
        return f"{hold.why}; {once}it will begin anew, for its checkpoints went with its workers"
    checkpoint = draft.status.checkpoint
    if checkpoint is None and draft.spec.script is not None:
        where = f"{once}the script will start again, with what it has saved in WATTRAIN_CHECKPOINT_DIR"
    else:
        step = 0 if checkpoint is None else checkpoint.step
        where = f"{once}it will go on from the newest checkpoint, which is at step {step} or later"
    return f"{hold.why}, but not saved: {failure}; {where}" if failure else f"{hold.why}; {where}"
