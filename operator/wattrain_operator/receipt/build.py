"""From a job, its status and its files to a Receipt. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import Cost, EnergyStatus, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec
from wattrain_operator.core import energy_causes
from wattrain_operator.core.accounts import JOULES_PER_KWH
from wattrain_operator.receipt.contents import (
    CarbonFacts,
    CostFacts,
    Duration,
    EnergyFacts,
    JobFacts,
    RateFacts,
    Receipt,
    TrainingFacts,
)


@dataclass(frozen=True)
class Circumstances:
    """What a receipt tells besides what the job's status says. All of it may be unknown."""

    prepared: dict[str, Any] | None = None
    """prepare.json."""
    versions: Mapping[str, str] = field(default_factory=dict)
    cpu_model: str = ""
    samples_per_second: float | None = None
    not_known: tuple[str, ...] = ()


def build(job: TrainingJob, status: TrainingJobStatus, domain: PowerDomainSpec, beside: Circumstances) -> Receipt:
    """The receipt of `job` as `status` says it went."""
    spec, energy = job.spec, status.energy
    facts = _energy(status, domain.pue)
    costs = _costs(energy, facts)
    return Receipt(
        job=_job(job, status),
        duration=duration(status),
        training=_training(status, beside.samples_per_second),
        test=status.model.metrics if status.model else None,
        exported=status.model.chosen if status.model else "",
        energy=facts,
        carbon=_carbon(energy, facts, domain),
        clean_hours=status.clean_hours,
        budget=status.budget,
        best_point=status.best_point,
        cost=next((cost for cost in costs if cost.currency == energy.currency), None),
        costs=costs,
        rates=_rates(energy),
        restart_count=status.restart_count,
        restarts=status.restarts,
        damaged_checkpoints=status.damaged_checkpoints,
        seed=spec.training.seed if spec.training else None,
        versions=dict(beside.versions),
        cpu_model=beside.cpu_model,
        data=beside.prepared,
        last_lines=status.last_lines,
        not_known=beside.not_known,
        spec=_without_secrets(spec),
        status=status.to_json_object(),
    )


def _job(job: TrainingJob, status: TrainingJobStatus) -> JobFacts:
    spec = job.spec
    command = " ".join((*spec.script.command, *spec.script.args)) if spec.script else ""
    return JobFacts(
        name=job.metadata.name,
        namespace=job.metadata.namespace,
        what=f"recipe {spec.recipe.name}" if spec.recipe else command,
        workers=spec.workers.replicas,
        ranks=spec.workers.replicas * spec.workers.processes_per_worker,
        state=status.state,
        reason=status.reason,
        message=status.message,
    )


def _training(status: TrainingJobStatus, samples_per_second: float | None) -> TrainingFacts | None:
    progress = status.progress
    if progress is None:
        return None
    speed, operations, peak = samples_per_second, progress.flops_per_sample, progress.peak_flops_per_second
    flops = None if speed is None or operations is None else speed * operations
    return TrainingFacts(
        step=progress.step,
        total_steps=progress.total_steps,
        loss=progress.loss,
        loss_not_finite=progress.loss_not_finite,
        non_finite_steps=progress.non_finite_steps,
        overflow_steps=progress.overflow_steps,
        flops_per_second=flops,
        flops_utilization=flops / peak if flops is not None and peak else None,
        peak_flops_per_second=peak,
        peak_source=progress.peak_source,
        tuning=progress.tuning,
        validation=progress.validation,
        samples_per_second=samples_per_second,
    )


def duration(status: TrainingJobStatus) -> Duration:
    """How long the job of `status` took. It is open (None) as long as the job is not finished."""
    start, since, end = status.start_time, status.internal.active_since, status.completion_time
    if start is None or end is None:
        return Duration(start_time=start, completion_time=end, seconds=None, active_seconds=None)
    last = (end - since).total_seconds() if since else 0.0
    seconds = (end - start).total_seconds()
    return Duration(
        start_time=start,
        completion_time=end,
        seconds=seconds,
        active_seconds=status.internal.active_seconds + max(0.0, last),
    )


def _energy(status: TrainingJobStatus, pue: float) -> EnergyFacts:
    energy = status.energy
    return EnergyFacts(
        joules=energy.joules,
        low_joules=energy.low,
        high_joules=energy.high,
        facility_joules=energy.facility_joules,
        pue=_mean(energy.facility_joules, energy.joules, {a.pue for a in energy.accounts} or {pue}),
        spread_joules=energy.spread_joules,
        wasted_joules=energy.wasted_joules,
        waste_is_known=energy.waste_is_known,
        joules_per_sample=energy.joules_per_sample,
        measured_ratio=energy.measured_ratio,
        incomplete=energy.incomplete,
        meters=energy.meters,
        causes=energy_causes.with_waiting(status.causes, status.phases),
    )


def _carbon(energy: EnergyStatus, facts: EnergyFacts, domain: PowerDomainSpec) -> CarbonFacts | None:
    if energy.carbon_grams is None:
        return None
    low, high = facts.bounds(energy.carbon_grams)
    return CarbonFacts(
        grams=energy.carbon_grams,
        low_grams=low,
        high_grams=high,
        grams_per_kwh=_mean(
            energy.carbon_grams * JOULES_PER_KWH,
            energy.facility_joules,
            {a.grams_per_kwh for a in energy.accounts} or {domain.carbon.grams_per_kwh},
        ),
        zone=domain.carbon.zone_name,
        source=domain.carbon.source_name,
    )


def _mean(total: float, joules: float, used: set[float | None]) -> float:
    """The one figure that was `used`, else `total` of them all / `joules`."""
    [one, *others] = used
    if one is None or others:
        return round(total / joules, 6) if joules else 0.0
    return one


def _costs(energy: EnergyStatus, facts: EnergyFacts) -> tuple[CostFacts, ...]:
    """The cost in each currency; of a status without such a list in the one that it has."""
    alone = () if energy.cost is None else (Cost(energy.currency, energy.cost),)
    found = []
    for cost in energy.costs or alone:
        low, high = facts.bounds(cost.cost)
        found.append(CostFacts(amount=cost.cost, low=low, high=high, currency=cost.currency, since=cost.since))
    return tuple(found)


def _rates(energy: EnergyStatus) -> tuple[RateFacts, ...]:
    return tuple(
        RateFacts(
            share=round(account.joules / energy.joules, 6) if energy.joules else 0.0,
            joules=account.joules,
            pue=account.pue,
            grams_per_kwh=account.grams_per_kwh,
            zone=account.zone,
            price_per_kwh=account.price_per_kwh,
            currency=account.currency,
        )
        for account in sorted(energy.accounts, key=lambda account: -account.joules)
    )


def _without_secrets(spec: TrainingJobSpec) -> dict[str, Any]:
    shown = spec.to_json_object()
    for variable in shown.get("workers", {}).get("env", ()):
        variable["value"] = "(not shown)"
    return shown
