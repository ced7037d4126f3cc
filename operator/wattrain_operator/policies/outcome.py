"""What a policy came to on a trace, beside what no policy can do better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Any

from pydantic.alias_generators import to_camel

from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_operator.policies.job_trace import TraceJob
from wattrain_operator.policies.power_curve import SLOT_SECONDS, PowerCurve
from wattrain_operator.policies.virtual_time import Run

_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Outcome:
    """The figures of one policy."""

    policy: str
    jobs: int
    """That ran. The cap never has room for the others."""
    makespan_seconds: float
    """From the start of the trace to the last end."""
    mean_completion_seconds: float
    """From submission to end."""
    p95_completion_seconds: float
    mean_wait_seconds: float
    """From submission to end, without the time that the jobs ran."""
    energy_kwh: float
    """Of the machines: jobs, and baseWatts until the last end."""
    carbon_kg: float
    """Of the facility: energy x PUE, by the intensity of each quarter of an hour."""
    cost: float | None
    """Of the facility, in the currency of the domain's tariff; None: it has none."""
    cap_overshoot_watt_seconds: float
    deadlines_missed: int
    preemptions: int
    """Stops for a job of higher priority; what saving and starting again cost is not modelled."""
    events_per_minute: float
    """Submissions and ends that were computed in a minute of this machine."""

    def to_json_object(self) -> dict[str, Any]:
        """As `--output json` has it."""
        named = {"energy_kwh": "energyKWh"}
        return {named.get(name, to_camel(name)): value for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Bound:
    """What no policy can do better under the same cap: perfect packing of watts, each job at once."""

    makespan_seconds: float
    """The larger of: all watt-seconds at the full cap, and the latest end of a job that starts when it is submitted."""
    mean_completion_seconds: float
    """The mean duration."""


def bound_of(jobs: Sequence[TraceJob], usable_watts: float) -> Bound:
    """The bound of those of `jobs` that fit at all."""
    fitting = [job for job in jobs if job.watts <= usable_watts]
    if not fitting:
        return Bound(0.0, 0.0)
    packed = 0.0 if usable_watts == inf else sum(job.watts * job.duration_seconds for job in fitting) / usable_watts
    latest = max(job.submit_seconds + job.duration_seconds for job in fitting)
    first = min(job.submit_seconds for job in fitting)
    mean = sum(job.duration_seconds for job in fitting) / len(fitting)
    return Bound(max(first + packed, latest), mean)


def outcome_of(
    policy: str, jobs: Sequence[TraceJob], run: Run, wall_seconds: float, spec: PowerDomainSpec,
    series: CarbonSeries | None, begin: datetime,
) -> Outcome:  # fmt: skip
    """The figures of `run`. `begin`: when the trace starts, aware; `series` counts where it is known."""
    ran = [(job, end) for job, end in zip(jobs, run.ends, strict=True) if end < inf]
    completions = sorted(end - job.submit_seconds for job, end in ran)
    makespan = max((end for _, end in ran), default=0.0)
    joules = _with_base(run.curve, makespan, spec.base_watts)
    facility = _facility(joules, spec, begin)
    missed = sum(
        job.deadline_seconds is not None and end > job.submit_seconds + job.deadline_seconds for job, end in ran
    )
    return Outcome(
        policy,
        len(ran),
        makespan,
        _mean(completions),
        completions[max(0, ceil(0.95 * len(completions)) - 1)] if completions else 0.0,
        _mean([end - job.submit_seconds - job.duration_seconds for job, end in ran]),
        sum(joules) / _JOULES_PER_KWH,
        sum(kwh * _grams(spec, series, moment) for kwh, moment in facility) / 1000,
        None if spec.tariff is None
        else sum(kwh * spec.tariff.price_at(moment) for kwh, moment in facility),
        run.curve.overshoot_watt_seconds,
        missed,
        run.preemptions,
        60 * run.events / wall_seconds if wall_seconds else 0.0,
    )  # fmt: skip


def _with_base(curve: PowerCurve, until: float, base_watts: float) -> list[float]:
    """Joules of each slot with those of everything else under the cap."""
    slots = ceil(until / SLOT_SECONDS)
    joules = curve.joules[:slots] + [0.0] * max(0, slots - len(curve.joules))
    return [each + base_watts * min(SLOT_SECONDS, until - n * SLOT_SECONDS) for n, each in enumerate(joules)]


def _facility(joules: list[float], spec: PowerDomainSpec, begin: datetime) -> list[tuple[float, datetime]]:
    """Kilowatt-hours of the facility and the middle of each slot."""
    return [
        (each * spec.pue / _JOULES_PER_KWH, begin + timedelta(seconds=(n + 0.5) * SLOT_SECONDS))
        for n, each in enumerate(joules)
    ]


def _grams(spec: PowerDomainSpec, series: CarbonSeries | None, moment: datetime) -> float:
    known = None if series is None else series.at(moment)
    return spec.carbon.grams_per_kwh if known is None else known


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
