"""`python -m wattrain_worker.tracking TRACKER OFFSET END_FD`: tracks one job in one place.

OFFSET: bytes of metrics.jsonl that were there before this attempt. END_FD: a pipe on which the supervisor says its end.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module

from wattrain_api import reasons
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_api.trackers import TRACKERS
from wattrain_worker.report import report, wait_until_taken
from wattrain_worker.tracking.follower import Follower
from wattrain_worker.tracking.position import Position
from wattrain_worker.tracking.tracked_job import TrackedJob, read_job

_LOWER_PRIORITY = 10


def main(field: str, start_bytes: int, end_fd: int) -> int:
    """Track until the supervisor ends; the exit code."""
    with contextlib.suppress(OSError):
        os.nice(_LOWER_PRIORITY)  # it has time; the ranks have not
    job = read_job(field)
    file = job.metrics_file
    position = Position(file.with_name(f".tracked-{field}.json"), job.uid, start_bytes, _size_bytes(job))
    module = import_module(f"wattrain_worker.tracking.{TRACKERS[field].module}")
    steps = RecordedSteps(file, position.offset_bytes)

    def notify(sentence: str) -> None:
        message = f"spec.tracking.{field}: {sentence}; the training goes on"
        sys.stderr.write(f"wattrain: {message}\n")
        report(notice={"reason": reasons.TRACKING_FAILED, "message": message})
        wait_until_taken()

    return 0 if Follower(steps, position, module.open_tracker(job), end_fd, notify).follow() else 1


def _size_bytes(job: TrackedJob) -> int:
    try:
        return job.metrics_file.stat().st_size
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
