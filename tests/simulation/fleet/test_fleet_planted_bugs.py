"""Bugs planted by hand into the fleet's decision and its store, each found by the random machine and by the walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.powerdomain import Reservation
from wattrain_operator.core import fleet, fleet_order, lifecycle, preemption
from wattrain_operator.simulated import fleet_operator, invariants
from wattrain_operator.simulated.explore_fleet import FleetBounds, explore_fleet, small_fleet
from wattrain_operator.simulated.objects import DomainObject

Plant = Callable[[pytest.MonkeyPatch], None]


def _give_a_place_twice(patch: pytest.MonkeyPatch) -> None:
    plan_fleet = fleet.plan_fleet
    patch.setattr(fleet, "plan_fleet", lambda seen: plan_fleet(replace(seen, reservations=())))


def _write_upon_a_stale_domain(patch: pytest.MonkeyPatch) -> None:
    def store(truth: DomainObject, reservations: tuple[Reservation, ...], version: int) -> DomainObject:
        return truth._replace(reservations=reservations, version=truth.version + 1)

    patch.setattr(fleet_operator, "store", store)


def _keep_the_place_of_a_suspended_job(patch: pytest.MonkeyPatch) -> None:
    def without_turn(old: Any, **changes: Any) -> Any:
        return replace(old, **{name: value for name, value in changes.items() if name != "turn"})

    patch.setattr(lifecycle, "replace", without_turn)


def _keep_the_place_of_a_finished_job(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fleet, "_is_over", lambda reservation, job, gone: False)


def _believe_a_view_that_lags(patch: pytest.MonkeyPatch) -> None:
    seems_over: Any = fleet._seems_over
    patch.setattr(fleet, "_is_over", lambda reservation, job, gone: seems_over(reservation, job))


def _let_the_older_job_go_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fleet_order, "_order", lambda job: job.created)


def _grant_watts_that_are_reserved(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(fleet, "claimed", lambda reservation, draws, now: 0.0)


def _run_without_a_reservation(patch: pytest.MonkeyPatch) -> None:
    admit: Any = lifecycle.admit

    def admit_all(draft: Any) -> bool:
        draft.seen = replace(draft.seen, grant=replace(draft.seen.grant, granted=True))
        return bool(admit(draft))

    patch.setattr(lifecycle, "admit", admit_all)


def _forget_the_children_of_a_finished_job(patch: pytest.MonkeyPatch) -> None:
    seems_over: Any = fleet._seems_over

    def without_children(reservation: Reservation, job: Any) -> bool:
        return bool(seems_over(reservation, job and replace(job, living_children=False)))

    patch.setattr(fleet, "_seems_over", without_children)


def _release_a_place_with_the_order(patch: pytest.MonkeyPatch) -> None:
    room: Any = fleet._room

    def of_who_stays(spec: Any, kept: list[Reservation], *rest: Any) -> Any:
        return room(spec, [r for r in kept if not r.preempted_by], *rest)

    patch.setattr(fleet, "_room", of_who_stays)


def _preempt_equals_too(patch: pytest.MonkeyPatch) -> None:
    who_gives_way: Any = preemption.who_gives_way

    def as_if_higher(wanted: preemption.Claim, *rest: Any) -> Any:
        return who_gives_way(wanted._replace(priority=wanted.priority + 11), *rest)

    patch.setattr(preemption, "who_gives_way", as_if_higher)


_NOBODY_TWICE = {invariants.WITHIN_LIMIT, invariants.RESERVED_FIRST}
_NOBODY_WAITS = {invariants.NO_WAIT_FOR_EVER}
PLANTED = [
    (_give_a_place_twice, _NOBODY_TWICE, FleetBounds()),
    (_write_upon_a_stale_domain, _NOBODY_TWICE, FleetBounds(others=1)),
    (_keep_the_place_of_a_suspended_job, _NOBODY_WAITS | _NOBODY_TWICE, FleetBounds(suspensions=1)),
    (_keep_the_place_of_a_finished_job, _NOBODY_WAITS, FleetBounds()),
    (_forget_the_children_of_a_finished_job, _NOBODY_TWICE, FleetBounds(crashes=1)),
    (_believe_a_view_that_lags, _NOBODY_TWICE, FleetBounds(deaths=1)),
    (_run_without_a_reservation, _NOBODY_TWICE, FleetBounds()),
    (_grant_watts_that_are_reserved, _NOBODY_TWICE | {invariants.WITHIN_CAP}, FleetBounds()),
    (_let_the_older_job_go_first, {invariants.HIGHER_FIRST}, FleetBounds()),
]
OF_PREEMPTION = [
    (_release_a_place_with_the_order, _NOBODY_TWICE),
    (_preempt_equals_too, {invariants.PREEMPTS_UPWARDS}),
]
planted = pytest.mark.parametrize(
    ("plant", "sentences", "bounds"), PLANTED, ids=[plant.__name__[1:] for plant, _, _ in PLANTED]
)


@planted
def test_the_machine_finds_it_in_a_fleet(
    plant: Plant,
    sentences: set[str],
    bounds: FleetBounds,
    monkeypatch: pytest.MonkeyPatch,
    walk_fleet: Callable[..., int],
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        walk_fleet(0, examples=2000, steps_each=80, shrink=False)
    assert found.value.sentence in sentences


@planted
def test_the_exhaustive_walk_finds_it_in_a_fleet(
    plant: Plant, sentences: set[str], bounds: FleetBounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    fleet_of_two = small_fleet(workers=1 + bounds.crashes, by_power=plant is _grant_watts_that_are_reserved)
    with pytest.raises(invariants.InvariantError) as found:
        explore_fleet(fleet_of_two, bounds, states_at_most=20_000)
    assert found.value.sentence in sentences


@pytest.mark.parametrize(("plant", "sentences"), OF_PREEMPTION, ids=[plant.__name__[1:] for plant, _ in OF_PREEMPTION])
def test_the_exhaustive_walk_finds_it_in_a_fleet_with_preemption(
    plant: Plant, sentences: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(invariants.InvariantError) as found:
        explore_fleet(small_fleet(preempts=True), FleetBounds(), states_at_most=20_000)
    assert found.value.sentence in sentences
