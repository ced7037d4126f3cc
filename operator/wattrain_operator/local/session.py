"""From the user's files to the exit code: everything that is checked before the loop begins, and what comes after."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from wattrain_api import reasons
from wattrain_api.load import load_files
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_true
from wattrain_operator.local import preflight, resume
from wattrain_operator.local.child import KILL_AFTER_SECONDS
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.look import Opening, Result, View
from wattrain_operator.local.metrics import MetricsServer
from wattrain_operator.local.receipt import write_receipt
from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_FAILED, Refused
from wattrain_operator.local.run import LocalRun
from wattrain_operator.local.rundir import RunDirectory

REMAINS_SECONDS = KILL_AFTER_SECONDS + 5
"""How long the workers of a killed command may take to end."""


def run_files(
    files: Sequence[Path], overrides: Sequence[str], directory: Path | None, metrics_port: int, view: View
) -> int:
    """Run the job in `files` to its end and return the exit code.

    InvalidInput or Refused where it cannot be run; then nothing has been started.
    """
    loaded = load_files(files, overrides)
    job = loaded.job
    domain = preflight.choose_domain(job, loaded.domains)
    preflight.check(job, domain)
    notes = (*preflight.notes(job.spec), *(f"{document}: for clusters, not used here" for document in loaded.skipped))
    path = directory or Path("runs") / job.metadata.name
    with (
        contextlib.closing(view),
        contextlib.closing(MetricsServer(metrics_port)) as server,
        contextlib.closing(RunDirectory.open(path, wait_seconds=REMAINS_SECONDS)) as opened,
    ):
        try:
            return _run_in(opened, job, domain, server, view, notes).exit_code
        except Refused:
            raise
        except Exception as error:
            with opened.crash_log.open("a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            raise Refused(
                f"unexpected {type(error).__name__}: {error}; the traceback is in {opened.crash_log}",
                exit_code=EXIT_FAILED,
            ) from error


def _run_in(
    directory: RunDirectory,
    job: TrainingJob,
    domain: PowerDomain,
    server: MetricsServer,
    view: View,
    notes: tuple[str, ...],
) -> Result:
    start = resume.start(directory, job, datetime.now(UTC))
    if is_true(start.status, reasons.COMPLETE):
        if not directory.receipt.exists():  # the command was killed between the last step and the receipt
            write_receipt(directory.path, start.job, domain)
        sentence = f"{job.metadata.name} is complete already; to train it again choose another directory with --dir"
        result = Result(start.status, EXIT_COMPLETE, (sentence,), directory.receipt)
        view.end(result)
        return result
    with Interrupts() as interrupts:
        view.begin(Opening(start.job, directory.path, server.url, start.resumed, notes))
        return LocalRun(start, domain, directory, view, interrupts).run(server)
