"""Conditions, and the one word for the eye that is derived from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from wattrain_api import reasons
from wattrain_api.contract.phases import STARTING_PHASES, Phase
from wattrain_api.status import Condition, State, TrainingJobStatus
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.holding import hold_of

Answer = Literal["True", "False", "Unknown"]


def condition_of(status: TrainingJobStatus, type_: str) -> Condition:
    """The condition `type_`, which is there from the first look on."""
    return next(c for c in status.conditions if c.type == type_)


def is_true(status: TrainingJobStatus, type_: str) -> bool:
    """Whether the condition `type_` is there and true."""
    # A pass asks thirty times: `any` of a generator takes longer.
    for condition in status.conditions:  # noqa: SIM110
        if condition.type == type_ and condition.status == "True":
            return True
    return False


def is_finished(status: TrainingJobStatus) -> bool:
    """Whether the job is over for good."""
    return is_true(status, reasons.COMPLETE) or is_true(status, reasons.FAILED)


def set_condition(draft: Draft, type_: str, answer: Answer, reason: str, message: str) -> None:
    """Answer a question. The transition time moves only when the answer does: other than the stored one, for within
    a pass it may be given and taken back."""
    generation = draft.seen.job.metadata.generation
    conditions = list(draft.status.conditions)
    index = next((i for i, c in enumerate(conditions) if c.type == type_), None)
    old = next((c for c in draft.seen.status.conditions if c.type == type_), None)
    since = old.last_transition_time if old is not None and old.status == answer else draft.now
    new = Condition(
        type=type_, status=answer, reason=reason, message=message, observed_generation=generation,
        last_transition_time=since,
    )  # fmt: skip
    if index is not None and conditions[index] == new:
        return
    if index is None:
        conditions.append(new)
    else:
        conditions[index] = new
    draft.status = replace(draft.status, conditions=tuple(conditions))


def derive_state(draft: Draft) -> None:
    """Fill in state, reason and message from the conditions. Nobody reads them back."""
    state = _state(draft)
    told = next(c for c in draft.status.conditions if c.type == _TOLD_BY[state])
    generation, status = draft.seen.job.metadata.generation, draft.status
    new = (state, told.reason, told.message, generation)
    if new != (status.state, status.reason, status.message, status.observed_generation):
        draft.status = replace(
            status, state=state, reason=told.reason, message=told.message, observed_generation=generation
        )


def _state_of_running(draft: Draft) -> State:
    """All workers answer; but ranks import, compile, or prepare the data of their own worker before they train. Of a
    script that tells no step nobody knows."""
    phase = None if draft.status.progress is None else draft.status.progress.phase
    if draft.spec.script is not None or phase not in STARTING_PHASES:
        return "Running"
    return "Preparing" if phase == Phase.PREPARING else "Starting"


_TOLD_BY: dict[State, str] = {
    "Pending": reasons.ADMITTED,
    "Queued": reasons.ADMITTED,
    "Preparing": reasons.RUNNING,
    "Starting": reasons.RUNNING,
    "Running": reasons.RUNNING,
    "Restarting": reasons.RUNNING,
    "Suspending": reasons.SUSPENDED,
    "Suspended": reasons.SUSPENDED,
    "Complete": reasons.COMPLETE,
    "Failed": reasons.FAILED,
}


def _state(draft: Draft) -> State:
    status = draft.status
    running = next((c.reason for c in status.conditions if c.type == reasons.RUNNING), "")
    if is_true(status, reasons.FAILED):
        return "Failed"
    if is_true(status, reasons.COMPLETE):
        return "Complete"
    if hold_of(draft.spec, status) is not None:
        return "Suspended" if is_true(status, reasons.SUSPENDED) else "Suspending"
    if not is_true(status, reasons.ADMITTED):
        return "Queued" if condition_of(status, reasons.ADMITTED).reason == reasons.QUEUED else "Pending"
    if is_true(status, reasons.RUNNING):
        return _state_of_running(draft)
    if running == reasons.RESTARTING:
        return "Restarting"
    return "Preparing" if running == reasons.PREPARING else "Starting"
