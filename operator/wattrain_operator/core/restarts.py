"""What a failure leads to: another attempt, or the end. One place for budget, back-off and blame."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_api.contract.failures import DISRUPTION, Failure, SeenFailure, first_cause, is_same_failure, meaning_of
from wattrain_api.contract.kinds import LINE_CHARACTERS
from wattrain_api.reasons import Meaning
from wattrain_api.status import Progress, QueueStatus, Restart, WorkerCounts, who_failed
from wattrain_operator.core import ledger, script_waste
from wattrain_operator.core.conditions import set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import JOULES_DIGITS
from wattrain_operator.core.observed import Child, InPlaceRestart

KEPT_RESTARTS = 10
_INPUT_IS_WRONG = (reasons.BAD_SPEC, reasons.BAD_DATA, reasons.INPUT_MISSING)
FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 1.0, 300.0
TOLD_BACK_OFF_SECONDS = 10.0
"""A pause of so long is told, so that nobody wonders why nothing starts."""
DISRUPTIONS_IN_A_ROW = 100
"""So many disruptions without a checkpoint or a long attempt in between, in eight hours or more, end the job: whatever
takes its workers away does it for good, and every attempt costs energy."""
LONG_ATTEMPT_SECONDS = 600.0
"""A group that was left alone for so long was disrupted by chance. A kubelet forgets its own back-off then, too."""
STOPPED_AS_DIRECTED = Meaning(reasons.PREEMPTED, permanent=False, counted=False)
_UNASKED = "it ended as if SIGTERM had come, but neither the operator nor the cluster had sent one"


def cause_of(failed: list[Child]) -> tuple[Failure, Meaning]:
    """Of workers that have failed, the failure that brought down the others, and what it means."""
    seen = first_cause(_seen_failure(child) for child in failed)
    return seen.failure, seen.meaning


def _seen_failure(child: Child) -> SeenFailure:
    left = child.termination
    if left is None:
        return SeenFailure(Failure(reasons.KILLED, worker=child.worker), reasons.meaning_of_exit(-9))
    failure = left.failure or Failure(
        reasons.meaning_of_exit(left.exit_code).reason, left.exit_code, worker=child.worker, step=left.step
    )
    if left.disruption or failure.reason == reasons.WORKER_LOST:
        return SeenFailure(failure, DISRUPTION)
    meaning = reasons.meaning_of_exit(left.exit_code)
    if meaning.reason == reasons.PEER_LOST and failure.exit_code:  # a survivor that knows what ended its peer
        meaning = meaning_of(failure)
    return SeenFailure(failure, meaning)


def answer_failure(draft: Draft, failure: Failure, meaning: Meaning) -> None:
    """Decide on another attempt or the end. Only the status changes: a later pass removes the old workers, so that
    an operator that dies in between finds the decision and not half its consequences."""
    if meaning.reason == reasons.PREEMPTED and meaning.counted:
        failure = replace(failure, reason=reasons.STOPPED_UNASKED, last_line=failure.last_line or _UNASKED)
    text = describe(failure)
    if meaning.reason in _INPUT_IS_WRONG and failure.last_line:
        fail(draft, meaning.reason, failure.last_line.removeprefix("error: "))  # it says all there is to say
        return
    if meaning.permanent:
        fail(draft, meaning.reason, f"{text}. It would fail again, so it is not restarted")
        return
    if _is_the_same_again(draft, failure):
        fail(draft, reasons.PROGRAM_FAILS_ALWAYS, f"{text}, as the time before. It is not restarted again")
        return
    failures, disruptions = _counts_with(draft, meaning)
    if failures > draft.spec.policy.max_restarts:
        budget = f"policy.maxRestarts ({draft.spec.policy.max_restarts}) is used up"
        fail(draft, reasons.RESTART_BUDGET_EXHAUSTED, f"{text}, and {budget}")
        return
    if disruptions > DISRUPTIONS_IN_A_ROW:
        what = f"it is the last of {disruptions} disruptions in a row without a checkpoint or a long attempt"
        fail(draft, reasons.DISRUPTED_TOO_OFTEN, f"{text}, and {what}. Find out who takes the workers away")
        return
    lose_own_storage(draft)
    _record(draft, failure, draft.now, draft.status.attempt, counted=meaning.counted)
    delay = _back_off(failures if meaning.counted else disruptions)
    next_attempt(draft)
    draft.internal = replace(
        draft.internal,
        failures_since_checkpoint=failures,
        disruptions_in_a_row=disruptions,
        not_before=draft.now + timedelta(seconds=delay),
    )
    pause = f", after a pause of {delay:.0f} s" if delay >= TOLD_BACK_OFF_SECONDS else ""
    message = f"{text}; attempt {draft.status.attempt} {_where_it_goes_on(draft)}{pause}"
    set_condition(draft, reasons.RUNNING, "False", reasons.RESTARTING, message)
    draft.add_event(reasons.WORKERS_RESTARTED, message, warning=True)


def next_attempt(draft: Draft) -> None:
    """Start counting anew for another group of workers; children of the one before become stale."""
    draft.status = replace(
        draft.status,
        attempt=draft.status.attempt + 1,
        workers=WorkerCounts(desired=draft.spec.workers.replicas),
        progress=_progress_of_next_attempt(draft),
    )
    draft.internal = replace(
        draft.internal,
        attempt_time=draft.now,
        group_complete=False,
        in_place_seen=0,
        counted_steps=0,
        damaged_seen=0,
        refusals=0,
        stop_time=None,
        notices_told=0,
        save_failure="",
    )


def _progress_of_next_attempt(draft: Draft) -> Progress | None:
    """Figures of an attempt that has not trained yet: of the one before, whose checkpoint it may find, or from zero
    where that has gone with its workers."""
    old = draft.status.progress
    if old is None:
        return None
    if not draft.seen.shared_storage:
        epoch = None if old.epoch is None else 0
        return Progress(epoch=epoch, total_steps=old.total_steps, updated_time=old.updated_time)
    return replace(_without_speed(old), phase="")


def lose_own_storage(draft: Draft) -> None:
    """Checkpoints in the workers' own directories go with the workers, and what they had saved is lost."""
    if not draft.seen.shared_storage and draft.status.checkpoint is not None:
        draft.status = replace(draft.status, checkpoint=None)
        ledger.lose_what_was_safe(draft)


