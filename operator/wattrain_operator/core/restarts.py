"""What a failure leads to: another attempt, or the end. One place for budget, back-off and blame."""

from __future__ import annotations

from datetime import datetime, timedelta

from wattrain_api import reasons
from wattrain_api.reasons import Meaning
from wattrain_api.status import Restart, WorkerCounts
from wattrain_operator.core import ledger
from wattrain_operator.core.conditions import set_condition
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child, Failure, InPlaceRestart

KEPT_RESTARTS = 10
LINE_LENGTH = 1024
_INPUT_IS_WRONG = (reasons.BAD_SPEC, reasons.BAD_DATA, reasons.INPUT_MISSING)
FIRST_BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 1.0, 300.0
DISRUPTION = Meaning(reasons.WORKER_LOST, permanent=False, counted=False)


def first_cause(failed: list[Child]) -> tuple[Failure, Meaning]:
    """Of workers that have failed, the failure that brought down the others, and what it means.

    Survivors report a lost peer, so any other cause goes before that; and a disruption before all, for it is the
    cause of whatever the program then did.
    """
    told = [_told(child) for child in failed]
    return min(told, key=lambda pair: (pair[1] is not DISRUPTION, pair[1].reason == reasons.PEER_LOST))


def _told(child: Child) -> tuple[Failure, Meaning]:
    word = child.last_word
    if word is None:
        return Failure(reasons.KILLED, rank=child.rank), reasons.meaning_of_exit(-9)
    failure = word.failure or Failure(reasons.meaning_of_exit(word.exit_code).reason, word.exit_code, child.rank)
    if word.disruption or failure.reason == reasons.WORKER_LOST:
        return failure, DISRUPTION
    meaning = reasons.meaning_of_exit(word.exit_code)
    if meaning.reason == reasons.PEER_LOST and failure.exit_code:  # a survivor that knows what ended its peer
        meaning = reasons.meaning_of_exit(failure.exit_code)
    return failure, meaning


def answer_failure(draft: Draft, failure: Failure, meaning: Meaning) -> None:
    """Decide on another attempt or the end. Only the status changes: a later pass removes the old workers, so that
    an operator that dies in between finds the decision and not half its consequences."""
    text = describe(failure)
    if meaning.reason in _INPUT_IS_WRONG and failure.last_line:
        fail(draft, meaning.reason, failure.last_line.removeprefix("error: "))  # it says all there is to say
        return
    if meaning.permanent:
        fail(draft, meaning.reason, f"{text}. It would fail again, so it is not restarted")
        return
    if _is_the_same_again(draft, failure, meaning):
        fail(draft, reasons.PROGRAM_FAILS_ALWAYS, f"{text}, as the time before. It is not restarted again")
        return
    failures = _failures(draft) + 1 if meaning.counted else _failures(draft)
    if failures > draft.spec.policy.max_restarts:
        fail(
            draft,
            reasons.RESTART_BUDGET_EXHAUSTED,
            f"{text}, and policy.maxRestarts ({draft.spec.policy.max_restarts}) is used up",
        )
        return
    lose_own_storage(draft)
    _record(draft, failure, draft.now, draft.status.attempt, counted=meaning.counted)
    delay = _back_off(failures if meaning.counted else 0)
    next_attempt(draft, failures_since_checkpoint=failures, not_before=draft.now + timedelta(seconds=delay))
    message = f"{text}; attempt {draft.status.attempt} {_where_it_goes_on(draft)}"
    set_condition(draft, reasons.RUNNING, "False", reasons.RESTARTING, message)
    draft.tell(reasons.WORKERS_RESTARTED, message, warning=True)


def next_attempt(draft: Draft, **fields: object) -> None:
    """Start counting anew for another group of workers; children of the one before become stale."""
    progress = draft.status.progress
    draft.update(
        attempt=draft.status.attempt + 1,
        attempt_time=draft.now,
        group_complete=False,
        in_place_seen=0,
        workers=WorkerCounts(desired=draft.spec.workers.replicas),
        progress=None if progress is None else progress.model_copy(update={"phase": ""}),  # it has not trained yet
        **fields,
    )


def lose_own_storage(draft: Draft) -> None:
    """Checkpoints in the workers' own directories go with the workers, and what they had saved is lost."""
    if not draft.seen.shared_storage and draft.status.checkpoint is not None:
        draft.update(checkpoint=None)
        ledger.lose_what_was_safe(draft)


def take_in_place(draft: Draft, restarts: tuple[InPlaceRestart, ...]) -> None:
    """Enter restarts in place that the status does not know yet."""
    for restart in restarts[draft.status.in_place_seen :]:
        meaning = _meaning_of(restart.failure)
        if meaning.counted:
            draft.update(failures_since_checkpoint=_failures(draft) + 1)
        _record(
            draft, restart.failure, restart.time.replace(microsecond=0), draft.status.attempt, counted=meaning.counted,
            in_place=restart,
        )  # fmt: skip
        draft.update(in_place_seen=draft.status.in_place_seen + 1)
        message = f"{describe(restart.failure)}; the same workers go on from step {restart.resumed_from_step}"
        draft.tell(reasons.RESTARTED_IN_PLACE, message, warning=True)
    if restarts and len(restarts) == draft.status.in_place_seen:
        _note_recovery_in_place(draft, restarts[-1])


