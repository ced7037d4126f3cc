"""What the workers say about themselves: steps, loss, checkpoints, restarts in place."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from wattrain_api import reasons
from wattrain_api.contract.phases import STARTING_PHASES
from wattrain_api.status import (
    BestPointStatus,
    CheckpointStatus,
    CleanHoursStatus,
    DamagedCheckpoint,
    PowerCapStatus,
    Progress,
    TrainingJobStatus,
)
from wattrain_operator.core import ledger, present_energy, restarts, script_waste
from wattrain_operator.core.conditions import is_finished
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import SMALL_DIGITS
from wattrain_operator.core.observed import Report

_KEPT_DAMAGED = 10
_SPEED_DIGITS = 5


def take_report(draft: Draft) -> None:
    """Enter what the supervisor of worker 0 said, if it belongs to the current attempt and the job is not over."""
    report = draft.report
    if report is None or is_finished(draft.status):
        return
    # In the order in which it happened: what failed before the checkpoint neither counts nor makes it less safe.
    committed = report.checkpoint_step or 0
    restarts.take_in_place(draft, tuple(takewhile(lambda r: r.resumed_from_step < committed, report.restarts)))
    _take_damage(draft, report)
    _note_what_was_found(draft, report)
    _take_checkpoint(draft, report)
    restarts.take_in_place(draft, report.restarts)
    if report.phase not in STARTING_PHASES:
        restarts.note_recovery(draft, report.resumed_step)
    script_waste.note_step(draft, report)
    progress = _progress(draft, report)
    if progress != draft.status.progress:
        draft.status = replace(draft.status, progress=progress)
    _count_steps(draft, report)
    _report_notices(draft, report)
    if report.samples and report.step:
        _take_efficiency(draft, report)


def hold_figures_back(draft: Draft, before: TrainingJobStatus) -> None:
    """Leave figures, the position in the queue, and how many workers are there and ready, as they were where nothing
    else changed and something was written a moment ago. An operator that ends before they are written is like one that
    has not seen them."""
    after = draft.status
    if after == before or not _differ_in_figures(after, before) or (_trains(after) and not _trains(before)):
        return
    group_complete = before.internal.group_complete
    if replace(after, internal=replace(after.internal, group_complete=group_complete)) == before:
        draft.status = before  # seen again at every look, and told together with what somebody waits for
        return
    age = (draft.seen.now - _written_at(before)).total_seconds()
    if age < draft.seen.status_interval_seconds:
        draft.status = before
        draft.wake_after(draft.seen.status_interval_seconds - age)
        return
    # Joules alone may have changed: the time of the last write counts all the same.
    if after.progress is not None:
        draft.status = after = replace(after, progress=replace(after.progress, updated_time=draft.now))
    if after.prepared is not None:
        draft.status = replace(after, prepared=replace(after.prepared, updated_time=draft.now))


def _differ_in_figures(after: TrainingJobStatus, before: TrainingJobStatus) -> bool:
    """Whether figures, counts of workers and what is kept about them are all that differs."""
    old = before.internal
    internal = replace(
        after.internal, group_complete=old.group_complete, workers_time=old.workers_time, safe_joules=old.safe_joules,
        metered_attempt=old.metered_attempt, metered_time=old.metered_time, child_meters=old.child_meters,
        step_joules=old.step_joules, farthest_step=old.farthest_step, moved_joules=old.moved_joules,
        queue_time=old.queue_time, counted_steps=old.counted_steps,
    )  # fmt: skip
    figures = replace(
        after, prepared=before.prepared, progress=before.progress, energy=before.energy, workers=before.workers,
        queue=before.queue, clean_hours=_as_compared(after, before), budget=before.budget,
        steps_done=before.steps_done, phases=before.phases, causes=before.causes,
        power_cap=_as_drawn(after, before), best_point=_as_steady(after, before), internal=internal,
    )  # fmt: skip
    return figures == before


def _as_compared(after: TrainingJobStatus, before: TrainingJobStatus) -> CleanHoursStatus | None:
    """The clean hours with what was compared before: figures, which grow with every report."""
    new, old = after.clean_hours, before.clean_hours
    if new is None or old is None:
        return new
    return replace(
        new, compared_joules=old.compared_joules, grams=old.grams, at_once_grams=old.at_once_grams, basis=old.basis
    )


def _as_drawn(after: TrainingJobStatus, before: TrainingJobStatus) -> PowerCapStatus | None:
    """The cap with the power that was seen before: that is a figure too."""
    if after.power_cap is None or before.power_cap is None:
        return after.power_cap
    return replace(after.power_cap, effective_watts=before.power_cap.effective_watts)


def _as_steady(after: TrainingJobStatus, before: TrainingJobStatus) -> BestPointStatus | None:
    """The best point with what was said before of a speed that drifts: noise may begin and end that at any look."""
    if after.best_point is None or before.best_point is None:
        return after.best_point
    return replace(after.best_point, drifts_since=before.best_point.drifts_since)


def _trains(status: TrainingJobStatus) -> bool:
    """Whether there are figures to look at."""
    return status.progress is not None and status.progress.phase not in STARTING_PHASES


def _written_at(status: TrainingJobStatus) -> datetime:
    """When the status was last written, as far as it says so itself."""
    figures = status.progress.updated_time if status.progress is not None else None
    internal = status.internal
    prepared = None if status.prepared is None else status.prepared.updated_time
    own = (figures, prepared, internal.workers_time, internal.attempt_time, internal.queue_time)
    times = (*own, *(c.last_transition_time for c in status.conditions))
    return max(time for time in times if time is not None)


def _note_what_was_found(draft: Draft, report: Report) -> None:
    """A job that is new and does not begin at the beginning goes on with somebody else's training, or with its own from
    before it was deleted: it says so, for its model may not be what its spec describes."""
    step, is_new = report.resumed_step or 0, draft.status.attempt == 1 and report.generation == 0
    if not is_new or not step or draft.status.checkpoint is not None:
        return
    draft.status = replace(draft.status, checkpoint=CheckpointStatus(step=step, time=draft.now))
    rest = "so that nothing is left to train" if step >= report.total_steps > 0 else "and training goes on from there"
    message = f"an earlier job of this name left a checkpoint of step {step} in the storage, {rest}; "
    message += "to train anew, name another claim or give the job another name"
    draft.add_event(reasons.CHECKPOINT_FOUND, message, warning=True)


def _take_checkpoint(draft: Draft, report: Report) -> None:
    step, old = report.checkpoint_step, draft.status.checkpoint
    if step is None or (old is not None and step <= old.step):
        return
    joules = ledger.mark_safe(draft, report)
    draft.status = replace(draft.status, checkpoint=CheckpointStatus(step=step, joules=joules, time=draft.now))
    # It gets on: the budget is for a training that does not.
    draft.internal = replace(draft.internal, failures_since_checkpoint=0, disruptions_in_a_row=0)
    if old is None:
        restart = "a restart" if draft.seen.shared_storage else "a restart in the same pods"
        draft.add_event(reasons.CHECKPOINT_SAVED, f"first checkpoint, at step {step}: {restart} goes on from there")


def _take_damage(draft: Draft, report: Report) -> None:
    """Checkpoints that are none any more: report each once, and claim none of them."""
    # What a worker says is not trusted: more than are kept are no events either.
    found, resumed_step = report.damaged[draft.internal.damaged_seen :][-_KEPT_DAMAGED:], report.resumed_step or 0
    for each in found:
        went_on = f"the training went on from step {resumed_step}" if resumed_step else "the training began anew"
        message = f"the checkpoint of step {each.step} is damaged ({each.damage}); {went_on}"
        draft.add_event(reasons.CHECKPOINT_DAMAGED, message, warning=True)
        entry = DamagedCheckpoint(each.step, each.damage, draft.now, resumed_step)
        kept = (*draft.status.damaged_checkpoints, entry)[-_KEPT_DAMAGED:]
        draft.status = replace(draft.status, damaged_checkpoints=kept)
    newest = draft.status.checkpoint
    if newest is not None and any(each.step == newest.step for each in found):
        whole = replace(newest, step=resumed_step) if resumed_step else None
        draft.status = replace(draft.status, checkpoint=whole)
    if draft.internal.damaged_seen != len(report.damaged):
        draft.internal = replace(draft.internal, damaged_seen=len(report.damaged))


def _progress(draft: Draft, report: Report) -> Progress:
    old, is_present = draft.status.progress, present_energy.is_present(draft, report)
    speed = report.samples_per_second if is_present else None
    flops = None if speed is None or report.flops_per_sample is None else rounded(speed * report.flops_per_sample)
    new = Progress(
        phase=report.phase,
        epoch=report.epoch,
        step=report.step,
        total_steps=report.total_steps,
        loss=report.loss,
        loss_not_finite=report.loss_not_finite,
        learning_rate=report.learning_rate,
        non_finite_steps=report.non_finite_steps,
        overflow_steps=report.overflow_steps,
        validation=report.validation,
        samples_per_second=speed,
        flops_per_sample=report.flops_per_sample,
        peak_flops_per_second=report.peak_flops_per_second,
        peak_source=report.peak_source,
        tuning=report.tuning,
        flops_per_second=flops,
        flops_utilization=_utilization(flops, report.peak_flops_per_second),
        percent=round(100 * report.step / report.total_steps, 1) if report.total_steps else None,
        eta_seconds=_eta_seconds(report) if is_present else None,
        updated_time=None if old is None else old.updated_time,
    )
    if old is not None and report.phase in STARTING_PHASES and report.step < old.step:
        new = replace(old, phase=report.phase)  # it has not read its checkpoint yet: that is no step back
    return new if new == old else replace(new, updated_time=draft.now)


def _utilization(flops_per_second: float | None, peak: float | None) -> float | None:
    """The share that is used of the most operations a second; None: not known."""
    return None if flops_per_second is None or not peak else rounded(flops_per_second / peak)


def rounded(value: float) -> float:
    """A speed without digits that say nothing."""
    return float(f"{value:.{_SPEED_DIGITS}g}")


def _count_steps(draft: Draft, report: Report) -> None:
    """The supervisor of worker 0 counts upwards in its attempt; what it has told before is entered."""
    if report.steps_done is None:
        return
    new = max(0, report.steps_done - draft.internal.counted_steps)
    if not new and draft.status.steps_done is not None:
        return
    draft.status = replace(draft.status, steps_done=(draft.status.steps_done or 0) + new)
    draft.internal = replace(draft.internal, counted_steps=draft.internal.counted_steps + new)


def _report_notices(draft: Draft, report: Report) -> None:
    """Each notice of an attempt once; the status remembers how many have been told."""
    told = draft.internal.notices_told
    for notice in report.notices[told:]:
        draft.add_event(notice.reason, notice.message, warning=True)
    if len(report.notices) > told:
        draft.internal = replace(draft.internal, notices_told=len(report.notices))


def _eta_seconds(report: Report) -> float | None:
    if not report.total_steps or not report.step_seconds:  # many scripts do not tell how long a step takes
        return None
    return round(max(0, report.total_steps - report.step) * report.step_seconds, 1)


def _take_efficiency(draft: Draft, report: Report) -> None:
    joules_per_sample = round(ledger.joules_of_group(draft, report) / report.samples, SMALL_DIGITS)
    if joules_per_sample != draft.energy.joules_per_sample:
        draft.energy = replace(draft.energy, joules_per_sample=joules_per_sample)
