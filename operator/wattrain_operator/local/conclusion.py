"""How a job of a run has ended, for its user: a result with sentences, and the exit code of them all."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from pathlib import Path

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.conditions import is_true
from wattrain_operator.local.refused import (
    EXIT_BAD_INPUT,
    EXIT_BUDGET_SPENT,
    EXIT_COMPLETE,
    EXIT_FAILED,
    EXIT_INTERRUPTED,
)
from wattrain_operator.local.resume import BAD_INPUT_REASONS
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.local.view_model import Result

_WORST_FIRST = (EXIT_INTERRUPTED, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_BUDGET_SPENT, EXIT_COMPLETE)


def worst(exit_codes: Iterable[int]) -> int:
    """The exit code of a run of several jobs: interrupted before failed, failed before bad input, that before a budget
    that is spent; 0 only if all are complete."""
    return min(exit_codes, key=_WORST_FIRST.index)


def conclude(status: TrainingJobStatus, directory: Path) -> Result:
    """What `status`, the last one, means for the user of the command."""
    if is_true(status, reasons.COMPLETE):
        return Result(status, EXIT_COMPLETE, (f"complete: {status.message}",))
    if is_true(status, reasons.FAILED):
        code = EXIT_BAD_INPUT if status.reason in BAD_INPUT_REASONS else EXIT_FAILED
        code = EXIT_BUDGET_SPENT if status.reason == reasons.BUDGET_SPENT else code
        logs = f"the workers' own words are in {directory / 'logs'}"
        return Result(status, code, (f"failed ({status.reason}): {status.message}", logs))
    if status.reason == reasons.BUDGET_SPENT:
        going_on = "raise it in the file, or by --set, and run the same command again to go on"
        return Result(status, EXIT_BUDGET_SPENT, (f"suspended: {status.message}", going_on))
    if status.attempt == 0:
        return Result(status, EXIT_INTERRUPTED, ("stopped before it began; run the same command again to start it",))
    step = 0 if status.checkpoint is None else status.checkpoint.step
    going_on = "run the same command again to go on"
    saved = f"from the checkpoint of step {step}" if step else "from the beginning: no checkpoint had been saved"
    return Result(status, EXIT_INTERRUPTED, (f"stopped; {going_on} {saved}",))


def unwritten(failure: str) -> tuple[str, ...]:
    """The end of a run whose end could not be written down."""
    return f"failed ({reasons.STORAGE_UNAVAILABLE}): {failure}", "its status and its receipt could not be written"


def record_crash(error: Exception, directory: RunDirectory) -> str:
    """Keep the traceback of an error that nobody foresaw, and say in a sentence what happened."""
    with directory.crash_log.open("a", encoding="utf-8") as log:
        traceback.print_exception(error, file=log)
    return f"unexpected {type(error).__name__}: {error}; the traceback is in {directory.crash_log}"