def take_in_place(draft: Draft, restarts: tuple[InPlaceRestart, ...]) -> None:
    """Enter restarts in place that the status does not know yet."""
    for restart in restarts[draft.internal.in_place_seen :]:
        meaning = meaning_of(restart.failure)
        if meaning.counted:
            draft.internal = replace(draft.internal, failures_since_checkpoint=_failures(draft) + 1)
        _record(
            draft, restart.failure, restart.time.replace(microsecond=0), draft.status.attempt, counted=meaning.counted,
            in_place=restart,
        )  # fmt: skip
        draft.internal = replace(draft.internal, in_place_seen=draft.internal.in_place_seen + 1)
        message = f"{describe(restart.failure)}; the same workers go on from step {restart.resumed_from_step}"
        draft.add_event(reasons.RESTARTED_IN_PLACE, message, warning=True)
    _note_recoveries_in_place(draft, restarts[: draft.internal.in_place_seen])


def note_recovery(draft: Draft, resumed_step: int | None) -> None:
    """New workers train: the restart that they were made for is over, and what it has cost is lost as well.

    `resumed_step` is where they really went on: workers that were asked to stop have saved a checkpoint after the loss
    was entered, and where nothing has to be done again, nothing that was spent on it is lost.
    """
    entries = draft.status.restarts
    index = next((i for i in reversed(range(len(entries))) if not entries[i].in_place), None)
    if index is None or entries[index].recovery_seconds is not None:
        return
    last = entries[index]
    if last.attempt + 1 != draft.status.attempt:
        return
    if resumed_step is not None and resumed_step != last.resumed_from_step and not draft.internal.in_place_seen:
        saved = resumed_step >= last.step
        moved = replace(last, resumed_from_step=resumed_step)
        if saved and last.joules_lost is not None:
            ledger.give_back(draft, last.joules_lost)
            moved = replace(moved, joules_lost=0.0)
        _put(draft, index, moved)
    _recover(draft, index, (draft.now - last.time).total_seconds(), None)
    for earlier, entry in enumerate(draft.status.restarts[:index]):  # whose own next start failed before it trained
        if entry.recovery_seconds is None:
            _put(draft, earlier, replace(entry, recovery_seconds=round((draft.now - entry.time).total_seconds())))


def stop_figures(draft: Draft) -> None:
    """Nothing trains now: there is no speed and no time left."""
    progress = draft.status.progress
    if progress is not None:
        draft.status = replace(draft.status, progress=_without_speed(progress))


def fail(draft: Draft, reason: str, message: str) -> None:
    """End the job as failed. Remembered for good: no later pass runs it again."""
    workers = replace(draft.status.workers, ready=0)  # those that still run are about to be ended
    draft.status = replace(draft.status, completion_time=draft.now, workers=workers, queue=QueueStatus())
    stop_figures(draft)
    set_condition(draft, reasons.FAILED, "True", reason, message)
    set_condition(draft, reasons.COMPLETE, "False", reason, message)
    set_condition(draft, reasons.RUNNING, "False", reason, message)
    draft.add_event(reason, message, warning=True)


def in_place_budget(draft: Draft) -> int:
    """Restarts that the next group may make by itself. The last one of the budget is left for new workers, since
    what keeps failing in place may work in a fresh process or on another machine."""
    return max(0, draft.spec.policy.max_restarts - _failures(draft) - 1)


