"""What a job's status says of its power now, and of when it will have ended."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import inf
from typing import Final

from wattrain_api.contract.phases import Phase
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.reservations import Draw

ETA_BIAS: Final = 1.25
"""Jobs take so many times as long as their steps foretell. Our choice: they evaluate, export, and may slow down."""
ENDING_SECONDS: Final = 120.0
"""From the end of a job's time until its pods are gone: their grace period is 60 seconds. Our choice."""
_MEASURED_RATIO: Final = 0.5
"""A job's power is called measured where more of its energy is."""


def draw_of(status: TrainingJobStatus) -> Draw | None:
    """What the job was last seen to draw; None: nothing is known. Only what is measured while it trains counts as
    measured: a group that starts, or prepares its data, will draw more."""
    progress, energy = status.progress, status.energy
    if progress is None or progress.updated_time is None or energy.watts is None:
        return None
    trains = progress.phase == Phase.TRAINING
    measured = trains and energy.measured_ratio is not None and energy.measured_ratio > _MEASURED_RATIO
    return Draw(energy.watts, progress.updated_time, measured)


def end_of(spec: TrainingJobSpec, status: TrainingJobStatus) -> datetime | None:
    """When a running job will have ended, at the latest that is to be expected; None: nobody knows."""
    ends, progress = [], status.progress
    if progress is not None and progress.updated_time is not None and progress.eta_seconds is not None:
        ends.append(progress.updated_time + timedelta(seconds=progress.eta_seconds * ETA_BIAS + ENDING_SECONDS))
    since, longest = status.internal.active_since, longest_seconds(spec, status)
    if since is not None and longest < inf:
        ends.append(since + timedelta(seconds=longest))
    return min(ends, default=None)


def longest_seconds(spec: TrainingJobSpec, status: TrainingJobStatus) -> float:
    """How long after its admission the job has ended for certain; inf: it may take for ever. What a user estimates is
    no bound: a job that takes longer would delay those before whom it went."""
    limit = spec.policy.active_deadline_seconds
    return inf if limit is None else max(0, limit - status.internal.active_seconds) + ENDING_SECONDS
