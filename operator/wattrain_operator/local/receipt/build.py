"""From a job, its status and its files to a Receipt. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import EnergyStatus, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec
from wattrain_operator.local.receipt.contents import (
    CarbonFacts,
    CostFacts,
    Duration,
    EnergyFacts,
    JobFacts,
    Receipt,
    TrainingFacts,
)


def build(
    job: TrainingJob,
    status: TrainingJobStatus,
    domain: PowerDomainSpec,
    prepared: dict[str, Any] | None,
    versions: Mapping[str, str],
    cpu_model: str,
    samples_per_second: float | None,
) -> Receipt:
    """The receipt of `job` as `status` says it went; `prepared` is prepare.json where there was a preparation."""
    spec, energy = job.spec, status.energy
    facts = _energy(energy, domain.pue)
    return Receipt(
        job=_job(job, status),
        duration=duration(status),
        training=_training(status, samples_per_second),
        test=status.model.metrics if status.model else None,
        energy=facts,
        carbon=_carbon(energy, facts, domain),
        cost=_cost(energy, facts),
        restart_count=status.restart_count,
        restarts=status.restarts,
        seed=spec.training.seed if spec.training else None,
        versions=dict(versions),
        cpu_model=cpu_model,
        data=prepared,
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
    return TrainingFacts(
        step=progress.step,
        total_steps=progress.total_steps,
        loss=progress.loss,
        validation=progress.validation,
        samples_per_second=samples_per_second,
    )


def duration(status: TrainingJobStatus) -> Duration:
    """How long the job of `status` took. It is open (None) as long as the job is not finished."""
    start, since, end = status.start_time, status.active_since, status.completion_time
    if start is None or end is None:
        return Duration(start_time=start, completion_time=end, seconds=None, active_seconds=None)
    last = (end - since).total_seconds() if since else 0.0
    seconds = (end - start).total_seconds()
    return Duration(
        start_time=start, completion_time=end, seconds=seconds, active_seconds=status.active_seconds + max(0.0, last)
    )


def _energy(energy: EnergyStatus, pue: float) -> EnergyFacts:
    return EnergyFacts(
        joules=energy.joules,
        low_joules=energy.low,
        high_joules=energy.high,
        facility_joules=energy.facility_joules,
        pue=pue,
        wasted_joules=energy.wasted_joules,
        joules_per_sample=energy.joules_per_sample,
        measured_ratio=energy.measured_ratio,
        meters=energy.meters,
    )


def _carbon(energy: EnergyStatus, facts: EnergyFacts, domain: PowerDomainSpec) -> CarbonFacts | None:
    if energy.carbon_grams is None:
        return None
    low, high = facts.bounds(energy.carbon_grams)
    return CarbonFacts(
        grams=energy.carbon_grams,
        low_grams=low,
        high_grams=high,
        grams_per_kwh=domain.carbon.grams_per_kwh,
        zone=domain.carbon.zone,
        source=domain.carbon.source,
    )


def _cost(energy: EnergyStatus, facts: EnergyFacts) -> CostFacts | None:
    if energy.cost is None:
        return None
    low, high = facts.bounds(energy.cost)
    return CostFacts(amount=energy.cost, low=low, high=high, currency=energy.currency)


def _without_secrets(spec: TrainingJobSpec) -> dict[str, Any]:
    shown = spec.to_json_object()
    for variable in shown.get("workers", {}).get("env", ()):
        variable["value"] = "(not shown)"
    return shown
