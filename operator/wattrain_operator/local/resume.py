"""What a second run in the same directory means: going on, nothing to do, or no, and why."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wattrain_api import reasons
from wattrain_api.immutable import changed_immutable_fields
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_true
from wattrain_operator.local.refused import EXIT_FAILED, Refused
from wattrain_operator.local.rundir import RunDirectory

BAD_INPUT_REASONS = (reasons.BAD_SPEC, reasons.BAD_DATA, reasons.INPUT_MISSING, reasons.NOT_SUPPORTED)
"""A job that failed for one of these never had a chance: its input was wrong."""


@dataclass(frozen=True)
class Start:
    """What a run begins with."""

    job: TrainingJob
    status: TrainingJobStatus
    resumed: bool
    """Whether an earlier run is gone on with."""


def start(directory: RunDirectory, job: TrainingJob, now: datetime) -> Start:
    """Compare `job` with what was run in `directory` before. Refused, with what to do, where it cannot go on."""
    old = directory.read_job()
    status = directory.read_status()
    if old is not None and _only_input_was_wrong(status):
        directory.clear()  # nothing was trained, and the user has come back with the input mended
        old = None
    if old is None:
        return _fresh(directory, job, now)
    _refuse_another_job(directory, old, job)
    if is_true(status, reasons.FAILED):
        raise Refused(
            f"the run in {directory.path} has failed ({status.reason}): {status.message}",
            f"start anew in another directory (--dir), or remove {directory.path}",
            exit_code=EXIT_FAILED,
        )
    changed = old.spec != job.spec
    metadata = old.metadata.model_copy(update={"generation": old.metadata.generation + changed})
    job = job.model_copy(update={"metadata": metadata})
    directory.write_job(job)
    return Start(job, _leave_out(status, directory.seconds_since_written(now)), resumed=True)


def _fresh(directory: RunDirectory, job: TrainingJob, now: datetime) -> Start:
    identity = {"uid": str(uuid.uuid4()), "namespace": "local", "creation_timestamp": now.astimezone(UTC)}
    job = job.model_copy(update={"metadata": job.metadata.model_copy(update=identity)})
    directory.write_job(job)
    return Start(job, TrainingJobStatus(), resumed=False)


def _only_input_was_wrong(status: TrainingJobStatus) -> bool:
    return is_true(status, reasons.FAILED) and status.reason in BAD_INPUT_REASONS and status.checkpoint is None


def _refuse_another_job(directory: RunDirectory, old: TrainingJob, job: TrainingJob) -> None:
    if old.metadata.name != job.metadata.name:
        raise Refused(
            f"--dir {directory.path}: holds the run of {old.metadata.name}, not of {job.metadata.name}; choose another "
            "directory with --dir"
        )
    changed = changed_immutable_fields(old.spec, job.spec)
    if changed:
        raise Refused(
            f"--dir {directory.path}: holds a run of this job with another {', '.join(changed)}; going on would mix "
            "two trainings: undo the change, or choose another directory with --dir"
        )


def _leave_out(status: TrainingJobStatus, seconds: float) -> TrainingJobStatus:
    """`status` with its running clocks moved: the time in which no command ran counts for no deadline."""
    pause = timedelta(seconds=int(seconds))
    clocks = {name: getattr(status, name) for name in ("attempt_time", "active_since", "not_before")}
    return status.model_copy(update={name: at + pause for name, at in clocks.items() if at is not None})
