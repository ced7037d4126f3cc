"""Bugs planted by hand, each found by the random machine and by the exhaustive walk, with the sentence it violates.

A proof that finds nothing may be looking at nothing: these show that it looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.status import CauseTotals, OpenPhase
from wattrain_operator.core import energy_causes, ledger, lifecycle, phase_totals, refusals, report_intake, restarts
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Observed, Report
from wattrain_operator.simulated import invariants
from wattrain_operator.simulated.explore import Bounds, explore, small_simulation

Plant = Callable[[pytest.MonkeyPatch], None]


def _forget_that_it_is_finished(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lifecycle, "wind_down_if_finished", lambda draft: False)


def _do_not_wait_for_the_old_workers(patch: pytest.MonkeyPatch) -> None:
    remove_stale = lifecycle.remove_stale
    patch.setattr(lifecycle, "remove_stale", lambda draft: bool(remove_stale(draft)) and False)


def _never_charge_a_failure(patch: pytest.MonkeyPatch) -> None:
    answer: Any = restarts.answer_failure
    patch.setattr(restarts, "answer_failure", lambda d, f, meaning: answer(d, f, meaning._replace(counted=False)))


def _charge_disruptions(patch: pytest.MonkeyPatch) -> None:
    answer: Any = restarts.answer_failure
    patch.setattr(restarts, "answer_failure", lambda d, f, meaning: answer(d, f, meaning._replace(counted=True)))


def _add_every_report_anew(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "difference", lambda reading, marks: reading)


def _count_a_replaced_worker_on_from_the_one_before(patch: pytest.MonkeyPatch) -> None:
    readings = ledger._readings

    def by_place(seen: Observed) -> list[ledger.ChildReading]:
        workers = {c.uid: f"{c.role} {c.worker}" for c in seen.children}
        if seen.report is not None:
            workers |= {one.uid: f"{seen.report.role} {one.worker}" for one in seen.report.energy}
        return [reading._replace(uid=workers[reading.uid]) for reading in readings(seen)]

    patch.setattr(ledger, "_readings", by_place)


def _leave_energy_out_of_the_states(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "enter_joules", lambda status, joules, since, until: status)


def _leave_energy_out_of_the_causes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(energy_causes, "enter", lambda status, joules, spent, how: status)


def _move_more_to_a_hang_than_there_is(patch: pytest.MonkeyPatch) -> None:
    def enter_hang(draft: Draft, report: Report) -> None:
        hang = CauseTotals("hang", report.unchanged_seconds, draft.energy.joules)
        draft.status = replace(draft.status, causes=(*draft.status.causes, hang))

    patch.setattr(energy_causes, "enter_hang", enter_hang)


def _begin_a_state_anew_at_every_look(patch: pytest.MonkeyPatch) -> None:
    def begin(draft: Draft) -> None:
        draft.internal = replace(draft.internal, open_phase=OpenPhase(draft.status.state, draft.now))

    patch.setattr(phase_totals, "begin", begin)


def _count_steps_that_were_told_before(patch: pytest.MonkeyPatch) -> None:
    count: Any = report_intake._count_steps

    def from_nothing(draft: Draft, report: Report) -> None:
        draft.internal = replace(draft.internal, counted_steps=0)
        count(draft, report)

    patch.setattr(report_intake, "_count_steps", from_nothing)


def _forget_to_be_woken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Draft, "wake_at", lambda self, moment: None)


def _count_on_storage_that_is_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(restarts, "lose_own_storage", lambda draft: None)


def _leave_a_refused_group_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(refusals, "end_child", lambda draft, child: None)


_FINISHED = {invariants.FINISHED_STAYS, invariants.NO_ORPHAN, invariants.NOTHING_AT_REST}
PLANTED = [
    (_forget_that_it_is_finished, _FINISHED, Bounds(0, 0, 0, exit_code=65)),
    (_do_not_wait_for_the_old_workers, {invariants.FENCED}, Bounds(0, 0, 0)),
    (_never_charge_a_failure, {invariants.CHARGED}, Bounds(0, 0, 0)),
    (_charge_disruptions, {invariants.NOT_CHARGED}, Bounds(disruptions=1, deaths=0, crashes=0)),
    (_add_every_report_anew, {invariants.LEDGER_TRUE}, Bounds(0, 0, 0)),
    (_leave_energy_out_of_the_states, {invariants.PHASES}, Bounds(0, 0, 0)),
    (_leave_energy_out_of_the_causes, {invariants.CAUSES}, Bounds(0, 0, 0)),
    (_move_more_to_a_hang_than_there_is, {invariants.CAUSES}, Bounds(0, 0, 0)),
    (_begin_a_state_anew_at_every_look, {invariants.PHASES, invariants.ACTIVE}, Bounds(0, 0, 0)),
    (_count_steps_that_were_told_before, {invariants.STEPS}, Bounds(0, 0, 0)),
    (_forget_to_be_woken, {invariants.SETTLES}, Bounds(0, 0, 0)),
    (_leave_a_refused_group_behind, {invariants.WHOLE_OR_NOTHING, invariants.SETTLES}, Bounds(crashes=0, quotas=1)),
    (_count_on_storage_that_is_gone, {invariants.CHECKPOINT_RISES}, Bounds(disruptions=1, deaths=0, crashes=0)),
]
DEEP = [(_count_a_replaced_worker_on_from_the_one_before, {invariants.LEDGER_TRUE})]
"""With these the walk takes minutes: the first, with one disruption and no crash, is found after 20,000 states."""
SHALLOW = [(plant, sentences) for plant, sentences, _ in PLANTED]


def _names(plants: list[Any]) -> list[str]:
    return [plant.__name__[1:] for plant, *_ in plants]


@pytest.mark.parametrize(("plant", "sentences"), SHALLOW + DEEP, ids=_names(SHALLOW + DEEP))
def test_the_machine_finds_it(
    plant: Plant, sentences: set[str], monkeypatch: pytest.MonkeyPatch, walk: Callable[..., int]
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        walk(0, examples=400, steps_each=80, shrink=False)
    assert found.value.sentence in sentences


@pytest.mark.parametrize(("plant", "sentences", "bounds"), PLANTED, ids=_names(PLANTED))
def test_the_exhaustive_walk_finds_it(
    plant: Plant, sentences: set[str], bounds: Bounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        explore(small_simulation(), bounds, states_at_most=20_000)
    assert found.value.sentence in sentences
