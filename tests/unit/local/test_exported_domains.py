"""What is exported of a power domain and its jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wattrain_api import reasons
from wattrain_api.carbon_series import HOUR, Basis, CarbonSeries, Interval
from wattrain_api.metric_families import families_of
from wattrain_api.metrics import DOMAIN
from wattrain_api.powerdomain import CarbonIntensity, PowerDomainSpec, Reservation, Tariff, TariffWindow
from wattrain_api.status import Condition, EnergyStatus, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core.domains import Domain
from wattrain_operator.exposition import exported_domain, identity_of_domain

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SPEC = TrainingJobSpec.model_validate({"script": {"command": ["python"]}})
Member = tuple[TrainingJob, TrainingJobStatus]


def member(uid: str, *, admitted: bool, watts: float | None = None, ended: bool = False) -> Member:
    answers = {reasons.ADMITTED: admitted, reasons.COMPLETE: ended}
    conditions = tuple(Condition(type_, "True" if yes else "False", "X", NOON) for type_, yes in answers.items())
    job = TrainingJob(metadata=ObjectMeta(name=uid, namespace="team", uid=uid), spec=SPEC)
    return job, TrainingJobStatus(conditions=conditions, energy=EnergyStatus(watts=watts))


def exported(domain: Domain, *members: Member) -> dict[str, float]:
    families = families_of(DOMAIN, exported_domain(domain, members, NOON), identity_of_domain(domain.name))
    samples = [s for family in families for s in family.samples]
    assert all(s.labels["powerdomain"] == domain.name for s in samples)
    return {s.name.removeprefix("wattrain_powerdomain_"): s.value for s in samples}


def test_a_domain_shows_its_limit_its_prices_of_now_and_who_has_or_waits_for_a_place() -> None:
    day = TariffWindow(start="08:00", end="20:00", price_per_kwh=0.4)
    spec = PowerDomainSpec(
        pue=1.2, max_running_jobs=2, tariff=Tariff(price_per_kwh=0.1, windows=(day,)),
        carbon=CarbonIntensity(grams_per_kwh=300),
    )  # fmt: skip
    granted = Reservation("team", "granted", "granted", 1, NOON)
    domain = Domain("hall", spec, reservations=(granted, Reservation("team", "runs", "runs", 1, NOON)))
    jobs = [member("runs", admitted=True, watts=100.0), member("granted", admitted=False), member("w", admitted=False)]
    assert exported(domain, *jobs, member("over", admitted=True, ended=True, watts=0.0)) == {
        "max_running_jobs": 2, "granted_jobs": 2, "queued_jobs": 1, "power_watts": 100.0,
        "carbon_intensity_grams_per_kwh": 300, "energy_price_per_kwh": 0.4, "pue_ratio": 1.2, "accepted": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("basis", "shown"), [("Average", 120.0), ("Marginal", 300.0)])
def test_the_intensity_of_a_domain_is_that_of_its_series_now_as_far_as_it_counts(basis: Basis, shown: float) -> None:
    series = CarbonSeries((Interval(NOON, NOON + HOUR, 120.0),), basis=basis)
    domain = Domain("hall", PowerDomainSpec(carbon=CarbonIntensity(grams_per_kwh=300)))
    assert exported_domain(domain, (), NOON, series).grams_per_kwh == shown
    assert exported_domain(domain, (), NOON + HOUR, series).grams_per_kwh == 300


def test_a_domain_that_cannot_be_read_shows_that_and_its_jobs_alone() -> None:
    found = exported(Domain("hall", None, problem="spec.pue: 0"), member("w", admitted=False))
    assert found == {"granted_jobs": 0, "queued_jobs": 1, "power_watts": 0.0, "accepted": 0}


@pytest.mark.parametrize(("watts", "shown"), [((), 0.0), ((None,), None), ((None, 70.0), 70.0), ((30.0, 70.0), 100.0)])
def test_power_is_the_sum_of_what_is_known_and_absent_where_nothing_is(
    watts: tuple[float | None, ...], shown: float | None
) -> None:
    jobs = [member(f"job-{index}", admitted=True, watts=each) for index, each in enumerate(watts)]
    assert exported(Domain("hall", PowerDomainSpec()), *jobs).get("power_watts") == shown
