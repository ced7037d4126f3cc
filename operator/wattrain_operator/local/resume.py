"""What a second run in the same directory means: going on, nothing to do, or no, and why."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wattrain_api import reasons
from wattrain_api.folder_files import digest_of_files, folder_files
from wattrain_api.immutable import changed_immutable_fields, differences, value_at
from wattrain_api.local_path import local_path
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.resumption import adopt, resume
from wattrain_operator.local.carbon_reader import CarbonReader
from wattrain_operator.local.refused import EXIT_FAILED, Refused
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.workers.decode import to_reading

NAMESPACE = "local"
"""Of all jobs on this machine; metrics and statuses have it where those of a cluster have theirs."""
BAD_INPUT_REASONS = (reasons.BAD_SPEC, reasons.BAD_DATA, reasons.INPUT_MISSING, reasons.NOT_SUPPORTED)
"""A job that failed for one of these never had a chance: its input was wrong."""


class AlreadyFailed(Refused):
    """The run in the directory has failed for good."""


@dataclass(frozen=True)
class Start:
    """What a run begins with."""

    job: TrainingJob
    status: TrainingJobStatus
    resumed: bool
    """Whether an earlier run is gone on with."""


def start(directory: RunDirectory, job: TrainingJob, domain: PowerDomainSpec, now: datetime) -> Start:
    """Compare `job` with what was run in `directory` before. Refused, with what to do, where it cannot go on
    (AlreadyFailed: because it has failed)."""
    old = directory.read_job()
    status = directory.read_status()
    if old is not None and _only_input_was_wrong(status):
        directory.clear()  # nothing was trained, and the user has come back with the input mended
        old = None
    if old is None:
        return _fresh(directory, job, now)
    _refuse_another_job(directory, old, job)
    if is_true(status, reasons.FAILED):
        raise AlreadyFailed(
            f"the run in {directory.path} has failed ({status.reason}): {status.message}",
            f"start anew in another directory (--dir), or remove {directory.path}",
            exit_code=EXIT_FAILED,
        )
    changed = old.spec != job.spec
    metadata = old.metadata.model_copy(update={"generation": old.metadata.generation + changed})
    job = job.model_copy(update={"metadata": metadata})
    directory.write_job(job)
    messages = directory.termination_messages()
    readings = [reading for _, left in messages if (reading := to_reading(left, now)) is not None]
    series = CarbonReader(domain.carbon).view().series
    status = adopt(status, readings, domain, now.replace(microsecond=0), job.spec.workers.replicas, series)
    if not is_finished(status):
        status = resume(status, directory.seconds_since_written(now), directory.newest_checkpoint_step())
        directory.write_status(status)
        for file, _ in messages:  # only now: what they say is stored
            file.unlink(missing_ok=True)
    return Start(job, status, resumed=True)


def _fresh(directory: RunDirectory, job: TrainingJob, now: datetime) -> Start:
    identity = {"uid": str(uuid.uuid4()), "namespace": NAMESPACE, "creation_timestamp": now.astimezone(UTC)}
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
    if _sha256(path) != prepared:
        raise Refused(
            f"spec.data.source.uri: {path} has changed since it was prepared for the run in {directory.path}; "
            "train on it in another directory (--dir), or put the old file back"
        )


def _sha256(path: Path) -> str:
    """As `source` of prepare.json has it."""
    if path.is_dir():
        return digest_of_files((name, file.read_bytes) for name, file in folder_files(path))[0]
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
