"""One job of a run: observe, plan, write the status, apply, add the events; until there is nothing left to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from wattrain_api import names, reasons
from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.fleet_job import FleetJob, fleet_job
from wattrain_operator.core.holding import hold_of
from wattrain_operator.core.notifying import is_awaited
from wattrain_operator.core.observed import NO_SERIES, CarbonView, Event, Grant
from wattrain_operator.core.plan import plan
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.conclusion import conclude, record_crash, unwritten
from wattrain_operator.local.curve import LossCurve
from wattrain_operator.local.metrics_page import JobFigures
from wattrain_operator.local.receipt_files import write_receipt
from wattrain_operator.local.refused import EXIT_FAILED
from wattrain_operator.local.resume import Start
from wattrain_operator.local.run_notifier import RunNotifier
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.local.unwritable import storage_failure
from wattrain_operator.local.view_model import Result, ViewModel


@dataclass(frozen=True)
class JobToRun:
    """A job that is to be run, and all that is known before."""

    start: Start
    domain: PowerDomain
    directory: RunDirectory
    notifier: RunNotifier | None = None
    """Who is notified of its end; None: nobody."""
    written: Callable[[TrainingJob, TrainingJobStatus, TrainingJobStatus], None] | None = None
    """Told of each status that is written, with the one before; None: nobody is."""


class JobRun:
    """One run of one job from its start to its result. The processes are those of its backend, which others close."""

    def __init__(self, to_run: JobToRun, backend: LocalBackend) -> None:
        self._job, self._status = to_run.start.job, to_run.start.status
        self.domain, self._directory = to_run.domain, to_run.directory
        self._backend, self._notifier = backend, to_run.notifier
        self._written, self._is_told_to_end = to_run.written, False
        self._curve = LossCurve(self._directory.metrics_file)
        self.name, self.uid = self._job.metadata.name, self._job.metadata.uid
        self._storage_failure = ""
        self._series: CarbonSeries | None = None
        self._decided_nothing = False
        self.result: Result | None = None
        """Set once there is nothing left to do."""

    def seen_by_fleet(self) -> FleetJob:
        """The job as its fleet sees it. What this process knows of its own children is always fresh."""
        living, cpus = self._backend.has_living_children, self._backend.cpus_of_worker
        return fleet_job(self._job, self._status, living_children=living, fresh=True, cpus=cpus)

    @property
    def is_steady(self) -> bool:
        """Whether it trains, and the last pass has decided nothing: the next one may wait a little longer."""
        return self._decided_nothing and self._backend.trains

    @property
    def has_news(self) -> bool:
        """Whether the next pass should come at once."""
        return self._backend.has_news

    def suspend(self) -> None:
        """Have the workers save and stop in the passes that follow; a job without workers is suspended at once."""
        self._set_suspend(True)
        self._is_told_to_end = True

    def kill(self) -> None:
        """End the workers now."""
        self._backend.kill()

    def make_pass(self, grant: Grant, now: datetime, carbon: CarbonView = NO_SERIES) -> tuple[Event, ...]:
        """One pass. An error that nobody foresaw ends the job, and this job alone."""
        try:
            events = self._pass(grant, now, carbon)
            if self._is_over():
                self.result = self._conclude()
        except Exception as error:  # whatever it is, the other jobs go on
            self._answer(error)
            return ()
        return events

    def _answer(self, error: Exception) -> None:
        """The directory cannot be written: the next pass ends the job, with the room that was kept for that. Workers
        could save nothing there, and would fill that room with the metrics that they had to keep back. Where even that
        is not enough, or the error is a defect, the job ends now."""
        self.kill()
        failure = storage_failure(error, self._directory.path)
        if failure is not None and not self._storage_failure:
            self._storage_failure = failure
            self._directory.free_reserve()
            return
        sentences = (record_crash(error, self._directory),) if failure is None else unwritten(failure)
        self.result = Result(self._status, EXIT_FAILED, sentences)

    def give_admission_back(self, now: datetime) -> tuple[Event, ...]:
        """Suspend a job none of whose workers is there, so that it waits for another grant in the passes to come."""
        self._set_suspend(True)
        events = self._pass(Grant(granted=False), now)
        self._set_suspend(False)
        return events

    def view_model(self) -> ViewModel:
        """What there is to see of it now."""
        self._curve.read_on()
        return ViewModel(self._status, self._backend.progress(), self._curve.points)

    def figures(self) -> JobFigures:
        """What it exports now. For another thread than the loop's."""
        return JobFigures(
            self._job, self._status, self.domain, self._backend.fetch_all(names.PATH_METRICS), self._series
        )

    def _set_suspend(self, suspend: bool) -> None:
        self._job = self._job.model_copy(update={"spec": self._job.spec.model_copy(update={"suspend": suspend})})

    def _pass(self, grant: Grant, now: datetime, carbon: CarbonView = NO_SERIES) -> tuple[Event, ...]:
        seen = self._backend.observe(self._job, self._status, self.domain.spec, now, grant, self._storage_failure)
        self._series = carbon.series
        seen = replace(seen, carbon=carbon)
        if self._notifier is not None:
            seen = replace(seen, receiver=self._notifier.receiver, delivery=self._notifier.delivery)
        decided = plan(seen)
        acts = (decided.creates, decided.deletes, decided.directs, decided.events, decided.notify)
        self._decided_nothing = not any(acts)
        if decided.status != self._status:
            self._directory.write_status(decided.status)
            if self._written is not None:
                self._written(self._job, self._status, decided.status)
            self._status = decided.status
        if self._status.internal.data_prepared:
            self._directory.publish_preparation()
        self._backend.apply(decided)
        if decided.notify is not None and self._notifier is not None:
            self._notifier.begin(self._job, decided.status, decided.notify)
        for event in decided.events:
            self._directory.append_event(event, now)
        return decided.events

    def _is_over(self) -> bool:
        hold = hold_of(self._job.spec, self._status)
        stays_suspended = is_true(self._status, reasons.SUSPENDED) and hold is not None and not hold.by_itself
        over = is_finished(self._status) or stays_suspended
        return over and not self._backend.has_living_children and not self._waits_for_receiver()

    def _waits_for_receiver(self) -> bool:
        return self._notifier is not None and is_awaited(self._status) and not self._is_told_to_end

    def _conclude(self) -> Result:
        result = conclude(self._status, self._directory.path)
        if is_finished(self._status):
            write_receipt(self._directory.path, self._job, self.domain)
            result = replace(result, receipt=self._directory.receipt)
        return result
