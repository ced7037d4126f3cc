"""What the workers say about themselves: steps, loss, checkpoints, restarts in place."""

from __future__ import annotations

from datetime import datetime
from itertools import takewhile

from wattrain_api import reasons
from wattrain_api.status import CheckpointStatus, Progress, TrainingJobStatus
from wattrain_operator.core import ledger, restarts
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import STARTING_PHASES, Report


def take_report(draft: Draft) -> None:
    """Enter what the supervisor of worker 0 said, if it belongs to the current attempt and the job is not over."""
    report = draft.seen.report
    if report is None or report.attempt != draft.status.attempt or report.role != "worker" or is_finished(draft.status):
        return
    # In the order in which it happened: what failed before the checkpoint neither counts nor makes it less safe.
    committed = report.checkpoint_step or 0
    restarts.take_in_place(draft, tuple(takewhile(lambda r: r.resumed_from_step < committed, report.restarts)))
    _take_checkpoint(draft, report)
    restarts.take_in_place(draft, report.restarts)
    if report.phase not in STARTING_PHASES:
        restarts.note_recovery(draft, report.resumed_step)
    draft.update(progress=_progress(draft, report))
    if report.samples and report.step:
        _take_efficiency(draft, report)


def hold_figures_back(draft: Draft, before: TrainingJobStatus) -> None:
    """Leave figures, and how many workers are there and ready, as they were where nothing else changed and something
    was written a moment ago. An operator that ends before they are written is like one that has not seen them."""
    after = draft.status
    whole = {"group_complete": before.group_complete}
    figures = {"progress": before.progress, "energy": before.energy, "workers": before.workers, **whole}
    if after == before or after.model_copy(update=figures) != before or (_trains(after) and not _trains(before)):
        return
    if after.model_copy(update=whole) == before:
        draft.status = before  # seen again at every look, and told together with what somebody waits for
        return
    age = (draft.seen.now - _written_at(before)).total_seconds()
    if age < draft.seen.status_interval_seconds:
        draft.status = before
        draft.wake_after(draft.seen.status_interval_seconds - age)
    elif after.progress is not None:  # joules alone may have changed: the time of the last write counts all the same
        draft.update(progress=after.progress.model_copy(update={"updated_time": draft.now}))


def _trains(status: TrainingJobStatus) -> bool:
    """Whether there are figures to look at."""
    return status.progress is not None and status.progress.phase not in STARTING_PHASES


def _written_at(status: TrainingJobStatus) -> datetime:
    """When the status was last written, as far as it says so itself."""
    figures = status.progress.updated_time if status.progress is not None else None
    own = (figures, status.workers.updated_time, status.attempt_time)
    times = (*own, *(c.last_transition_time for c in status.conditions))
    return max(time for time in times if time is not None)


def _take_checkpoint(draft: Draft, report: Report) -> None:
    step, old = report.checkpoint_step, draft.status.checkpoint
    if step is None or (old is not None and step <= old.step):
        return
    joules = ledger.mark_safe(draft, report)
    draft.update(
        checkpoint=CheckpointStatus(step=step, joules=joules, time=draft.now),
        failures_since_checkpoint=0,  # it gets on: the budget is for a training that does not
    )
    if old is None:
        restart = "a restart" if draft.seen.shared_storage else "a restart in the same pods"
        draft.tell(reasons.CHECKPOINT_SAVED, f"first checkpoint, at step {step}: {restart} goes on from there")


def _progress(draft: Draft, report: Report) -> Progress:
    old = draft.status.progress
    new = Progress(
        phase=report.phase,
        epoch=report.epoch,
        step=report.step,
        total_steps=report.total_steps,
        loss=report.loss,
        learning_rate=report.learning_rate,
        validation=report.validation,
        samples_per_second=report.samples_per_second,
        percent=round(100 * report.step / report.total_steps, 1) if report.total_steps else None,
        eta_seconds=round((report.total_steps - report.step) * report.step_seconds, 1) if report.total_steps else None,
        updated_time=None if old is None else old.updated_time,
    )
    if old is not None and report.phase in STARTING_PHASES and report.step < old.step:
        new = old.model_copy(update={"phase": report.phase})  # it has not read its checkpoint yet: that is no step back
    return new if new == old else new.model_copy(update={"updated_time": draft.now})


def _take_efficiency(draft: Draft, report: Report) -> None:
    energy = draft.status.energy
    per_sample = round(sum(m.joules for m in energy.open_meters) / report.samples, ledger.SMALL_DIGITS)
    draft.update(energy=energy.model_copy(update={"joules_per_sample": per_sample}))
