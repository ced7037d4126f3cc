"""From first sight to the last trace: admission, suspension, deadline of the whole job, what stays afterwards."""

from __future__ import annotations

from datetime import timedelta

from wattrain_api import reasons
from wattrain_api.support import unsupported
from wattrain_operator.core import restarts
from wattrain_operator.core.conditions import is_finished, is_true, set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child

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
    keep = draft.spec.policy.keep_pods
    for child in draft.seen.children:
        kept = child.ended and (keep == "All" or (keep == "Failed" and child.phase == "Failed"))
        if not kept:
            _end(draft, child)
    ttl, completed = draft.spec.policy.ttl_seconds_after_finished, draft.status.completion_time
    if ttl is not None and completed is not None:
        over = completed + timedelta(seconds=ttl)
        draft.delete_job = draft.seen.now >= over
        if not draft.delete_job:
            draft.wake_at(over)
    return True


def refuse_unsupported(draft: Draft) -> bool:
    """Fail a job that asks for what this version does not do, instead of doing something else."""
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
    """Stop the workers, who save a checkpoint, and remember that they are gone before saying so."""
    suspended = is_true(draft.status, reasons.SUSPENDED)
    if not draft.spec.suspend:
        if suspended:
            set_condition(draft, reasons.SUSPENDED, "False", reasons.JOB_RESUMED, "")
            set_condition(draft, reasons.RUNNING, "False", reasons.STARTING, "the job goes on after a suspension")
            draft.tell(reasons.JOB_RESUMED, "the job goes on")
        elif any(c.reason == reasons.SUSPENDING for c in draft.status.conditions if c.type == reasons.SUSPENDED):
            set_condition(draft, reasons.SUSPENDED, "False", reasons.NOT_SUSPENDED, "")
        return False
    if draft.seen.children:
        for child in draft.seen.children:
            _end(draft, child)
        if suspended:  # an old view, or a late child: the job stays suspended
            return True
        set_condition(draft, reasons.SUSPENDED, "False", reasons.SUSPENDING, "waiting for the workers to save and stop")
        if is_true(draft.status, reasons.RUNNING):
            set_condition(draft, reasons.RUNNING, "False", reasons.SUSPENDING, "the workers are being stopped")
        return True
    if not suspended and not draft.seen.fresh:
        draft.needs_fresh_view = True
    elif not suspended:
        _set_suspended(draft)
    return True


def admit(draft: Draft) -> bool:
    """Wait for the place in the order. True: nothing else can be done yet."""
    if is_true(draft.status, reasons.ADMITTED):
        return False
    queue = draft.status.queue.model_copy(update={"position": draft.seen.ahead, "blocked_by": draft.seen.blocked_by})
    draft.update(queue=queue)
    if draft.seen.ahead:
        message = f"{draft.seen.ahead} jobs go first; they wait for {draft.seen.blocked_by}"
        set_condition(draft, reasons.ADMITTED, "False", reasons.QUEUED, message)
        return True
    if draft.status.attempt == 0:
        draft.update(attempt=1)
    draft.update(
        start_time=draft.status.start_time or draft.now, active_since=draft.now, attempt_time=draft.now, not_before=None
    )
    place = "the job has its place"
    set_condition(
        draft, reasons.ADMITTED, "True", reasons.JOB_ADMITTED,
        place if draft.seen.shared_storage else f"{place}; {STORAGE_IS_EPHEMERAL}",
    )  # fmt: skip
    draft.tell(reasons.JOB_ADMITTED, f"admitted to power domain {draft.spec.energy.power_domain}")
    if not draft.seen.shared_storage:
        draft.tell(reasons.EPHEMERAL_STORAGE, STORAGE_IS_EPHEMERAL, warning=True)
    return False


def fail_if_too_long(draft: Draft) -> bool:
    """Hold the job to policy.activeDeadlineSeconds, with suspended time left out."""
    limit, since = draft.spec.policy.active_deadline_seconds, draft.status.active_since
    if limit is None or since is None:
        return False
    over = since + timedelta(seconds=limit - draft.status.active_seconds)
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
        _end(draft, child)
    return bool(stale)


def _end(draft: Draft, child: Child) -> None:
    lost = child.terminating_seconds is not None and child.terminating_seconds > NODE_LOST_SECONDS
    draft.delete(child, force=lost)
    if child.terminating_seconds is not None and not lost:
        draft.wake_after(NODE_LOST_SECONDS - child.terminating_seconds + 1)


def _set_suspended(draft: Draft) -> None:
    since = draft.status.active_since
    active = 0 if since is None else int((draft.now - since).total_seconds())
    draft.update(active_since=None, active_seconds=draft.status.active_seconds + max(0, active))
    if draft.status.attempt:
        restarts.lose_own_storage(draft)
        restarts.next_attempt(draft)  # the workers of the old one are gone: resuming starts others
    step = 0 if draft.status.checkpoint is None else draft.status.checkpoint.step
    message = f"suspended; it will go on from the newest checkpoint, which is at step {step} or later"
    if not draft.seen.shared_storage:
        message = "suspended; it will begin anew, for its checkpoints went with its workers"
    set_condition(draft, reasons.SUSPENDED, "True", reasons.JOB_SUSPENDED, message)
    set_condition(draft, reasons.ADMITTED, "False", reasons.JOB_SUSPENDED, "a suspended job holds no place")
    set_condition(draft, reasons.RUNNING, "False", reasons.JOB_SUSPENDED, "the job is suspended")
    draft.tell(reasons.JOB_SUSPENDED, message)