def describe(failure: Failure) -> str:
    """A failure in one sentence without its full stop."""
    if failure.reason == reasons.WORKER_LOST:
        line = failure.last_line or "a worker is gone"
        whose = "" if " is gone" in line or failure.worker is None else f"worker {failure.worker}: "
        return f"{whose}{line} ({failure.reason}), at step {failure.step} or later"
    who = who_failed(failure.worker, failure.rank)
    if failure.reason == reasons.LEFT_EARLY:
        return f"{who} left with exit code 0 at step {failure.step} ({failure.reason}): {failure.last_line}"
    where = f" on {failure.node}" if failure.node else ""
    code = "" if failure.exit_code is None else f", exit code {failure.exit_code}"
    line = f": {failure.last_line}" if failure.last_line else ""
    return f"{who}{where} failed at step {failure.step} ({failure.reason}{code}){line}"


def _note_recoveries_in_place(draft: Draft, told: tuple[InPlaceRestart, ...]) -> None:
    for restart in told:
        key = (True, draft.status.attempt, restart.generation)
        known = [(r.in_place, r.attempt, r.generation) for r in draft.status.restarts]
        index = known.index(key) if key in known else None
        if index is None or restart.recovery_seconds is None:
            continue
        entry = draft.status.restarts[index]
        if entry.recovery_seconds is None:
            _recover(draft, index, restart.recovery_seconds, restart.joules_lost - (entry.joules_lost or 0.0))


def _recover(draft: Draft, index: int, seconds: float, joules: float | None) -> None:
    restart = draft.status.restarts[index]
    if restart.joules_lost is not None:
        lost: float | None = round(restart.joules_lost + ledger.write_off(draft, joules), JOULES_DIGITS)
    else:
        lost = None if draft.report is None else script_waste.settle(draft, draft.report)
    _put(draft, index, replace(restart, recovery_seconds=max(0, round(seconds)), joules_lost=lost))


def _put(draft: Draft, index: int, entry: Restart) -> None:
    entries = draft.status.restarts
    draft.status = replace(draft.status, restarts=(*entries[:index], entry, *entries[index + 1 :]))


def _failures(draft: Draft) -> int:
    """Failures that count now: none from before the window."""
    window = draft.spec.policy.restart_window_seconds
    last = next((r for r in reversed(draft.status.restarts) if r.counted), None)
    if window is not None and last is not None and (draft.now - last.time).total_seconds() > window:
        return 0
    return draft.internal.failures_since_checkpoint


def _counts_with(draft: Draft, meaning: Meaning) -> tuple[int, int]:
    """Failures that count, and disruptions in a row, with one more of that meaning."""
    failures, disruptions = _failures(draft), draft.internal.disruptions_in_a_row
    if meaning.counted:
        return failures + 1, disruptions
    created = draft.internal.not_before or draft.internal.attempt_time or draft.now
    was_long = (draft.now - created).total_seconds() >= LONG_ATTEMPT_SECONDS
    return failures, 1 if was_long else disruptions + 1


def _is_the_same_again(draft: Draft, failure: Failure) -> bool:
    """Whether the failure is the one that was answered last."""
    if not draft.status.restarts:
        return False
    last = draft.status.restarts[-1]
    before = Failure(last.reason, last.exit_code, last_line=last.last_line, step=last.step)
    return is_same_failure(replace(failure, last_line=failure.last_line[:LINE_CHARACTERS]), before)


def _resume_step(draft: Draft) -> int:
    return 0 if draft.status.checkpoint is None else draft.status.checkpoint.step


def _where_it_goes_on(draft: Draft) -> str:
    if draft.seen.shared_storage:  # who is asked to end saves another checkpoint
        return f"goes on from step {_resume_step(draft)} or later"
    return "begins anew, for storage is ephemeral: checkpoints go with their pods"


def _back_off(in_a_row: int) -> float:
    """Seconds before the next attempt, after so many failures, or disruptions, in a row: 1, 2, 4, ..."""
    return min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0 ** min(in_a_row - 1, 20))


def _record(
    draft: Draft,
    failure: Failure,
    time: datetime,
    attempt: int,
    *,
    counted: bool,
    in_place: InPlaceRestart | None = None,
) -> None:
    lost: float | None = None
    if script_waste.is_unknown(draft):
        script_waste.note_unknown(draft)
    else:
        lost = ledger.write_off(draft, None if in_place is None else in_place.joules_lost)
    entry = Restart(
        time=time,
        attempt=attempt,
        generation=0 if in_place is None else in_place.generation,
        in_place=in_place is not None,
        counted=counted,
        worker=failure.worker,
        rank=failure.rank,
        node=failure.node[:253],
        reason=failure.reason,
        exit_code=failure.exit_code,
        last_line=failure.last_line[:LINE_CHARACTERS],
        step=failure.step,
        resumed_from_step=_resume_step(draft) if in_place is None else in_place.resumed_from_step,
        joules_lost=lost,
    )
    kept = (*draft.status.restarts, entry)[-KEPT_RESTARTS:]
    draft.status = replace(draft.status, restarts=kept, restart_count=draft.status.restart_count + 1)


def _without_speed(progress: Progress) -> Progress:
    """What holds while nothing is trained."""
    return replace(progress, samples_per_second=None, eta_seconds=None, flops_per_second=None, flops_utilization=None)
