"""What the joules of a job stand for: facility energy, grams and money, at the prices of the time of their use.

The sums are made addition by addition, never as total x mean. What was used between two additions is taken to have
been used evenly, and is divided by the prices that held meanwhile. Amounts in two currencies are never added up.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import NamedTuple

from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.power_sources import MEASURED_SOURCES
from wattrain_api.powerdomain import PowerDomainSpec, Tariff
from wattrain_api.status import Cost, EnergyAccount, EnergyStatus
from wattrain_operator.core.meter_sums import JOULES_DIGITS, SMALL_DIGITS, Meters, joules_by_source, joules_of, sum_of
from wattrain_operator.core.pricing import Shares, price_shares

JOULES_PER_KWH = 3.6e6
GAP_SECONDS = 60.0
"""From here on a time without news is worth to be told of: all backends ask more often."""
KEPT_ACCOUNTS = 16
KEPT_CURRENCIES = 8
"""What is priced in more of them than that is not entered as a cost; `accounts` still has it."""


def add_energy(
    energy: EnergyStatus,
    new: Meters,
    since: datetime,
    until: datetime,
    domain: PowerDomainSpec,
    series: CarbonSeries | None = None,
) -> EnergyStatus:
    """`energy` with what was used from `since` to `until` (both aware).

    Carbon is counted by `series` where that is average and knows the time, else by the domain's gramsPerKWh.
    """
    added = joules_of(new)
    shares = None if domain.tariff is None else price_shares(domain.tariff, since, until)
    facility = added * domain.pue
    intensities = _intensities(series, since, until, domain)
    grams = facility / JOULES_PER_KWH * sum(each.grams_per_kwh * each.share for each in intensities)
    priced = energy if domain.tariff is None else _with_cost(energy, domain.tariff, shares or (), facility, since)
    spread = added if shares and len(shares) > 1 and (until - since).total_seconds() > GAP_SECONDS else 0.0
    return replace(
        _with_meters(priced, sum_of((*energy.meters, *new))),
        facility_joules=round(energy.facility_joules + facility, JOULES_DIGITS),
        carbon_grams=_grown(energy.carbon_grams, grams),
        spread_joules=round(energy.spread_joules + spread, JOULES_DIGITS),
        accounts=_entered(energy.accounts, _accounts(added, shares, intensities, domain)),
    )


class _Intensity(NamedTuple):
    """What a part of the time's energy emitted a kilowatt-hour."""

    share: float
    grams_per_kwh: float
    zone: str
    by_series: bool


def _intensities(
    series: CarbonSeries | None, since: datetime, until: datetime, domain: PowerDomainSpec
) -> tuple[_Intensity, ...]:
    """The mean by the series of what it knows, and the domain's own figure for the rest."""
    own = domain.carbon
    shares = ((None, 1.0),) if series is None or series.basis != "Average" else series.shares(since, until)
    known = sum(share for grams, share in shares if grams is not None)
    found = []
    if series is not None and known > 0:
        mean = sum(grams * share for grams, share in shares if grams is not None) / known
        found.append(_Intensity(known, mean, series.zone or own.zone_name, by_series=True))
    if known < 1 - 1e-9:
        found.append(_Intensity(1 - known, own.grams_per_kwh, own.zone_name, by_series=False))
    return tuple(found)


def _with_meters(energy: EnergyStatus, meters: Meters) -> EnergyStatus:
    total, by_source = joules_of(meters), joules_by_source(meters)
    return replace(
        energy,
        meters=meters,
        joules=total,
        low=round(sum(m.low_joules for m in meters), JOULES_DIGITS),
        high=round(sum(m.high_joules for m in meters), JOULES_DIGITS),
        measured_ratio=round(sum(by_source.get(s, 0.0) for s in MEASURED_SOURCES) / total, 6) if total else 0.0,
        source="+".join(sorted(by_source, key=lambda s: (-by_source[s], s))),
    )


def _with_cost(
    energy: EnergyStatus, tariff: Tariff, shares: Shares, facility_joules: float, since: datetime
) -> EnergyStatus:
    """`energy` with the cost of more `facility_joules`, in an account of its own for each currency."""
    costs = {cost.currency: cost for cost in energy.costs}
    if energy.cost is not None and energy.currency not in costs:  # by a version that had no more than this
        costs[energy.currency] = Cost(energy.currency, energy.cost)
    old = costs.get(tariff.currency, Cost(tariff.currency, since=since))
    if tariff.currency not in costs and len(costs) >= KEPT_CURRENCIES:
        return energy
    more = facility_joules / JOULES_PER_KWH * sum(price * share for price, share in shares)
    now = costs[tariff.currency] = replace(old, cost=_grown(old.cost, more))
    return replace(
        energy, cost=now.cost, currency=now.currency, cost_since=now.since, costs=tuple(costs[c] for c in sorted(costs))
    )


def _accounts(
    joules: float, shares: Shares | None, intensities: tuple[_Intensity, ...], domain: PowerDomainSpec
) -> list[EnergyAccount]:
    """`joules` divided by the prices of their time, and by whether a series has told their carbon."""
    currency = "" if domain.tariff is None else domain.tariff.currency
    found, left = [], joules
    for (price, share), each in product(shares or ((None, 1.0),), intensities):
        part = min(left, round(joules * share * each.share, JOULES_DIGITS))
        grams = None if each.by_series else each.grams_per_kwh  # of each hour another one: their mean is in the sum
        found.append(EnergyAccount(part, domain.pue, each.zone, grams, price, currency))
        left = round(left - part, JOULES_DIGITS)
    found[-1] = replace(found[-1], joules=round(found[-1].joules + left, JOULES_DIGITS))  # of rounding
    return found


def _entered(accounts: tuple[EnergyAccount, ...], new: list[EnergyAccount]) -> tuple[EnergyAccount, ...]:
    """`accounts` with `new` added to their like. Of too many the smallest are given up: their sum is kept."""
    kept = {replace(account, joules=0.0): account.joules for account in accounts}
    others = EnergyAccount(0.0)
    for account in new:
        like = replace(account, joules=0.0)
        kept[like] = kept.get(like, 0.0) + account.joules
        while len(kept) - (others in kept) > KEPT_ACCOUNTS:
            smallest = min((k for k in kept if k not in (like, others)), key=lambda k: kept[k])  # never the newest
            kept[others] = kept.get(others, 0.0) + kept.pop(smallest)
    return tuple(replace(like, joules=round(joules, JOULES_DIGITS)) for like, joules in kept.items())


def _grown(before: float | None, more: float) -> float:
    return round((before or 0.0) + more, SMALL_DIGITS)
