"""What the ranks of this worker said last: the source of /v1/progress, /metrics and the termination message."""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

from wattrain_api import reasons
from wattrain_api.contract.codec import decode_json, not_finite_word
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Checkpoint, Distribution, Evaluation, Notice, Progress, RankReport
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_worker.supervisor.spent_time import SpentTime
from wattrain_worker.supervisor.step_count import StepCount

_KEPT_MESSAGES: Final = 20
_KEPT_NOTICES: Final = 16
_NEWEST_SHARE: Final = 0.1
"""Weight of the newest step in the running mean of step times."""
STEP_SECONDS_BOUNDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the histogram of step times, in seconds."""
Value = TypeVar("Value")


class RankWaits(NamedTuple):
    """What the ranks of a worker have waited for since its supervisor started."""

    data_seconds: float
    """For data: mean over the ranks."""
    peer_seconds: tuple[float, ...]
    """For the other ranks, by rank; those that do not measure it are left out."""


NO_WAITS: Final = RankWaits(0.0, ())


class RankReports:
    """The last reports. Any thread may call; nothing here waits for anything but its own lock."""

    def __init__(
        self,
        phase: Phase,
        first_rank: int | None,
        on_record: Callable[[Sequence[RecordedStep]], None],
        steps: StepCount,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`first_rank`: the rank whose steps count; None: the lowest that reports, where torchrun gives the numbers.
        `on_record` gets the recorded steps, in order, each with the evaluation that came since the one before. `wall`
        is the time of day, `clock` monotonic, both in seconds."""
        self._lock = threading.Lock()
        self._on_record, self._wall = on_record, wall
        self._progress = Progress(phase=phase)
        self._first_rank, self._lead = first_rank, first_rank
        self._steps = steps
        self._evaluated: Evaluation | None = None
        self._messages: deque[str] = deque(maxlen=_KEPT_MESSAGES)
        self._notices: list[Notice] = []
        self._told_not_finite = False
        self._samples = 0.0
        self._spent = SpentTime(phase, clock)
        self._data_waits: dict[int, float] = {}
        self._peer_waits: dict[int, float] = {}
        self._step_counts = [0] * (len(STEP_SECONDS_BOUNDS) + 1)
        self._step_seconds = 0.0

    def start_generation(self, phase: Phase) -> None:
        """Forget what belonged to the ranks before; what they had reached stays known until the new ones report."""
        with self._lock:
            self._lead = self._first_rank
            self._spent.enter(phase)
            self._progress = replace(
                self._progress, phase=phase, resumed=None, step_seconds=None, prepared=None, threads=None
            )

    def set_phase(self, phase: Phase) -> None:
        """Say what happens where the ranks themselves do not know it."""
        with self._lock:
            self._spent.enter(phase)
            prepared = self._progress.prepared if phase in (Phase.PREPARING, Phase.DONE) else None
            self._progress = replace(self._progress, phase=phase, prepared=prepared)

    def add_message(self, message: str) -> None:
        """Add a sentence for a person."""
        with self._lock:
            self._messages.append(message)

    def add_notice(self, notice: Notice) -> None:
        """Add something that a person should know, once."""
        with self._lock:
            self._take_notice(notice)

    def ingest_datagram(self, datagram: bytes) -> bool:
        """Take one report of a rank, as it came. Whether it held a committed checkpoint; garbage is ignored."""
        report = decode_json(RankReport, datagram)
        return report is not None and self.ingest(report)

    def ingest(self, report: RankReport) -> bool:
        """Take one report. Whether it held a committed checkpoint."""
        with self._lock:
            self._take_sums_and_results(report)
            # Ranks go in step; were all heard, the step would jump back and forth between the fast and the slow.
            if self._lead is None or report.rank < self._lead:
                self._lead = report.rank
            if report.rank == self._lead:
                self._take_position(report)
            return report.checkpoint is not None

    def progress(self) -> Progress:
        """The ranks' part of /v1/progress."""
        with self._lock:
            durations = Distribution(STEP_SECONDS_BOUNDS, tuple(self._step_counts), self._step_seconds)
            return replace(
                self._progress,
                steps_done=self._steps.made,
                samples=int(self._samples),
                messages=tuple(self._messages),
                notices=tuple(self._notices),
                step_durations=durations,
                spent=self._spent.spent(),
            )

    def waits(self) -> RankWaits:
        """What the ranks of this worker have waited for so far."""
        with self._lock:
            data = sum(self._data_waits.values()) / max(1, len(self._data_waits))
            return RankWaits(data, tuple(self._peer_waits[rank] for rank in sorted(self._peer_waits)))

    def take_group_waits(self, data_seconds: float, slowest_rank_seconds: float) -> None:
        """What the ranks of the whole group have waited for since its supervisors started: the mean over them."""
        with self._lock:
            self._spent.take_waits(data_seconds, slowest_rank_seconds)

    def _take_sums_and_results(self, report: RankReport) -> None:
        """What counts of every rank, not only of the one that leads."""
        old, saved = self._progress, report.checkpoint
        blocked_seconds = 0.0 if saved is None else saved.blocked_seconds or 0.0
        self._samples += report.samples
        self._spent.take_blocked(blocked_seconds)
        self._data_waits[report.rank] = self._data_waits.get(report.rank, 0.0) + report.data_wait_seconds
        if report.peer_wait_seconds is not None:
            self._peer_waits[report.rank] = self._peer_waits.get(report.rank, 0.0) + report.peer_wait_seconds
        self._progress = replace(
            old,
            data_wait_seconds=old.data_wait_seconds + report.data_wait_seconds,
            paused_seconds=old.paused_seconds + report.paused_seconds,
            checkpoint_blocked_seconds=old.checkpoint_blocked_seconds + blocked_seconds,
            validation=report.validation or old.validation,
            test=report.test or old.test,
            resumed=report.resumed or old.resumed,
            damaged=old.damaged + report.damaged,
            model=report.model or old.model,
            prepare=report.prepare or old.prepare,
            prepared=report.prepared or old.prepared,
            non_finite_steps=_newer(report.non_finite_steps, old.non_finite_steps),
            overflow_steps=_newer(report.overflow_steps, old.overflow_steps),
            flops_per_sample=_newer(report.flops_per_sample, old.flops_per_sample),
            peak_flops_per_second=_newer(report.peak_flops_per_second, old.peak_flops_per_second),
            peak_source=_newer(report.peak_source, old.peak_source),
            tuning=_newer(report.tuning, old.tuning),
            threads=_newer(report.threads, old.threads),
            most_threads=_newer(report.most_threads, old.most_threads),
            checkpoint=old.checkpoint if saved is None else self._with_time(saved),
        )
        self._evaluated = report.validation or self._evaluated
        if report.message:
            self._messages.append(report.message)
        if report.notice is not None:
            self._take_notice(report.notice)

    def _take_notice(self, notice: Notice) -> None:
        if notice not in self._notices and len(self._notices) < _KEPT_NOTICES:
            self._notices.append(notice)

    def _take_position(self, report: RankReport) -> None:
        self._steps.take(report)
        self._spent.take_paused(report.paused_seconds)  # all ranks pause alike
        old, seconds = self._progress, report.step_seconds
        if seconds is not None:
            before = seconds if old.step_seconds is None else old.step_seconds
            mean = before + _NEWEST_SHARE * (seconds - before)
            covered = 1 if report.steps is None else report.steps
            self._step_counts[bisect_left(STEP_SECONDS_BOUNDS, seconds)] += covered
            self._step_seconds += seconds * covered
        recorded = _recorded(report, old)
        loss = recorded[-1].loss if recorded else None
        rate = recorded[-1].learning_rate if recorded else report.learning_rate
        self._progress = new = replace(
            old,
            phase=_phase_after(report, old.phase),
            step=_newer(report.step, old.step if report.resumed is None else report.resumed.step),
            total_steps=_newer(report.total_steps, old.total_steps),
            epoch=_newer(report.epoch, old.epoch),
            epochs=_newer(report.epochs, old.epochs),
            loss=_newer(loss, old.loss),
            learning_rate=_newer(rate, old.learning_rate),
            gradient_norm=_newer(report.gradient_norm, old.gradient_norm),
            step_seconds=old.step_seconds if seconds is None else mean,
        )
        if new.phase != old.phase:
            self._spent.enter(new.phase)
        if new.step < old.step:  # the ranks began anew: results of steps that are still to come are none
            self._progress = replace(new, loss=loss, validation=_until(new.step, old.validation))
        if recorded:
            recorded[0] = replace(recorded[0], validation=self._evaluated)
            self._evaluated = None
            self._on_record(recorded)
        for step in recorded:
            self._look_whether_finite(step)

    def _look_whether_finite(self, step: RecordedStep) -> None:
        if step.loss is not None and not math.isfinite(step.loss) and not self._told_not_finite:
            self._told_not_finite = True
            sentence = f"the loss is {not_finite_word(step.loss)} at step {step.step}, and no number any more"
            remedy = "what is trained from there on is hardly of use; lower the learning rate, or look into the data"
            self._take_notice(Notice(reasons.NON_FINITE, f"{sentence}: {remedy}"))

    def _with_time(self, checkpoint: Checkpoint) -> Checkpoint:
        return replace(checkpoint, time=self._wall(), group_joules=None)


def _phase_after(report: RankReport, phase: Phase | None) -> Phase | None:
    """A step, or a loss, that is told while the ranks start ends their start: many scripts name no phase."""
    if report.phase is None and phase == Phase.STARTING and (report.step or report.loss is not None or report.losses):
        return Phase.TRAINING
    return _newer(report.phase, phase)


def _recorded(report: RankReport, old: Progress) -> list[RecordedStep]:
    """The recorded steps that `report` tells of: a list of them, or the one it stands at."""
    if report.loss is None:
        rows = [] if report.losses is None else report.losses.rows
        return [RecordedStep(of.step, None, of.epoch, of.loss, of.learning_rate) for of in rows]
    step, epoch = _newer(report.step, old.step), _newer(report.epoch, old.epoch)
    return [RecordedStep(step, None, epoch, report.loss, _newer(report.learning_rate, old.learning_rate))]


def _until(step: int, evaluation: Evaluation | None) -> Evaluation | None:
    return evaluation if evaluation is not None and evaluation.step <= step else None


def _newer(new: Value | None, old: Value) -> Value:
    return old if new is None else new
