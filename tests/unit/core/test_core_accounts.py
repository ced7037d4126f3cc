"""What joules are charged at: the prices, intensities and currencies of the time of their use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api.powerdomain import CarbonIntensity, PowerDomainSpec, Tariff, TariffWindow
from wattrain_api.status import EnergyStatus, Meter, TrainingJobStatus
from wattrain_operator.core.observed import ChildEnergy, Report, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import EPOCH

Scene = Callable[..., Any]
KWH, HOUR = 3.6e6, 3600
NIGHT = TariffWindow(start="22:00", end="06:00", price_per_kwh=0.1)
TWO_PRICES = PowerDomainSpec(tariff=Tariff(price_per_kwh=0.5, windows=(NIGHT,)))


def _gpu(kwh: float) -> Meter:
    return Meter(component="gpu", source="nvml", joules=kwh * KWH, low_joules=kwh * KWH, high_joules=kwh * KWH)


def _tell(job: Any, kwh: float, *, worker: int = 0, **fields: Any) -> EnergyStatus:
    """The group reports that a worker has used `kwh` since its start."""
    uid = job.children[f"job-{job.status.attempt}-{worker}"].uid
    job.report = replace(job.report, energy=(ChildEnergy(uid, worker, (_gpu(kwh),)),), **fields)
    job.settle()
    return job.status.energy


def _prices(energy: EnergyStatus) -> dict[float | None, float]:
    return {a.price_per_kwh: a.joules / KWH for a in energy.accounts}


def test_what_was_used_while_the_operator_was_away_is_charged_at_the_prices_of_that_time(scene: Scene) -> None:
    job = scene()
    job.seconds, job.domain = 22 * HOUR, TWO_PRICES
    job.run()
    _tell(job, 0.0)
    job.seconds = 32 * HOUR  # at 08:00 the first answer comes
    energy = _tell(job, 10.0)
    assert energy.cost == pytest.approx(8 * 0.1 + 2 * 0.5)
    assert _prices(energy) == {0.1: 8, 0.5: 2}
    assert energy.spread_joules == 10 * KWH


def test_a_price_that_changes_between_two_answers_of_one_interval_is_no_gap_to_be_told_of(scene: Scene) -> None:
    job = scene()
    job.seconds, job.domain = 22 * HOUR - 5, TWO_PRICES
    job.run()
    _tell(job, 1.0)
    job.seconds += 15
    energy = _tell(job, 4.0)
    assert (_prices(energy), energy.spread_joules) == ({0.5: 2, 0.1: 2}, 0)


def test_it_was_used_until_the_answer_was_given_however_late_it_is_entered(scene: Scene) -> None:
    job = scene()
    job.seconds, job.domain = 21 * HOUR, TWO_PRICES
    job.run()
    _tell(job, 1.0)
    job.seconds = 23 * HOUR
    energy = _tell(job, 3.0, age_seconds=3600.0)
    assert _prices(energy) == {0.5: 3}


def test_a_termination_message_says_itself_until_when_it_counts(scene: Scene) -> None:
    job = scene()
    job.seconds, job.domain = 21 * HOUR, TWO_PRICES
    job.run()
    _tell(job, 1.0)
    job.seconds = 30 * HOUR
    for time, price in [(EPOCH + timedelta(hours=22), 0.5), (EPOCH + timedelta(days=9), 0.1)]:  # no clock is trusted
        left = TerminationMessage(0, energy=(_gpu(3.0),), time=time)
        job.add(int(price < 0.5), phase="Succeeded", ready=False, termination=left)
        job.plan()
        assert _prices(job.status.energy)[price] >= 2


def test_a_new_group_has_used_nothing_before_it_was_created(scene: Scene) -> None:
    job = scene(shared=True)
    job.seconds, job.domain = 20 * HOUR, TWO_PRICES
    job.run()
    _tell(job, 1.0)
    job.fail(0, -9)
    job.settle()
    job.seconds = 22 * HOUR  # nothing could be created for so long
    job.settle()
    for worker in (0, 1):
        job.add(worker)
    job.seconds += 600
    job.report = Report(Role.WORKER, job.status.attempt, 0.0, phase="training", step=1)
    assert _prices(_tell(job, 5.0)) == {0.5: 1, 0.1: 5}


def test_a_second_currency_is_a_second_account_and_is_never_added_to_the_first(scene: Scene) -> None:
    job = scene().run()
    job.domain = PowerDomainSpec(tariff=Tariff(currency="EUR", price_per_kwh=0.5))
    _tell(job, 2.0)
    job.seconds = 60
    job.domain = PowerDomainSpec(tariff=Tariff(currency="USD", price_per_kwh=0.1))
    energy = _tell(job, 5.0)
    assert (energy.cost, energy.currency) == (pytest.approx(0.3), "USD")
    assert [(c.currency, c.cost) for c in energy.costs] == [("EUR", pytest.approx(1)), ("USD", pytest.approx(0.3))]
    assert TrainingJobStatus.from_json_object(job.status.to_json_object()).energy == energy


def test_a_tariff_that_begins_midway_says_from_when_cost_counts(scene: Scene) -> None:
    job = scene().run()
    _tell(job, 2.0)
    job.seconds = HOUR
    assert _tell(job, 3.0).cost_since is None
    job.seconds = 2 * HOUR
    job.domain = PowerDomainSpec(tariff=Tariff(price_per_kwh=0.5))
    energy = _tell(job, 4.0)
    assert (energy.cost, energy.cost_since) == (0.5, EPOCH + timedelta(hours=1))
    assert _prices(energy) == {None: 3, 0.5: 1}


def test_every_pue_intensity_and_price_has_the_joules_that_were_used_at_it(scene: Scene) -> None:
    job = scene().run()
    german = CarbonIntensity(zone="DE", grams_per_kwh=400)
    for number, (pue, carbon) in enumerate([(1.5, german), (1.2, german), (1.2, CarbonIntensity()), (1.5, german)]):
        job.seconds = number
        job.domain = PowerDomainSpec(pue=pue, carbon=carbon)
        _tell(job, number + 1.0)
    energy = job.status.energy
    assert {(a.pue, a.zone, a.grams_per_kwh): a.joules / KWH for a in energy.accounts} == {
        (1.5, "DE", 400): 2, (1.2, "DE", 400): 1, (1.2, "world", CarbonIntensity().grams_per_kwh): 1,
    }  # fmt: skip
    assert energy.facility_joules == sum(a.joules * (a.pue or 0) for a in energy.accounts)


def test_of_too_many_prices_the_smallest_are_kept_as_one_sum(scene: Scene) -> None:
    job = scene().run()
    for number in range(40):
        job.seconds = number
        job.domain = PowerDomainSpec(tariff=Tariff(price_per_kwh=number))
        _tell(job, 0.25 * (number + 1) * (number + 2))
    energy = job.status.energy
    assert len(energy.accounts) == 17
    assert sum(a.joules for a in energy.accounts) == pytest.approx(energy.joules)
    assert {a.price_per_kwh for a in energy.accounts} == {None, *range(24, 40)}
    assert [a.pue for a in energy.accounts].count(None) == 1


def test_a_ninth_currency_is_kept_as_an_account_though_not_as_a_cost(scene: Scene) -> None:
    job = scene().run()
    for number in range(9):
        job.seconds = number
        job.domain = PowerDomainSpec(tariff=Tariff(currency=f"AA{chr(65 + number)}", price_per_kwh=1))
        _tell(job, number + 1.0)
    energy = job.status.energy
    assert ([c.cost for c in energy.costs], energy.currency) == ([1.0] * 8, "AAH")
    assert "AAI" in {a.currency for a in energy.accounts}


def test_what_a_version_without_these_accounts_had_priced_stays(scene: Scene) -> None:
    job = scene().run()
    job.domain = PowerDomainSpec(tariff=Tariff(currency="USD", price_per_kwh=0.5))
    _tell(job, 1.0)
    old = replace(job.status.energy, cost=7.0, currency="EUR", cost_since=None, costs=(), accounts=())
    job.status = replace(job.status, energy=old)
    costs = _tell(job, 2.0).costs
    assert [(c.currency, c.cost, c.since) for c in costs] == [("EUR", 7.0, None), ("USD", 0.5, EPOCH)]


def test_a_version_that_kept_no_marks_has_entered_what_the_children_in_view_had_used(scene: Scene) -> None:
    job = scene().run()
    energy = replace(job.status.energy, joules=3 * KWH, meters=(_gpu(3.0),))
    job.status = replace(job.status, energy=energy)
    assert _tell(job, 3.0).joules == 3 * KWH
    assert _tell(job, 4.0).joules == 4 * KWH
    assert _tell(job, 2.0, worker=1).joules == 6 * KWH  # one that was not in view then
