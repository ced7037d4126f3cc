"""What a second run in the same directory means: going on, nothing to do, or no, and why."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from wattrain_api import reasons
from wattrain_api.immutable import changed_immutable_fields, differences, value_at
from wattrain_api.status import CheckpointStatus, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_true
from wattrain_operator.local.preflight import local_path
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
    status = _with_last_checkpoint(status, directory.newest_checkpoint_step())
    return Start(job, _leave_out(status, directory.seconds_since_written(now)), resumed=True)


def _with_last_checkpoint(status: TrainingJobStatus, step: int | None) -> TrainingJobStatus:
    """`status` with the checkpoint that workers saved after the command that would have noted it was gone."""
    known = 0 if status.checkpoint is None else status.checkpoint.step
    if step is None or step <= known:
        return status
    joules = status.energy.joules
    return status.model_copy(
        update={
            "checkpoint": CheckpointStatus(step=step, joules=joules),
            "energy": status.energy.model_copy(update={"safe_joules": joules}),
        }
    )


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
        before, after = old.spec.to_json_object(), job.spec.to_json_object()
        found = [d for d in differences(before, after) if any(f"{d}.".startswith(f"{c}.") for c in changed)]
        told = ", ".join(f"{path} (was {value_at(before, path)}, is {value_at(after, path)})" for path in found[:3])
        raise Refused(
            f"--dir {directory.path}: holds a run of this job with another {told}; going on would mix two trainings: "
            "undo the change, or choose another directory with --dir"
        )
    _refuse_changed_data(directory, job)


def _refuse_changed_data(directory: RunDirectory, job: TrainingJob) -> None:
    """The file was prepared once; what is in it now would go unnoticed."""
    path = local_path(job.spec.data.source.uri or "") if job.spec.data is not None else None
    prepared = (directory.read_preparation() or {}).get("source", {}).get("sha256")
    if path is None or prepared is None or not path.exists():
        return
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != prepared:
            raise Refused(
                f"spec.data.source.uri: {path} has changed since it was prepared for the run in {directory.path}; "
                "train on it in another directory (--dir), or put the old file back"
            )


def _leave_out(status: TrainingJobStatus, seconds: float) -> TrainingJobStatus:
    """`status` with its running clocks moved: the time in which no command ran counts for no deadline."""
    pause = timedelta(seconds=int(seconds))
    clocks = {name: getattr(status, name) for name in ("attempt_time", "active_since", "not_before")}
    return status.model_copy(update={name: at + pause for name, at in clocks.items() if at is not None})
