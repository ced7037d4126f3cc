"""Showing jobs that run on a cluster as `wattrain run` shows those that run here."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Evaluation, GroupProgress, Progress
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.kube.apierrors import ForbiddenError
from wattrain_operator.cluster.kube.resources import EVENTS
from wattrain_operator.core.observed import Event
from wattrain_operator.local.curve import LossPoints
from wattrain_operator.local.refused import EXIT_COMPLETE, EXIT_FAILED
from wattrain_operator.local.view_model import Opening, Result, View, ViewModel
from wattrain_operator.remote.awaited import job_changes
from wattrain_operator.remote.connection import Connection
from wattrain_operator.remote.object_watch import Outage, Selection, changes
from wattrain_operator.remote.seen_job import SeenJob

_SHOW_EVERY_SECONDS = 0.3
_LAST_EVENT_SECONDS = 2.0
"""The event of a job's end is published a moment after its status."""
_ANY = "*"
_SILENT = Event("Warning", "NoAnswer", "the API server does not answer; what is shown is what it said before")
_ANSWERS = Event("Normal", "AnswersAgain", "the API server answers again")


async def follow(connection: Connection, jobs: list[tuple[TrainingJob, SeenJob]], view: View) -> int:
    """Show `jobs`, which have just been submitted, until all are over. Exit code: 0 all complete, else 1."""
    try:
        view.begin([_opening(job, seen) for job, seen in jobs])
        async with asyncio.TaskGroup() as group:
            followed = [group.create_task(_Followed(connection, seen, view).to_the_end()) for _, seen in jobs]
        return max(task.result() for task in followed)
    except* Exception as errors:
        raise errors.exceptions[0] from None
    finally:
        view.close()


def _opening(job: TrainingJob, seen: SeenJob) -> Opening:
    named = job.model_copy(update={"metadata": job.metadata.model_copy(update={"namespace": seen.namespace})})
    return Opening(named, directory=None, metrics_url="", resumed=False)


class _Followed:
    """One job, and what of it has been shown."""

    def __init__(self, connection: Connection, job: SeenJob, view: View) -> None:
        self._connection, self._job, self._view = connection, job, view
        self._outage = Outage()
        self._losses = LossPoints()
        self._shown_events: set[str] = set()
        self._reasons: set[str] = set()
        self._is_new = asyncio.Event()

    async def to_the_end(self) -> int:
        events = asyncio.create_task(self._show_events())
        showing = asyncio.create_task(self._show_again())
        try:
            watched = job_changes(self._connection, self._job.name, self._job.namespace, self._outage)
            async with aclosing(watched) as seen:
                async for job in seen:
                    self._job = job
                    take_loss(self._losses, job.status)
                    self._show()
                    if job.is_over:
                        break
            await self._until_told(self._job.status.reason)
        finally:
            for task in (events, showing):
                task.cancel()
            await asyncio.gather(events, showing, return_exceptions=True)
        return self._end()

    def _show(self) -> None:
        status = self._job.status
        self._view.show(self._job.name, ViewModel(status, progress_of(status), self._losses.points))

    async def _show_again(self) -> None:
        """A view leaves out what comes too soon after something else; and nothing comes from an API server that is
        silent, of which this tells."""
        was_silent = False
        while True:
            await asyncio.sleep(_SHOW_EVERY_SECONDS)
            is_silent = self._outage.seconds > 0
            if is_silent != was_silent:
                self._view.event(self._job.name, _SILENT if is_silent else _ANSWERS)
            was_silent = is_silent
            self._show()

    async def _show_events(self) -> None:
        job = self._job
        selection = Selection(EVENTS, job.namespace, fields=f"regarding.uid={job.uid}")
        try:
            async with aclosing(changes(self._connection.client, selection)) as seen:
                async for news in seen:
                    for body, deleted in sorted(news, key=lambda one: str(one.body["metadata"]["name"])):
                        name = str(body["metadata"]["name"])
                        if not deleted and name not in self._shown_events:
                            self._shown_events.add(name)
                            self._view.event(job.name, _event(body))
                            self._reasons.add(str(body.get("reason")))
                            self._is_new.set()
        except ForbiddenError:
            self._reasons.add(_ANY)  # who asks may see jobs, but no events
            self._is_new.set()

    async def _until_told(self, reason: str) -> None:
        """Wait a moment for the event `reason`, which comes after the status."""
        try:
            async with asyncio.timeout(_LAST_EVENT_SECONDS):
                while not self._reasons & {reason, _ANY}:
                    self._is_new.clear()
                    await self._is_new.wait()
        except TimeoutError:
            pass

    def _end(self) -> int:
        status, name = self._job.status, self._job.name
        code = EXIT_COMPLETE if self._job.is_complete else EXIT_FAILED
        verdict = "complete" if code == EXIT_COMPLETE else f"failed ({status.reason})"
        sentences = [f"{verdict}: {status.message}", f"its receipt: wattrain receipt {name} -n {self._job.namespace}"]
        self._view.end(name, Result(status, code, tuple(sentences)))
        return code


def take_loss(losses: LossPoints, status: TrainingJobStatus) -> None:
    """Add the loss that `status` tells, if it tells one."""
    if status.progress is not None and status.progress.step:
        losses.take(status.progress.step, status.progress.loss)


def progress_of(status: TrainingJobStatus) -> Progress | None:
    """What the workers would say of themselves, as far as the status has it."""
    told = status.progress
    if told is None:
        return None
    validation = told.validation
    return Progress(
        attempt=status.attempt,
        phase=Phase(told.phase) if told.phase in list(Phase) else None,
        step=told.step,
        total_steps=told.total_steps or None,
        epoch=told.epoch,
        loss=told.shown_loss,
        learning_rate=told.learning_rate,
        validation=None if validation is None else Evaluation(
            validation.step, validation.shown_loss, validation.accuracy, validation.balanced_accuracy,
            validation.f1, validation.roc_auc, validation.mse, validation.mae, validation.r2,
            validation.bits_per_byte, validation.perplexity, validation.masked_accuracy,
            validation.next_sentence_accuracy, validation.recall_at_10, validation.ndcg_at_10,
        ),
        group=GroupProgress(samples_per_second=told.samples_per_second, watts=status.energy.watts),
    )  # fmt: skip


def _event(body: dict[str, object]) -> Event:
    return Event(
        "Warning" if body.get("type") == "Warning" else "Normal",
        str(body.get("reason") or ""),
        str(body.get("note") or ""),
    )
