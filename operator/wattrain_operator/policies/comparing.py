"""A trace under several policies, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_operator.core.carbon_window import best_start
from wattrain_operator.core.fleet_forecasts import ENDING_SECONDS, ETA_BIAS
from wattrain_operator.policies.job_trace import TraceJob
from wattrain_operator.policies.outcome import Outcome, outcome_of
from wattrain_operator.policies.registry import Policy
from wattrain_operator.policies.virtual_time import Run, VirtualTime

_QUEUE_SECONDS = 3600.0
"""A window ends so long before the deadline: a job of higher priority may go before it. Our choice."""


class Setting(NamedTuple):
    """What is the same for all policies."""

    spec: PowerDomainSpec
    series: CarbonSeries | None
    """Also what is forecast; None: the domain's own mean, which chooses no time."""
    begin: datetime
    """When the trace starts, aware."""
    bound_ratio: float
    """Jobs limit themselves to so many times their duration."""


def simulate(
    jobs: Sequence[TraceJob], policy: Policy, setting: Setting, clock: Callable[[], float]
) -> tuple[Outcome, Run]:
    """`jobs`, in the order of submission, under `policy`. `clock`: seconds, for the speed alone."""
    spec = setting.spec
    usable, places = spec.usable_watts, spec.max_running_jobs
    began = clock()
    run = VirtualTime(
        jobs, policy, inf if usable is None else usable, inf if places is None else places, setting.bound_ratio,
        lambda job, has_room: _release(job, setting, has_room),
        preempts=spec.preemption == "LowerPriority" and policy.by_priority and policy.overtakes,
    ).run()  # fmt: skip
    return outcome_of(policy.name, jobs, run, clock() - began, spec, setting.series, setting.begin), run


def _release(job: TraceJob, setting: Setting, has_room: Callable[[float], bool]) -> float:
    """When the cleanest window of a job begins that `has_room`, in seconds of the trace; of a job without a deadline,
    when it is submitted. What a job takes longer than it is expected to must fit before its deadline as well."""
    if job.deadline_seconds is None or setting.series is None or not job.duration_seconds:
        return job.submit_seconds
    now = setting.begin + timedelta(seconds=job.submit_seconds)
    spare = job.duration_seconds * (ETA_BIAS - 1) + ENDING_SECONDS + _QUEUE_SECONDS
    deadline = now + timedelta(seconds=job.deadline_seconds - spare)
    duration = timedelta(seconds=job.duration_seconds)

    def seconds(time: datetime) -> float:
        return (time - setting.begin).total_seconds()

    found = best_start(setting.series, now, duration, deadline, lambda start: has_room(seconds(start)))
    return job.submit_seconds if found is None else seconds(found.time)
