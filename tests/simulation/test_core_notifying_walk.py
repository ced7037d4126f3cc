"""The receiver of notifications fails, is slow or down, and the operator dies: it is told all the same, and once.

The walks begin where the job is about to end: what comes before cannot depend on who is told of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core import notifying
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Notify, Receiver
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.explore import Bounds, explore, small_simulation
from wattrain_operator.simulated.faults import PERMANENT, Move
from wattrain_operator.simulated.simulated_operator import Setting, SimulatedOperator
from wattrain_operator.simulated.simulation import Simulation
from wattrain_operator.simulated.walk import Result

NOTHING = Bounds(crashes=0, time_last=1)
WALKS = {
    "fails-and-operator-dies": NOTHING._replace(deaths=1, lost_notifications=1),
    "operator-dies-twice": NOTHING._replace(deaths=2),
    "is-down": NOTHING._replace(lost_notifications=2),
    "job-fails": NOTHING._replace(crashes=1, exit_code=PERMANENT, deaths=1, lost_notifications=1),
}


def _about_to_end(*conditions: str) -> Simulation:
    """A job of one worker, and a receiver that is given up after two tries."""
    receiver = Receiver("hooks.example", conditions or ("Complete", "Failed"), tries_at_most=2, remedy="mend it")
    spec = small_simulation(workers=1).world.job.spec
    simulation = Simulation(spec, Setting(shared_storage=False, reads_own_writes=True, receiver=receiver))
    while (move := simulation.fair_move()) is not None and move.name != "finish":
        simulation.do(move)
    return simulation


def _walk(bounds: Bounds, *conditions: str) -> Result:
    return explore(_about_to_end(*conditions), bounds, states_at_most=40_000)


def _start_anew_with_every_old_view() -> int:
    """Run the job to its rest, then let an operator die there that reads first what once was. How many views."""
    simulation, past = _about_to_end(), []
    while (move := simulation.fair_move()) is not None:
        past.append((simulation.world.job, SimulatedOperator.read(simulation.world)))
        simulation.do(move)
    for old in past:
        again = simulation.copy()
        again.do(Move("die with an old view"), old)
        again.do(Move("decide"))
        while again.operator.pending:
            again.do(Move("write"))
        while (move := again.fair_move()) is not None:
            again.do(move)
        again.check_rest()
    return len(past)


@pytest.mark.parametrize("bounds", WALKS.values(), ids=WALKS)
def test_the_receiver_is_told_of_every_end_and_never_again(
    bounds: Bounds, record_property: Callable[[str, object], None]
) -> None:
    result = _walk(bounds)
    record_property("states of the exhaustive walk", result.states)
    record_property("transitions of the exhaustive walk", result.transitions)
    assert result.at_rest > 1


def test_an_operator_that_starts_with_an_old_view_does_not_tell_again() -> None:
    assert _start_anew_with_every_old_view() > 5


def test_a_receiver_of_failures_alone_is_told_nothing_of_a_job_that_completes() -> None:
    bounds = NOTHING._replace(lost_notifications=2)
    assert _walk(bounds, "Failed").states < _walk(bounds, "Complete").states


def _forget_to_note_the_end(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(notifying, "note_end", lambda draft: None)


def _tell_by_an_old_view(patch: pytest.MonkeyPatch) -> None:
    notify = notifying.notify

    def always_fresh(draft: Draft) -> None:
        draft.seen = replace(draft.seen, fresh=True)
        notify(draft)

    patch.setattr(notifying, "notify", always_fresh)


def _tell_before_the_end_is_stored(patch: pytest.MonkeyPatch) -> None:
    note_end = notifying.note_end

    def at_once(draft: Draft) -> None:
        note_end(draft)
        if draft.status.internal.notification and not draft.seen.status.internal.notification:
            draft.notify = Notify(draft.status.internal.notification.condition, 1)
            object.__setattr__(draft, "to_plan", lambda: replace(Draft.to_plan(draft), status=draft.seen.status))

    patch.setattr(notifying, "note_end", at_once)


def _record_a_failure_as_told(patch: pytest.MonkeyPatch) -> None:
    enter: Any = notifying._enter
    patch.setattr(notifying, "_enter", lambda draft, told, receiver, failure: enter(draft, told, receiver, ""))


def _give_up_at_the_first_failure(patch: pytest.MonkeyPatch) -> None:
    enter: Any = notifying._enter

    def once(draft: Draft, told: object, receiver: Receiver, failure: str) -> None:
        enter(draft, told, replace(receiver, tries_at_most=1), failure)

    patch.setattr(notifying, "_enter", once)


def _never_record_that_it_was_told(patch: pytest.MonkeyPatch) -> None:
    enter: Any = notifying._enter
    patch.setattr(
        notifying, "_enter", lambda draft, told, receiver, failure: failure and enter(draft, told, receiver, failure)
    )


def _forget_to_be_woken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "wake_at", lambda self, moment: None)


def _forget_it_with_the_next_write(patch: pytest.MonkeyPatch) -> None:
    notify = notifying.notify

    def forgetting(draft: Draft) -> None:
        notify(draft)
        status: TrainingJobStatus = draft.status
        if status != draft.seen.status and draft.seen.status.internal.notification is not None:
            draft.internal = replace(draft.internal, notification=None)

    patch.setattr(notifying, "notify", forgetting)


RECORD = {invariants.NOTIFIED, invariants.NOT_AGAIN, invariants.NOTHING_AT_REST, invariants.SETTLES}
PLANTED = [
    (_forget_to_note_the_end, {invariants.NOTIFIED}, NOTHING),
    (_tell_before_the_end_is_stored, {invariants.NOT_BEFORE_THE_END}, NOTHING),
    (_record_a_failure_as_told, {invariants.NOTIFIED}, NOTHING._replace(lost_notifications=1)),
    (_give_up_at_the_first_failure, {invariants.NOTIFIED}, NOTHING._replace(lost_notifications=1)),
    (_never_record_that_it_was_told, RECORD, NOTHING),
    (_forget_to_be_woken, RECORD, NOTHING._replace(lost_notifications=1)),
    (_forget_it_with_the_next_write, RECORD, NOTHING._replace(lost_notifications=1)),
]


def test_a_planted_trust_in_old_views_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _tell_by_an_old_view(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        _start_anew_with_every_old_view()
    assert found.value.sentence == invariants.NOT_AGAIN


@pytest.mark.parametrize(("plant", "sentences", "bounds"), PLANTED, ids=[plant.__name__[1:] for plant, *_ in PLANTED])
def test_a_planted_bug_is_found(
    plant: Callable[[pytest.MonkeyPatch], None],
    sentences: set[str],
    bounds: Bounds,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        _walk(bounds)
    assert found.value.sentence in sentences