def note_recovery(draft: Draft, resumed_step: int | None) -> None:
    """New workers train: the restart that they were made for is over, and what it has cost is lost as well.

    `resumed_step` is where they really went on: workers that were asked to stop have saved a checkpoint after the loss
    was entered, and where nothing has to be done again, nothing that was spent on it is lost.
    """
    last = draft.status.restarts[-1] if draft.status.restarts else None
    if last is None or last.in_place or last.recovery_seconds is not None or last.attempt + 1 != draft.status.attempt:
        return
    if resumed_step is not None and resumed_step != last.resumed_from_step:
        saved = resumed_step >= last.step
        last = last.model_copy(
            update={"resumed_from_step": resumed_step, "joules_lost": 0.0 if saved else last.joules_lost}
        )
        ledger.give_back(draft, draft.status.restarts[-1].joules_lost - last.joules_lost)
    _recover(draft, last, (draft.now - last.time).total_seconds(), None)


def fail(draft: Draft, reason: str, message: str) -> None:
    """End the job as failed. Remembered for good: no later pass runs it again."""
    workers = draft.status.workers.model_copy(update={"ready": 0})  # those that still run are about to be ended
    draft.update(completion_time=draft.now, workers=workers)
    set_condition(draft, reasons.FAILED, "True", reason, message)
    set_condition(draft, reasons.COMPLETE, "False", reason, message)
    set_condition(draft, reasons.RUNNING, "False", reason, message)
    draft.tell(reason, message, warning=True)


def in_place_budget(draft: Draft) -> int:
    """Restarts that the next group may make by itself. The last one of the budget is left for new workers, since
    what keeps failing in place may work in a fresh process or on another machine."""
    return max(0, draft.spec.policy.max_restarts - _failures(draft) - 1)


def describe(failure: Failure) -> str:
    """A failure in one sentence without its full stop."""
    if failure.reason == reasons.WORKER_LOST:
        return f"{failure.last_line or 'a worker is gone'} ({failure.reason}), at step {failure.step} or later"
    who = "a worker" if failure.rank is None else f"rank {failure.rank}"
    where = f" on {failure.node}" if failure.node else ""
    code = "" if failure.exit_code is None else f", exit code {failure.exit_code}"
    line = f": {failure.last_line}" if failure.last_line else ""
    return f"{who}{where} failed at step {failure.step} ({failure.reason}{code}){line}"


def _note_recovery_in_place(draft: Draft, told: InPlaceRestart) -> None:
    known = draft.status.restarts[-1]
    if known.in_place and known.recovery_seconds is None and told.recovery_seconds is not None:
        _recover(draft, known, told.recovery_seconds, told.joules_lost - known.joules_lost)


def _recover(draft: Draft, restart: Restart, seconds: float, joules: float | None) -> None:
    lost = ledger.write_off(draft, joules)
    update = {
        "recovery_seconds": max(0, round(seconds)),
        "joules_lost": round(restart.joules_lost + lost, ledger.JOULES_DIGITS),
    }
    draft.update(restarts=(*draft.status.restarts[:-1], restart.model_copy(update=update)))


def _meaning_of(failure: Failure) -> Meaning:
    if failure.reason == reasons.WORKER_LOST or not failure.exit_code:
        return DISRUPTION
    return reasons.meaning_of_exit(failure.exit_code)


def _failures(draft: Draft) -> int:
    """Failures that count now: none from before the window."""
    window = draft.spec.policy.restart_window_seconds
    last = next((r for r in reversed(draft.status.restarts) if r.counted), None)
    if window is not None and last is not None and (draft.now - last.time).total_seconds() > window:
        return 0
    return draft.status.failures_since_checkpoint


def _is_the_same_again(draft: Draft, failure: Failure, meaning: Meaning) -> bool:
    """Whether the program itself ended as the time before, at the same step: a signal or a lost peer says nothing
    about the program."""
    if meaning.reason != reasons.PROGRAM_FAILED or not draft.status.restarts:
        return False
    last = draft.status.restarts[-1]
    line = failure.last_line[:LINE_LENGTH]
    return (last.exit_code, last.last_line, last.step) == (failure.exit_code, line, failure.step)


def _resume_step(draft: Draft) -> int:
    return 0 if draft.status.checkpoint is None else draft.status.checkpoint.step


def _where_it_goes_on(draft: Draft) -> str:
    if draft.seen.shared_storage:  # who is asked to end saves another checkpoint
        return f"goes on from step {_resume_step(draft)} or later"
    return "begins anew, for storage is ephemeral: checkpoints go with their pods"


def _back_off(failures: int) -> float:
    """Seconds before the next attempt: 1, 2, 4, ... for failures that count; a disruption waits for the first."""
    return min(LONGEST_BACK_OFF_SECONDS, FIRST_BACK_OFF_SECONDS * 2.0 ** min(max(0, failures - 1), 20))


def _record(
    draft: Draft,
    failure: Failure,
    time: datetime,
    attempt: int,
    *,
    counted: bool,
    in_place: InPlaceRestart | None = None,
) -> None:
    lost = ledger.write_off(draft, None if in_place is None else in_place.joules_lost)
    entry = Restart(
        time=time,
        attempt=attempt,
        generation=0 if in_place is None else in_place.generation,
        in_place=in_place is not None,
        counted=counted,
        rank=failure.rank,
        node=failure.node[:253],
        reason=failure.reason,
        exit_code=failure.exit_code,
        last_line=failure.last_line[:LINE_LENGTH],
        step=failure.step,
        resumed_from_step=_resume_step(draft) if in_place is None else in_place.resumed_from_step,
        joules_lost=lost,
    )
    draft.update(
        restarts=(*draft.status.restarts, entry)[-KEPT_RESTARTS:], restart_count=draft.status.restart_count + 1
    )
