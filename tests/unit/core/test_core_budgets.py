"""Budgets: a warning near the end, the action so early that the last checkpoint fits, and no second of flapping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from wattrain_api.carbon_series import CarbonSeries, Interval
from wattrain_api.energy import Budget
from wattrain_api.names import child_name
from wattrain_api.powerdomain import CarbonIntensity, PowerDomainSpec, Tariff
from wattrain_api.status import Meter, UncountedEnergy
from wattrain_operator.core.budgets import ENDING_SECONDS, UNKNOWN_CHECKPOINT_SECONDS
from wattrain_operator.core.observed import CarbonView, ChildEnergy, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import EPOCH

Scene = Callable[..., Any]
KWH = 3.6e6
GPU = [Meter("gpu", "nvml", 1.0, 1.0, 1.0)]
HALF = [Meter("gpu", "nvml", 0.5, 0.5, 0.5), Meter("cpu", "model", 0.5, 0.25, 1.0)]
MODELLED = [Meter("cpu", "model", 1.0, 0.5, 2.0)]


def budget(joules: float = 1000.0, **more: Any) -> dict[str, Any]:
    """A spec whose budget is so many joules."""
    return {"energy": {"budget": {"energyKWh": joules / KWH, **more}}}


def use(job: Any, joules: float, meters: list[Meter] = GPU, **fields: Any) -> Any:
    """The group of the current attempt says that it has used so many joules; the job decides until it rests."""
    name = child_name("job", Role.WORKER, job.status.attempt, 0)
    told = tuple(
        replace(m, joules=m.joules * joules, low_joules=m.low_joules * joules, high_joules=m.high_joules * joules)
        for m in meters
    )
    job.report = replace(job.report, energy=(ChildEnergy(f"uid of {name}", 0, told),), **fields)
    return job.settle()


def change(job: Any, **energy_budget: Any) -> None:
    old = job.spec.energy
    new = old.model_copy(update={"budget": Budget.model_validate(energy_budget) if energy_budget else None})
    job.spec = job.spec.model_copy(update={"energy": new})


def told(job: Any, reason: str) -> list[str]:
    return [event.message for event in job.events if event.reason == reason]


def test_near_its_end_it_is_told_once_and_at_the_end_the_job_saves_and_is_suspended(scene: Scene) -> None:
    job = scene(shared=True, spec=budget()).run()
    use(job, 790)
    assert (job.status.budget.used_ratio, told(job, "EnergyBudgetNearlySpent")) == (0.79, [])
    use(job, 800)
    use(job, 900)
    assert told(job, "EnergyBudgetNearlySpent") == [
        "80 % of the budget of 0.000277778 kWh (energyKWh) is spent; once all is, the job saves and is suspended"
    ]
    assert job.status.state == "Running"
    use(job, 1000)
    assert (job.status.state, job.answer("Suspended")) == ("Suspended", ("True", "EnergyBudgetSpent"))
    assert job.status.message.startswith(
        "the budget of 0.000277778 kWh (energyKWh) is spent; once spec.energy.budget is raised, it will go on from"
    )
    assert (job.status.budget.spent, job.status.budget.limit_by) == (round(1000 / KWH, 6), "energyKWh")
    assert len(told(job, "EnergyBudgetSpent")) == 1


def test_the_last_checkpoint_fits_and_watts_that_fall_to_nothing_let_nothing_go_on(scene: Scene) -> None:
    job = scene(shared=True, spec=budget()).run()
    speed = {"watts": 10.0, "age_seconds": 1.0, "interval_seconds": 2.0, "checkpoint_seconds": 4.0}
    reserve = 10 * (1 + 2 + 4 + ENDING_SECONDS)
    use(job, 999 - reserve, **speed)
    assert job.status.state == "Running"
    use(job, 1000 - reserve, **speed)
    assert job.status.state == "Suspended"
    assert job.status.internal.budget.reserve.energy_kwh == pytest.approx(reserve / KWH)
    for _ in range(5):
        job.seconds += 60
        job.settle()
    assert (job.status.state, job.status.energy.watts, job.status.internal.turn) == ("Suspended", 0.0, 2)


def test_a_first_checkpoint_is_expected_to_take_some_seconds(scene: Scene) -> None:
    job = scene(shared=True, spec=budget()).run()
    use(job, 999 - 10 * (UNKNOWN_CHECKPOINT_SECONDS + ENDING_SECONDS), watts=10.0)
    assert job.status.state == "Running"
    use(job, 1000 - 10 * (UNKNOWN_CHECKPOINT_SECONDS + ENDING_SECONDS), watts=10.0)
    assert job.status.state == "Suspended"


def test_a_group_that_starts_has_nothing_to_save(scene: Scene) -> None:
    job = scene(shared=True, spec=budget()).run()
    use(job, 999 - 10 * ENDING_SECONDS, watts=10.0, phase="starting", step=0)
    assert job.status.state == "Starting"
    use(job, 1000 - 10 * ENDING_SECONDS, watts=10.0, phase="starting", step=0)
    assert job.status.state == "Suspended"


def test_a_raised_budget_lets_it_go_on_is_warned_of_anew_and_binds_again(scene: Scene) -> None:
    job = scene(shared=True, spec=budget()).run()
    use(job, 1000, checkpoint_step=5)
    assert job.status.state == "Suspended"
    change(job, energyKWh=2000 / KWH)
    job.settle()
    assert (job.status.state, job.answer("Suspended")) == ("Starting", ("False", "JobResumed"))
    assert (job.status.internal.holds, job.status.budget.used_ratio) == ((), 0.5)
    job.run()
    use(job, 700)
    assert [len(told(job, reason)) for reason in ("EnergyBudgetNearlySpent", "EnergyBudgetSpent")] == [1, 1]
    use(job, 1000)
    assert (job.status.state, job.status.energy.joules) == ("Suspended", 2000.0)


def test_a_budget_that_is_taken_away_holds_nothing_any_more(scene: Scene) -> None:
    job = scene(shared=True, spec=budget()).run()
    use(job, 1000)
    change(job)
    job.settle()
    assert job.status.state == "Starting"
    assert (job.status.budget, job.status.internal.budget, job.status.internal.holds) == (None, None, ())


def test_stop_saves_and_then_ends_the_job_as_failed(scene: Scene) -> None:
    job = scene(shared=True, spec=budget(action="Stop")).run()
    job.report = replace(job.report, energy=())
    use(job, 1000)
    assert (job.status.state, job.answer("Failed")) == ("Failed", ("True", "EnergyBudgetSpent"))
    assert job.status.message == (
        "the budget of 0.000277778 kWh (energyKWh) is spent, and spec.energy.budget.action is Stop"
    )
    assert job.answer("Suspended") == ("False", "NotSuspended")
    assert job.children == {}


def test_warn_tells_once_and_lets_it_go_on(scene: Scene) -> None:
    job = scene(shared=True, spec=budget(action="Warn")).run()
    for joules in (1000, 1100, 1200):
        use(job, joules)
    assert job.status.state == "Running"
    assert told(job, "EnergyBudgetSpent") == [
        "the budget of 0.000277778 kWh (energyKWh) is spent; the job goes on, for spec.energy.budget.action is Warn"
    ]


@pytest.mark.parametrize(
    ("meters", "allowed", "state"),
    [
        (GPU, False, "Suspended"),
        (HALF, False, "Suspended"),
        (MODELLED, False, "Running"),
        (MODELLED, True, "Suspended"),
    ],
)
def test_modelled_joules_warn_unless_they_are_allowed_to_do_more(
    scene: Scene, meters: list[Meter], allowed: bool, state: str
) -> None:
    job = scene(shared=True, spec=budget(allowEstimated=allowed)).run()
    use(job, 1000, meters)
    assert job.status.state == state
    if state == "Running":
        assert told(job, "EnergyBudgetSpent")[0].endswith(
            "the job goes on, for only 0 % of its energy is measured; with spec.energy.budget.allowEstimated: true it "
            "would be stopped"
        )


def test_where_something_was_not_counted_the_most_that_it_may_have_been_is_spent(scene: Scene) -> None:
    job = scene(shared=True, spec=budget(allowEstimated=True)).run()
    use(job, 500, MODELLED)
    assert (job.status.state, job.status.budget.used_ratio) == ("Running", 0.5)
    use(job, 500, MODELLED, gaps=(UncountedEnergy("gpu", "no driver"),))
    assert (job.status.state, job.status.budget.used_ratio) == ("Suspended", 1.0)


@pytest.mark.parametrize(("basis", "pue"), [("IT", 1.0), ("Facility", 2.0)])
def test_each_limit_counts_on_its_basis_and_the_first_that_is_reached_binds(
    scene: Scene, basis: str, pue: float
) -> None:
    limits = {"energyKWh": 10 * pue, "carbonGrams": 1200 * pue, "cost": 3.1 * pue}
    job = scene(shared=True, spec={"energy": {"budget": {**limits, "basis": basis}}})
    job.domain = PowerDomainSpec(pue=2.0, tariff=Tariff(price_per_kwh=0.3), carbon=CarbonIntensity(grams_per_kwh=100.0))
    job.run()
    use(job, 9 * KWH)
    shown = job.status.budget
    assert (shown.limit_by, shown.spent, shown.used_ratio) == ("energyKWh", 9 * pue, 0.9)
    change(job, **{**limits, "cost": 2.0 * pue}, basis=basis)
    use(job, 9 * KWH)
    assert (job.status.budget.limit_by, round(job.status.budget.spent, 4)) == ("cost", round(2.7 * pue, 4))
    assert job.answer("Suspended") == ("True", "EnergyBudgetSpent")
    assert f"the budget of {2 * pue:g} EUR (cost) is spent" in job.status.message


def test_what_is_to_come_counts_by_the_intensity_of_now(scene: Scene) -> None:
    job = scene(shared=True, spec={"energy": {"budget": {"carbonGrams": 1000}}})
    hour = timedelta(hours=1)
    job.carbon = CarbonView(CarbonSeries((Interval(EPOCH - hour, EPOCH + hour, 500.0),)))
    job.run()
    use(job, 0.1 * KWH, watts=1000.0, step=1, total_steps=10, step_seconds=400.0)
    assert job.status.budget.forecast_ratio == pytest.approx((50 + 500) / 1000)


def test_of_a_job_that_has_ended_the_whole_ledger_counts(scene: Scene) -> None:
    job = scene(spec=budget(4000)).run()
    for worker in (0, 1):
        left = Meter("gpu", "nvml", 1500.0, 1500.0, 1500.0)
        job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0, energy=(left,)))
    job.settle()
    assert (job.status.state, job.status.budget.used_ratio) == ("Complete", 0.75)


def test_a_budget_in_money_needs_a_tariff_before_the_job_starts_and_not_afterwards(scene: Scene) -> None:
    job = scene(spec={"energy": {"budget": {"cost": 5}}})
    job.settle()
    assert (job.status.state, job.status.reason, job.status.attempt) == ("Failed", "BadSpec", 0)
    assert job.status.message == (
        "spec.energy.budget.cost: power domain default has no tariff, so that no cost is counted; give it spec.tariff, "
        "or remove cost"
    )
    priced = scene(spec={"energy": {"budget": {"cost": 5}}})
    priced.domain = PowerDomainSpec(tariff=Tariff(price_per_kwh=0.3))
    priced.run()
    priced.domain = PowerDomainSpec()
    priced.settle()
    assert priced.status.state == "Running"


def test_it_shows_as_metrics(scene: Scene) -> None:
    job = scene(spec=budget()).run()
    use(job, 250, watts=1.0, step=1, total_steps=11, step_seconds=50.0)
    assert (job.exported("budget_used_ratio"), job.exported("budget_forecast_ratio")) == ([0.25], [0.75])
