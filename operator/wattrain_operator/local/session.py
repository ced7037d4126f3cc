"""From the user's files to the exit code: everything that is checked before the loop begins, and what comes after."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wattrain_api import reasons
from wattrain_api.load import load_files
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_true
from wattrain_operator.core.notifying import is_awaited
from wattrain_operator.local import preflight, resume
from wattrain_operator.local.child import KILL_AFTER_SECONDS
from wattrain_operator.local.conclusion import record_crash, worst
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.job_run import JobToRun
from wattrain_operator.local.metrics_page import MetricsServer
from wattrain_operator.local.receipt_files import write_receipt
from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_FAILED, Refused
from wattrain_operator.local.run import LocalRun
from wattrain_operator.local.run_notifier import RunNotifier
from wattrain_operator.local.run_page import serve_runs
from wattrain_operator.local.run_telemetry import RunTelemetry, run_telemetry
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.local.unwritable import storage_failure
from wattrain_operator.local.view_model import Opening, Result, View
from wattrain_operator.notifications.webhook import Webhook

REMAINS_SECONDS = KILL_AFTER_SECONDS + 5
"""How long the workers of a killed command may take to end."""


def run_files(
    files: Sequence[Path],
    overrides: Sequence[str],
    directory: Path | None,
    metrics_port: int,
    view: View,
    *,
    with_page: bool = False,
    webhook: Webhook | None = None,
) -> int:
    """Run the jobs in `files` to their ends and return the exit code. `with_page`: serve the page meanwhile; `webhook`:
    who is notified of their ends.

    InvalidInput or Refused where they cannot be run; then nothing has been started.
    """
    loaded = load_files(files, overrides)
    domains = preflight.check_all(loaded.jobs, loaded.domains)
    notes = (
        *(f"{document}: for clusters, not used here" for document in loaded.skipped),
        *preflight.unnamed(loaded.jobs, loaded.domains),
    )
    paths = _paths(loaded.jobs, directory)
    with (
        contextlib.closing(view),
        run_telemetry(os.environ) as telemetry,
        contextlib.closing(MetricsServer(metrics_port)) as server,
        contextlib.ExitStack() as opened,
    ):
        directories = [_open(path, opened) for path in paths]
        try:
            to_run, exit_codes = _start_all(loaded.jobs, domains, directories, view, webhook)
            if to_run:
                with _page(to_run, wanted=with_page) as page_url:
                    exit_codes += _run(
                        [replace(each, written=telemetry.written) for each in to_run],
                        server,
                        view,
                        (*notes, *telemetry.notes),
                        page_url,
                        telemetry,
                    )
            return worst(exit_codes)
        except Refused:
            raise
        except Exception as error:
            failures = (storage_failure(error, directory.path) for directory in directories)
            if (failure := next(filter(None, failures), None)) is not None:
                raise Refused(failure, exit_code=EXIT_FAILED) from error
            raise Refused(record_crash(error, directories[0]), exit_code=EXIT_FAILED) from error


def _paths(jobs: Sequence[TrainingJob], directory: Path | None) -> list[Path]:
    """The directory of each job's run: one job has `directory`, several have directories below it."""
    if directory is not None and len(jobs) == 1:
        return [directory]
    if directory is not None and (directory / "job.json").exists():
        raise Refused(
            f"--dir {directory}: holds the run of one job; each of several has a directory of its own below --dir: "
            "choose another directory"
        )
    return [(directory or Path("runs")) / job.metadata.name for job in jobs]


def _open(path: Path, opened: contextlib.ExitStack) -> RunDirectory:
    return opened.enter_context(contextlib.closing(RunDirectory.open(path, wait_seconds=REMAINS_SECONDS)))


def _start_all(
    jobs: Sequence[TrainingJob],
    domains: Sequence[PowerDomain],
    directories: Sequence[RunDirectory],
    view: View,
    webhook: Webhook | None,
) -> tuple[list[JobToRun], list[int]]:
    """The jobs that are to be run, and the exit codes of those that are over already, which `view` is told.

    Refused where one cannot go on, or where all have failed already.
    """
    to_run: list[JobToRun] = []
    over: dict[str, Result] = {}
    try:
        for job, domain, directory in zip(jobs, domains, directories, strict=True):
            started = _start(job, domain, directory, webhook)
            if isinstance(started, Result):
                over[job.metadata.name] = started
            else:
                to_run.append(started)
        if not to_run and all(result.exit_code == EXIT_FAILED for result in over.values()):
            raise Refused(*(line for result in over.values() for line in result.sentences), exit_code=EXIT_FAILED)
    except Refused:
        for begun in to_run:
            if not begun.start.resumed:
                begun.directory.clear()  # nothing has been started: the next command must not go on with it
        raise
    for name, result in over.items():
        view.end(name, result)
    return to_run, [result.exit_code for result in over.values()]


def _start(
    job: TrainingJob, domain: PowerDomain, directory: RunDirectory, webhook: Webhook | None
) -> JobToRun | Result:
    """What the job begins with, or, where it is over already, how it has ended."""
    try:
        start = resume.start(directory, job, domain.spec, datetime.now(UTC))
    except resume.AlreadyFailed as failed:
        return Result(directory.read_status(), EXIT_FAILED, failed.lines)
    if is_true(start.status, reasons.COMPLETE) and (webhook is None or not is_awaited(start.status)):
        return _complete_already(start, domain, directory)
    return JobToRun(start, domain, directory, None if webhook is None else RunNotifier(webhook))


def _complete_already(start: resume.Start, domain: PowerDomain, directory: RunDirectory) -> Result:
    if not directory.receipt.exists():  # the command was killed between the last step and the receipt
        write_receipt(directory.path, start.job, domain)
    sentence = f"{start.job.metadata.name} is complete already; to train it again choose another directory with --dir"
    return Result(start.status, EXIT_COMPLETE, (sentence,), directory.receipt)


@contextlib.contextmanager
def _page(to_run: Sequence[JobToRun], *, wanted: bool) -> Iterator[str]:
    """Serves the page of the runs, from their own directories; its address, or an empty text."""
    if not wanted:
        yield ""
        return
    with contextlib.closing(serve_runs([each.directory.path for each in to_run])) as server:
        yield server.url


def _run(
    to_run: Sequence[JobToRun],
    server: MetricsServer,
    view: View,
    notes: tuple[str, ...],
    page_url: str,
    telemetry: RunTelemetry,
) -> list[int]:
    openings = [
        Opening(
            each.start.job, each.directory.path, server.url, each.start.resumed,
            (*preflight.notes(each.start.job.spec), *notes), page_url,
        )
        for each in to_run
    ]  # fmt: skip
    with Interrupts() as interrupts:
        try:
            view.begin(openings)
        except OSError as error:  # not of the directory, which errors of a write do not name
            sentence = f"standard output cannot be written ({error.strerror}); nothing has been started"
            raise Refused(sentence, exit_code=EXIT_FAILED) from error
        return [
            result.exit_code for result in LocalRun(to_run, view, interrupts, measure=telemetry.measure).run(server)
        ]
