"""The loss and the power of a job over its time, from what it has recorded on its claim."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from wattrain_api.names import DIRECTORY_RECORDS, FILE_METRICS
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_operator.local.refused import Refused
from wattrain_operator.receipt.curves import Curves, curves
from wattrain_operator.remote.seen_job import SeenJob

_CLOCKS_DIFFER_SECONDS: Final = 5.0


def recorded_curves(directory: Path, job: SeenJob) -> Curves:
    """From `directory`: the job's `records`, or its directory on the claim, mounted here or copied. An older job of the
    same name has recorded there too: what is of before the job was created is not its own. Refused where nothing of it
    is there."""
    found = next((f for f in _candidates(directory) if f.is_file()), None)
    if found is None:
        raise Refused(
            f"--records {directory}: there is no {FILE_METRICS}; give the directory {job.name}/{DIRECTORY_RECORDS} of "
            "the job's claim, mounted or copied"
        )
    created = 0.0 if job.created_time is None else job.created_time.timestamp() - _CLOCKS_DIFFER_SECONDS
    steps = [step for step in RecordedSteps(found).read_on() if step.time is not None and step.time >= created]
    if not steps:
        raise Refused(f"--records {directory}: {FILE_METRICS} has no step of {job.name}; give the records of this job")
    return curves(steps)


def _candidates(directory: Path) -> tuple[Path, ...]:
    return directory / FILE_METRICS, directory / DIRECTORY_RECORDS / FILE_METRICS
