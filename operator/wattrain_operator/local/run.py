"""The loop of a run over all its jobs: a pass over each power domain, then a pass over each job; until all are over."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from wattrain_operator.core.observed import Event
from wattrain_operator.local import metrics_page
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.carbon_reader import CarbonReader
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.job_run import JobRun, JobToRun
from wattrain_operator.local.launch import SUPERVISOR
from wattrain_operator.local.local_fleet import LocalFleet
from wattrain_operator.local.processes import Orphans
from wattrain_operator.local.run_telemetry import Families
from wattrain_operator.local.unwritable import is_full, say_on_stderr
from wattrain_operator.local.view_model import Opening, Result, View, ViewModel

PASS_SECONDS = 0.2
STEADY_PASS_SECONDS = 1.0
"""Where all jobs train and nothing was decided: a pass costs two to three milliseconds of a core that trains too."""
_LOOK_SECONDS = 0.1
"""Between two looks meanwhile whether anything has happened."""


class LocalRun:
    """One run of jobs from their start to their results."""

    def __init__(
        self,
        jobs: Sequence[JobToRun],
        view: View,
        interrupts: Interrupts,
        command: Sequence[str] = SUPERVISOR,
        measure: Callable[[Families], contextlib.AbstractContextManager[None]] = lambda _: contextlib.nullcontext(),
    ) -> None:
        """`jobs` have names of their own. `command` starts a supervisor; `measure` gets the figures while they run."""
        self._measure = measure
        self._to_run, self._command = jobs, command
        self._view, self._interrupts = view, interrupts
        self._interrupts_heeded = 0
        self._carbon = {to_run.domain.metadata.name: CarbonReader(to_run.domain.spec.carbon) for to_run in jobs}
        self._fleets = {to_run.domain.metadata.name: LocalFleet(to_run.domain) for to_run in jobs}
        members = Counter(to_run.domain.metadata.name for to_run in jobs)
        self._at_once = sum(fleet.most_at_once(members[domain]) for domain, fleet in self._fleets.items())

    def run(self, server: metrics_page.MetricsServer) -> tuple[Result, ...]:
        """Run them, with their figures on `server`. No process is left when this returns or raises."""
        with contextlib.ExitStack() as backends:
            orphans = backends.enter_context(Orphans())  # first: left when all backends are closed
            jobs = [JobRun(to_run, self._backend(to_run, orphans, backends)) for to_run in self._to_run]
            server.show(lambda: metrics_page.page(self._figures(jobs)))
            backends.enter_context(self._measure(lambda: metrics_page.families(self._figures(jobs))))
            self._grant_anew_what_is_too_much(jobs)
            left: Sequence[JobRun] = jobs
            while left:
                self._round(left)
                left = [job for job in left if job.result is None]
                if left:
                    self._wait(left)
        return tuple(job.result for job in jobs if job.result is not None)

    def _backend(self, to_run: JobToRun, orphans: Orphans, backends: contextlib.ExitStack) -> LocalBackend:
        job, at_once = to_run.start.job, self._at_once
        backend = LocalBackend(job, to_run.directory, self._command, jobs_at_once=at_once, orphans=orphans)
        return backends.enter_context(backend)

    def _figures(self, jobs: Sequence[JobRun]) -> list[metrics_page.JobFigures]:
        return [replace(job.figures(), domain=self._fleets[job.domain.metadata.name].domain) for job in jobs]

    def _wait(self, jobs: Sequence[JobRun]) -> None:
        if not all(job.is_steady for job in jobs):
            time.sleep(PASS_SECONDS)
            return
        until = time.monotonic() + STEADY_PASS_SECONDS
        while time.monotonic() < until and not self._has_news(jobs):
            time.sleep(_LOOK_SECONDS)

    def _has_news(self, jobs: Sequence[JobRun]) -> bool:
        return self._interrupts.count > self._interrupts_heeded or any(job.has_news for job in jobs)

    def _round(self, jobs: Sequence[JobRun]) -> None:
        """One round over the jobs that are not over."""
        self._heed_interrupts(jobs)
        now = datetime.now(UTC)
        for domain, fleet in self._fleets.items():
            members = _of(domain, jobs)
            grants = fleet.grants([job.seen_by_fleet() for job in members], now)
            for job in members:
                self._show(job, job.make_pass(grants[job.uid], now, self._carbon[domain].view()))

    def _heed_interrupts(self, jobs: Sequence[JobRun]) -> None:
        """The first one suspends all jobs, so that their workers save and stop; the next one ends them now."""
        count = self._interrupts.count
        if count > self._interrupts_heeded:
            self._interrupts_heeded = count
            for job in jobs:
                job.suspend()
                if count > 1:
                    job.kill()

    def _grant_anew_what_is_too_much(self, jobs: Sequence[JobRun]) -> None:
        """A killed command leaves jobs admitted of which nothing runs. Where that are more than may run now (it had
        another limit, or there were several commands) they are suspended first, and all are granted by their order."""
        now = datetime.now(UTC)
        for domain, fleet in self._fleets.items():
            members = [job for job in _of(domain, jobs) if job.seen_by_fleet().runs]
            if fleet.is_exceeded_by([job.seen_by_fleet() for job in members]):
                for job in members:
                    self._show(job, job.give_admission_back(now))

    def _show(self, job: JobRun, events: Sequence[Event]) -> None:
        try:
            for event in events:
                self._view.event(job.name, event)
            self._view.show(job.name, job.view_model())
            if job.result is not None:
                self._view.end(job.name, job.result)
        except OSError as error:  # the terminal or the reader of the pipe is gone: nobody wants to see more
            self._view = _Nobody()
            if is_full(error):
                say_on_stderr(f"standard output cannot be written ({error.strerror}); the run saves and stops")
            self._interrupts.count += 1


def _of(domain: str, jobs: Sequence[JobRun]) -> list[JobRun]:
    return [job for job in jobs if job.domain.metadata.name == domain]


class _Nobody:
    """A view for nobody."""

    def begin(self, openings: Sequence[Opening]) -> None:
        """Nobody wants to know."""

    def show(self, job: str, seen: ViewModel) -> None:
        """Nobody wants to know."""

    def event(self, job: str, event: Event) -> None:
        """Nobody wants to know."""

    def end(self, job: str, result: Result) -> None:
        """Nobody wants to know."""

    def close(self) -> None:
        """Nothing to give back."""
