"""Joules as what a budget limits: kilowatt-hours, grams and money, of the past by the ledger, of what is to come by the
prices of now. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from wattrain_api.energy import Budget
from wattrain_api.power_sources import MEASURED_SOURCES
from wattrain_api.status import BudgetAmounts, EnergyStatus
from wattrain_operator.core.accounts import JOULES_PER_KWH
from wattrain_operator.core.meter_sums import joules_by_source
from wattrain_operator.core.observed import Observed


class Use(NamedTuple):
    """How far one limit is used."""

    limit_by: str
    spent: float
    reserve: float
    """What is kept for the last checkpoint."""
    limit: float

    @property
    def used_ratio(self) -> float:
        """spent / limit."""
        return self.spent / self.limit

    @property
    def is_over(self) -> bool:
        """Whether nothing is left but for the last checkpoint."""
        return self.spent + self.reserve >= self.limit


def limits_of(budget: Budget) -> BudgetAmounts:
    """The limits of `budget`, 0 where there is none."""
    return BudgetAmounts(budget.energy_kwh or 0.0, budget.carbon_grams or 0.0, budget.cost or 0.0)


def spent_of(energy: EnergyStatus, basis: str) -> BudgetAmounts:
    """What counts of the ledger. Where something was not counted, it is the most that it may have been; grams and cost
    are counted with cooling and losses, and without these by the mean PUE of the job."""
    if not energy.joules:
        return BudgetAmounts()
    whole = energy.high / energy.joules if energy.incomplete else 1.0
    share = whole if basis == "Facility" else whole * energy.joules / energy.facility_joules
    return BudgetAmounts(
        energy.facility_joules / JOULES_PER_KWH * share,
        (energy.carbon_grams or 0.0) * share,
        (energy.cost or 0.0) * share,
    )


def amounts_of(joules: float, basis: str, seen: Observed) -> BudgetAmounts:
    """What so many joules of the job would come to now."""
    domain, view = seen.domain, seen.carbon.series
    kwh = joules / JOULES_PER_KWH * (domain.pue if basis == "Facility" else 1.0)
    known = None if view is None or view.basis != "Average" else view.at(seen.now)
    grams_per_kwh = domain.carbon.grams_per_kwh if known is None else known
    price = 0.0 if domain.tariff is None else domain.tariff.price_at(seen.now)
    return BudgetAmounts(kwh, kwh * grams_per_kwh, kwh * price)


def larger(first: BudgetAmounts, second: BudgetAmounts) -> BudgetAmounts:
    """The larger of both, limit by limit."""
    return BudgetAmounts(
        max(first.energy_kwh, second.energy_kwh),
        max(first.carbon_grams, second.carbon_grams),
        max(first.cost, second.cost),
    )


def uses_of(limits: BudgetAmounts, spent: BudgetAmounts, reserve: BudgetAmounts) -> Iterator[Use]:
    """How far each limit that is given is used."""
    if limits.energy_kwh:
        yield Use("energyKWh", spent.energy_kwh, reserve.energy_kwh, limits.energy_kwh)
    if limits.carbon_grams:
        yield Use("carbonGrams", spent.carbon_grams, reserve.carbon_grams, limits.carbon_grams)
    if limits.cost:
        yield Use("cost", spent.cost, reserve.cost, limits.cost)


def measured_share(energy: EnergyStatus) -> float:
    """Share of the counted joules that a counter of the hardware measured, 0 to 1."""
    by_source = joules_by_source(energy.meters)
    total = sum(by_source.values())
    return sum(by_source.get(source, 0.0) for source in MEASURED_SOURCES) / total if total else 0.0
