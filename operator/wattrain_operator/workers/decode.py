"""What supervisors say, as what the core understands.

It comes from processes in which a user's program runs, so nothing of it is trusted: the contract's codec leaves out
what makes no sense, and what is left out stays unknown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar, overload

from wattrain_api import reasons
from wattrain_api.contract import termination
from wattrain_api.contract.codec import decode_json, not_finite_word
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.progress import (
    Checkpoint,
    EnergyGap,
    Evaluation,
    PowerReading,
    Progress,
    RestartInPlace,
    sum_of_watts,
)
from wattrain_api.contract.spent_seconds import SpentSeconds
from wattrain_api.status import CauseSeconds, Meter, Metrics, NotFinite, UncountedEnergy
from wattrain_operator.core.energy_causes import SECONDS_DIGITS, TOLD_CAUSES
from wattrain_operator.core.ledger import ChildReading
from wattrain_operator.core.meter_sums import JOULES_DIGITS
from wattrain_operator.core.observed import ChildEnergy, InPlaceRestart, Report, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.last_answer import LastAnswer

Value = TypeVar("Value")
FIGURE_DIGITS: Final = 5
"""Digits that are kept of figures for the eye, which `kubectl get` shows as they are."""


def to_report(
    answer: LastAnswer[Progress], role: Role, attempt: int, now: float, interval_seconds: float = 0.0
) -> Report:
    """The last answer of the supervisor that speaks for a group, which is asked every `interval_seconds`. `now`: on
    the clock of who asked."""
    progress = answer.content
    group, checkpoint = progress.group, progress.checkpoint
    workers = 1 if group is None else max(1, len(group.workers))
    return Report(
        role=role,
        attempt=attempt,
        unchanged_seconds=answer.unchanged_seconds,
        age_seconds=answer.age_seconds(now),
        interval_seconds=interval_seconds,
        generation=progress.generation,
        phase=str(progress.phase or ""),
        step=progress.step,
        steps_done=progress.steps_done,
        total_steps=progress.total_steps or 0,
        epoch=progress.epoch,
        loss=_finite(progress.loss),
        loss_not_finite=_not_finite(progress.loss),
        learning_rate=_finite(progress.learning_rate),
        non_finite_steps=progress.non_finite_steps,
        overflow_steps=progress.overflow_steps,
        flops_per_sample=progress.flops_per_sample,
        peak_flops_per_second=_figure(progress.peak_flops_per_second),
        peak_source=progress.peak_source or "",
        tuning=progress.tuning or "",
        threads=progress.threads,
        most_threads=progress.most_threads,
        step_seconds=progress.step_seconds or 0.0,
        # worker 0's own share: all have the same to within one sample a step
        samples=(0 if group is None else group.samples) or progress.samples * workers,
        samples_per_second=None if group is None else _figure(group.samples_per_second),
        prepared=progress.prepared,
        validation=_metrics(progress.validation),
        watts=_figure(sum_of_watts(progress.power) if group is None else group.watts),
        training_watts=None if group is None else _figure(group.training_watts),
        training_watts_seconds=0.0 if group is None else group.training_watts_seconds,
        training_samples_per_second=None if group is None else _figure(group.training_samples_per_second),
        energy=_energy(progress),
        gaps=_gaps(progress.uncounted if group is None else group.uncounted),
        checkpoint_step=None if checkpoint is None else checkpoint.step,
        checkpoint_joules=0.0 if checkpoint is None else checkpoint.group_joules or 0.0,
        checkpoint_seconds=None if checkpoint is None else checkpoint.seconds,
        resumed_step=None if progress.resumed is None else progress.resumed.step,
        damaged=progress.damaged,
        restarts=() if group is None else tuple(_in_place(restart) for restart in group.restarts),
        directive_version=progress.directive_version or 0,
        notices=progress.notices,
        ranks_left=_ranks_left(progress),
    )


def to_termination(
    message: str | bytes, exit_code: int, worker: int
) -> tuple[TerminationMessage, termination.TerminationMessage | None]:
    """What the supervisor of `worker` (its index) left when it ended with `exit_code` (-n: by signal n): for the core,
    and as it was left. Where that is nothing, or nothing readable, the exit code alone says."""
    left = decode_json(termination.TerminationMessage, message)
    if left is None:
        return TerminationMessage(exit_code, _killed(exit_code, worker)), None
    cause = left.cause
    if left.exit_code is None and cause is None:  # it left it while it ran
        cause = _killed(exit_code, worker, last_line=left.last_line, step=left.step)
    return TerminationMessage(
        exit_code=exit_code,
        failure=cause if exit_code else None,
        step=left.step,
        time=None if left.time is None else datetime.fromtimestamp(int(left.time), UTC),
        energy=to_meters(left.energy),
        gaps=_gaps(left.uncounted),
        spent=_spent(left.spent),
        test=_metrics(left.test),
        model_uri="" if left.model is None else left.model.path,
        model_step=None if left.model is None else left.model.step,
        model_choice="" if left.model is None else left.model.choice,
        warnings=() if left.prepare is None else left.prepare.warnings,
        unreadable_samples=None if left.prepare is None else left.prepare.unreadable,
        last_lines=left.last_lines[-termination.LOG_LINES :],
    ), left


def to_reading(left: termination.TerminationMessage, now: datetime) -> ChildReading | None:
    """What a supervisor that is not known any more had used, as it left it. None: it does not say whose it is."""
    if not left.uid or left.attempt is None or not left.energy:
        return None
    time = now if left.time is None else datetime.fromtimestamp(int(left.time), UTC)
    return ChildReading(left.attempt, left.uid, to_meters(left.energy), time, _spent(left.spent))


def _killed(exit_code: int, worker: int, *, last_line: str = "", step: int = 0) -> Failure | None:
    """The failure of a supervisor of which the exit code alone says how it ended."""
    if not exit_code:
        return None
    reason = reasons.meaning_of_exit(exit_code).reason
    return Failure(reason, exit_code, worker=worker, last_line=last_line, step=step)


def with_termination(progress: Progress, left: termination.TerminationMessage) -> Progress:
    """The last answer (an empty one where there was none) brought up to the end: after it the last steps and a
    checkpoint may have been made, or, where the ranks had started anew meanwhile, fewer steps than before."""
    merged = progress
    if (left.generation, left.step) >= (progress.generation, progress.step):
        merged = replace(
            merged,
            step=left.step,
            steps_done=_newer(left.steps_done, progress.steps_done),
            generation=left.generation,
            total_steps=_newer(left.total_steps, progress.total_steps),
            epoch=_newer(left.epoch, progress.epoch),
            epochs=_newer(left.epochs, progress.epochs),
            loss=_newer(left.loss, progress.loss),
            learning_rate=_newer(left.learning_rate, progress.learning_rate),
            non_finite_steps=_newer(left.non_finite_steps, progress.non_finite_steps),
            overflow_steps=_newer(left.overflow_steps, progress.overflow_steps),
            flops_per_sample=_newer(left.flops_per_sample, progress.flops_per_sample),
            peak_flops_per_second=_newer(left.peak_flops_per_second, progress.peak_flops_per_second),
            peak_source=_newer(left.peak_source, progress.peak_source),
            tuning=_newer(left.tuning, progress.tuning),
            phase=left.phase or progress.phase,
            resumed=left.resumed or progress.resumed,
            validation=left.validation or progress.validation,
            test=left.test or progress.test,
            model=left.model or progress.model,
            notices=max(left.notices, progress.notices, key=len),
            spent=_newer(left.spent, progress.spent),
        )
    if merged.step and merged.step == merged.total_steps and merged.epochs:
        merged = replace(merged, epoch=merged.epochs)
    saved = left.checkpoint_step or 0
    if saved > (0 if progress.checkpoint is None else progress.checkpoint.step):
        # At least that much had been spent, as it was saved after that.
        spent = sum(reading.joules for reading in progress.group.energy) if progress.group is not None else 0.0
        merged = replace(merged, checkpoint=Checkpoint(saved, group_joules=spent))
    return merged


def to_meters(readings: Iterable[PowerReading]) -> tuple[Meter, ...]:
    """Joules by component and source; the devices of one component are added up."""
    sums: dict[tuple[str, str], Meter] = {}
    for reading in readings:
        key = (reading.component, reading.source)
        old = sums.get(key, Meter(component=key[0], source=key[1]))
        sums[key] = Meter(
            component=key[0], source=key[1], joules=round(old.joules + reading.joules, JOULES_DIGITS),
            low_joules=round(old.low_joules + reading.low_joules, JOULES_DIGITS),
            high_joules=round(old.high_joules + reading.high_joules, JOULES_DIGITS),
        )  # fmt: skip
    return tuple(sums[key] for key in sorted(sums))


def _ranks_left(progress: Progress) -> tuple[int, ...]:
    workers = () if progress.group is None else progress.group.workers
    if not any(worker.ranks for worker in workers):
        return ()
    return tuple(sorted(rank for worker in workers for rank in worker.ranks_done))


def _energy(progress: Progress) -> tuple[ChildEnergy, ...]:
    """What each child of the group has used; where there is no group, the child that speaks."""
    group = progress.group
    told = (
        [(progress.uid, progress.worker, progress.power)]
        if group is None
        else [(one.uid, one.worker, one.energy) for one in (*group.replaced, *group.workers)]
    )
    return tuple(
        ChildEnergy(
            uid, worker, to_meters(power),
            _spent(progress.spent) if (uid, worker) == (progress.uid, progress.worker) else (),
        )
        for uid, worker, power in told if power
    )  # fmt: skip


def _spent(told: SpentSeconds | None) -> tuple[CauseSeconds, ...]:
    """The seconds by cause, without those of which there are none."""
    seconds = () if told is None else ((cause, getattr(told, cause)) for cause in TOLD_CAUSES)
    return tuple(CauseSeconds(cause, round(of, SECONDS_DIGITS)) for cause, of in seconds if of)


def _gaps(told: Iterable[EnergyGap]) -> tuple[UncountedEnergy, ...]:
    return tuple(UncountedEnergy(gap.component, gap.reason) for gap in told)


def _newer(new: Value | None, old: Value | None) -> Value | None:
    return old if new is None else new


def _metrics(found: Evaluation | None) -> Metrics | None:
    if found is None:
        return None
    return Metrics(
        step=found.step,
        loss=_finite(found.loss),
        loss_not_finite=_not_finite(found.loss),
        accuracy=_figure(found.accuracy),
        balanced_accuracy=_figure(found.balanced_accuracy),
        f1=_figure(found.f1),
        roc_auc=_figure(found.roc_auc),
        mse=_figure(found.mse),
        mae=_figure(found.mae),
        r2=_figure(found.r2),
        bits_per_byte=_figure(found.bits_per_byte),
        perplexity=_figure(found.perplexity),
        masked_accuracy=_figure(found.masked_accuracy),
        next_sentence_accuracy=_figure(found.next_sentence_accuracy),
        recall_at_10=_figure(found.recall_at_10),
        ndcg_at_10=_figure(found.ndcg_at_10),
    )


def _finite(value: float | None) -> float | None:
    """The figure, where it is finite: the status is JSON, and compared with `==`."""
    return _figure(value) if value is not None and math.isfinite(value) else None


def _not_finite(value: float | None) -> NotFinite | None:
    return None if value is None or math.isfinite(value) else not_finite_word(value)


@overload
def _figure(value: float) -> float: ...
@overload
def _figure(value: None) -> None: ...
def _figure(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{FIGURE_DIGITS}g}")


def _in_place(restart: RestartInPlace) -> InPlaceRestart:
    return InPlaceRestart(
        time=datetime.fromtimestamp(restart.time, UTC),
        generation=restart.generation,
        failure=restart.failure,
        resumed_from_step=restart.resumed_from_step,
        joules_lost=restart.joules_lost,
        recovery_seconds=restart.recovery_seconds,
    )
