"""What becomes of a status that nobody has worked on for a while: a local run that is gone on with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import CheckpointStatus, TrainingJobStatus
from wattrain_operator.core.ledger import ChildReading, enter


def adopt(
    status: TrainingJobStatus,
    left: Iterable[ChildReading],
    domain: PowerDomainSpec,
    now: datetime,
    workers: int,
    series: CarbonSeries | None = None,
) -> TrainingJobStatus:
    """`status` with what children of a group of `workers` had used when they ended, which nobody heard."""
    readings = sorted(left, key=lambda reading: reading.attempt)
    return enter(status, readings, domain, now, {reading.uid for reading in readings}, workers, series)


def resume(status: TrainingJobStatus, paused_seconds: float, saved_step: int | None) -> TrainingJobStatus:
    """`status` brought up to now, after `paused_seconds` in which no command ran.

    That time counts for no deadline. `saved_step` is the step of the newest checkpoint in the storage (None: there is
    none): workers may have saved it after the command that would have entered it had ended.
    """
    return _with_saved_checkpoint(_without_pause(status, timedelta(seconds=int(paused_seconds))), saved_step)


def _without_pause(status: TrainingJobStatus, pause: timedelta) -> TrainingJobStatus:
    def moved(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment + pause

    old = status.internal
    internal = replace(
        old, attempt_time=moved(old.attempt_time), active_since=moved(old.active_since),
        not_before=moved(old.not_before),
        open_phase=None if old.open_phase is None else replace(old.open_phase, since=old.open_phase.since + pause),
    )  # fmt: skip
    return replace(status, internal=internal)


def _with_saved_checkpoint(status: TrainingJobStatus, step: int | None) -> TrainingJobStatus:
    known = 0 if status.checkpoint is None else status.checkpoint.step
    if step is None or step <= known:
        return status
    joules = status.energy.joules
    internal = replace(status.internal, safe_joules=joules)
    return replace(status, checkpoint=CheckpointStatus(step=step, joules=joules), internal=internal)
