"""A job as the fleet of its power domain sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf
from typing import Final, Literal

from wattrain_api import reasons
from wattrain_api.energy import PowerCap
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec
from wattrain_operator.core import fleet_forecasts
from wattrain_operator.core.clean_hours import awaits_clean_hours
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.holding import hold_of
from wattrain_operator.core.power_cap import cap_of
from wattrain_operator.core.power_estimate import estimated_watts
from wattrain_operator.core.reservations import Draw

_ANY_CAP: Final = PowerCap(job_watts=1)
"""For the default of its `minPercent`: a job is looked at in each pass, and a model is checked when it is made."""


@dataclass(frozen=True)
class FleetJob:
    """One job as the fleet sees it."""

    namespace: str
    name: str
    uid: str
    priority: int
    created: datetime
    turn: int
    """Number of the reservation that it waits for or holds."""
    wants: bool
    """It is to run and has not been admitted."""
    runs: bool
    """It has been admitted and is not over."""
    full_watts: float = 0.0
    """The most that its workers can draw by their limits."""
    draw: Draw | None = None
    """What it has been seen to draw."""
    ends: datetime | None = None
    """When it will have ended, at the latest that is to be expected; None: nobody knows."""
    longest_seconds: float = inf
    """It ends at the latest so long after it has been admitted; inf: it may take for ever."""
    flexibility: Literal["none", "throttle", "pause"] = "none"
    """What it gives up while its domain sheds power."""
    floor_ratio: float = 1.0
    """Share of what it draws below which it is not throttled."""
    is_leaving: bool = False
    """It will give its place up by itself soon: it is finished, held, or to be deleted."""
    keeps_checkpoints: bool = True
    """They outlive its workers."""
    finished: bool = False
    living_children: bool = False
    """A process of it may run."""
    fresh: bool = False
    """Whether the job and then its children were read from the source itself; a cache may lag behind."""


def fleet_job(
    job: TrainingJob,
    status: TrainingJobStatus,
    *,
    living_children: bool,
    fresh: bool,
    cpus: float = 1.0,
    shared_storage: bool = True,
) -> FleetJob:
    """`job` as the fleet sees it. `living_children`: whether a process of it may run. `cpus`: what a worker is counted
    with that names neither a limit nor a request. `shared_storage`: as in Observed."""
    finished, admitted = is_finished(status), is_true(status, reasons.ADMITTED)
    leaves = finished or hold_of(job.spec, status) is not None or job.metadata.deletion_timestamp is not None
    # A resumed job waits once its status says so: only then does another suspension raise its turn, and free its place.
    suspended = is_true(status, reasons.SUSPENDED)
    return FleetJob(
        job.metadata.namespace,
        job.metadata.name,
        job.metadata.uid,
        job.spec.queue.priority,
        job.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC),
        status.internal.turn,
        wants=not (admitted or leaves or suspended) and not awaits_clean_hours(job.spec, status),
        runs=admitted and not finished,
        full_watts=_full_watts(job.spec, cpus),
        draw=fleet_forecasts.draw_of(status),
        ends=fleet_forecasts.end_of(job.spec, status),
        longest_seconds=fleet_forecasts.longest_seconds(job.spec, status),
        flexibility=job.spec.energy.flexibility,
        floor_ratio=(job.spec.energy.power_cap or _ANY_CAP).min_percent / 100,
        is_leaving=leaves,
        keeps_checkpoints=shared_storage,
        finished=finished,
        living_children=living_children,
        fresh=fresh,
    )


def _full_watts(spec: TrainingJobSpec, cpus: float) -> float:
    """The most that the workers may draw by their limits, or by the job's own cap."""
    most_watts, cap = estimated_watts(spec, cpus).high, cap_of(spec, cpus)
    return most_watts if cap is None else min(most_watts, cap.target_watts)
