"""A job of the past: what its status and its workers' progress were at any moment, by a course that is written down."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from wattrain_api import reasons
from wattrain_api.contract import progress
from wattrain_api.status import (
    BudgetStatus,
    Cause,
    CauseTotals,
    CheckpointStatus,
    CleanHoursStatus,
    Condition,
    Cost,
    EnergyStatus,
    Meter,
    Metrics,
    PhaseTotals,
    PowerCapStatus,
    PreparedSamples,
    Progress,
    QueueStatus,
    State,
    TrainingJobStatus,
    WorkerCounts,
)  # fmt: skip
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec

BOUNDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Of the durations of steps, in seconds."""
GRAMS_PER_JOULE = 458 / 3.6e6
EUROS_PER_JOULE = 0.3 / 3.6e6
PUE = 1.2
BUDGET_KWH = 0.05
FLOPS_A_SAMPLE, PEAK_FLOPS = 6e6, 2e11
_ACTIVE = ("Preparing", "Starting", "Running", "Restarting", "Suspending")
_BOUNDS_OF_MODEL = (0.4, 2.2)
"""Least and most of a modelled joule."""


@dataclass
class PastJob:
    """A job, brought forward in time by `advance`."""

    namespace: str
    name: str
    course: list[tuple[int, State]]
    """Since which second it has been in which state."""
    watts: dict[tuple[str, str], float]
    """Of each worker while it trains, by component and source."""
    spec: dict[str, object] = field(default_factory=lambda: {"recipe": {"name": "mlp"}})
    steps_per_second: float = 2.0
    planned_steps: int = 4000
    batch: int = 64
    first_loss: float = 2.3
    diverges_at_step: int | None = None
    queue_position: int = 0
    priced: bool = True
    workers: int = 2

    state: State = "Pending"
    second: int = 0
    step: float = 0.0
    steps_made: float = 0.0
    farthest_step: float = 0.0
    checkpoint: tuple[int, int] | None = None
    """Step, and second since the beginning."""
    safe_joules: float = 0.0
    wasted_joules: float = 0.0
    restarts: int = 0
    times: dict[State, int] = field(default_factory=dict)
    """When it first was in a state."""
    joules: dict[tuple[str, str], float] = field(default_factory=dict)
    phases: dict[State, tuple[int, float]] = field(default_factory=dict)
    """Seconds and joules by state."""
    causes: dict[Cause, tuple[int, float]] = field(default_factory=dict)
    """Seconds and joules by cause."""
    saved_ratio: float = 0.0
    """Of what a start at once would have emitted, the share that waiting for clean hours has saved."""

    def advance(self, second: int) -> None:
        """Let the time until `second` pass, a second at a time."""
        while self.second < second:
            self.second += 1
            for since, state in self.course:
                if since == self.second:
                    self._enter(state)
            before = self.total_joules
            if self.state in _ACTIVE:
                self._use(1.0 if self.state == "Running" else 0.3)
            if self.state not in ("Complete", "Failed"):
                seconds, joules = self.phases.get(self.state, (0, 0.0))
                self.phases[self.state] = (seconds + 1, joules + self.total_joules - before)
            if self.state in _ACTIVE:
                cause = self._cause()
                seconds, joules = self.causes.get(cause, (0, 0.0))
                self.causes[cause] = (seconds + 1, joules + self.total_joules - before)
            if self.state == "Running":
                self._train()

    def _cause(self) -> Cause:
        """What this second goes to: it evaluates in five of a minute, and what was lost is computed again."""
        if self.state != "Running":
            return {"Suspending": "checkpoint", "Preparing": "prepare"}.get(self.state, "start")
        if self.second % 60 < 5:
            return "evaluation"
        return "computed_again" if self.step < self.farthest_step else "training"

    def _enter(self, state: State) -> None:
        self.state = state
        self.times.setdefault(state, self.second)
        if state == "Restarting":
            self.restarts += 1
            self.wasted_joules += self.total_joules - self.safe_joules
            self.step = self.checkpoint[0] if self.checkpoint else 0
        if state in ("Restarting", "Suspending"):
            self.safe_joules = self.total_joules

    def _use(self, share: float) -> None:
        for key, watts in self.watts.items():
            self.joules[key] = self.joules.get(key, 0.0) + self.workers * watts * share

    def _train(self) -> None:
        self.step = min(self.step + self.steps_per_second, self.planned_steps)
        self.steps_made += self.steps_per_second
        self.farthest_step = max(self.farthest_step, self.step)
        if self.second % 240 == 0:
            self.checkpoint, self.safe_joules = (int(self.step), self.second), self.total_joules

    @property
    def total_joules(self) -> float:
        return sum(self.joules.values())

    @property
    def loss(self) -> float:
        """From the first to nearly nothing by its steps, or no number any more."""
        if self.diverges_at_step is not None and self.step >= self.diverges_at_step:
            return math.nan
        return self.first_loss * math.exp(-6.5 * self.step / self.planned_steps)

    @cached_property
    def job(self) -> TrainingJob:
        """The object as its user wrote it."""
        base = {"data": {"source": {"builtin": "digits"}}, "training": {"epochs": 10}} if "recipe" in self.spec else {}
        spec = TrainingJobSpec.model_validate({"workers": {"replicas": self.workers}, **base, **self.spec})
        return TrainingJob(metadata=ObjectMeta(namespace=self.namespace, name=self.name, uid=self.name), spec=spec)

    def status(self, start: int) -> TrainingJobStatus:
        """Its status now; `start` is the Unix time of second 0."""
        begun = self.times.get("Starting")
        ended = self.times.get("Complete", self.times.get("Failed"))
        at_work = self.state in ("Running", "Restarting", "Starting", "Suspending")
        saved = self.checkpoint
        used = self.total_joules / 3.6e6
        prepared = PreparedSamples("reading", 40 * self.second, 1797, samples_per_second=40.0)
        return TrainingJobStatus(
            state=self.state,
            prepared=prepared if self.state == "Preparing" else None,
            conditions=tuple(self._conditions(_moment(start + self.second))),
            attempt=0 if begun is None else 1 + self.restarts,
            start_time=None if begun is None else _moment(start + begun),
            completion_time=None if ended is None else _moment(start + ended),
            restart_count=self.restarts,
            workers=WorkerCounts(self.workers if at_work else 0, self.workers if self.state == "Running" else 0),
            progress=self._progress() if begun is not None else None,
            checkpoint=None if saved is None else CheckpointStatus(saved[0], time=_moment(start + saved[1])),
            energy=self._energy(),
            queue=self._queue(start),
            steps_done=int(self.steps_made) or None,
            phases=tuple(PhaseTotals(state, *spent) for state, spent in self.phases.items()),
            causes=tuple(CauseTotals(cause, *spent) for cause, spent in self.causes.items()),
            clean_hours=self._clean_hours(start),
            power_cap=PowerCapStatus(target_watts=8.0, effective_watts=7.9, duty_ratio=0.75) if begun else None,
            budget=BudgetStatus("energyKWh", used, BUDGET_KWH, used / BUDGET_KWH, 0.9) if self.joules else None,
        )

    def _queue(self, start: int) -> QueueStatus:
        if self.state != "Queued":
            return QueueStatus()
        return QueueStatus(self.queue_position, expected_start=_moment(start + 7200))

    def _clean_hours(self, start: int) -> CleanHoursStatus | None:
        if not self.saved_ratio:
            return None
        joules = PUE * self.total_joules
        at_once = joules * GRAMS_PER_JOULE
        return CleanHoursStatus(
            _moment(start), compared_joules=joules, grams=at_once * (1 - self.saved_ratio), at_once_grams=at_once,
            basis="Average",
        )  # fmt: skip

    def _conditions(self, now: datetime) -> Iterator[Condition]:
        """Those by which the fleet counts the job."""
        admitted = self.state not in ("Pending", "Queued", "Suspended")
        yield Condition(reasons.ADMITTED, "True" if admitted else "False", self.state, now)
        for name in (reasons.SUSPENDED, reasons.COMPLETE, reasons.FAILED):
            if name == self.state:
                yield Condition(name, "True", self.state, now)

    def _progress(self) -> Progress:
        running, loss = self.state == "Running", self.loss
        left = (self.planned_steps - self.step) / self.steps_per_second
        return Progress(
            phase="training" if running else "",
            epoch=int(self.step * 10 / self.planned_steps),
            step=int(self.step),
            total_steps=self.planned_steps,
            loss=None if math.isnan(loss) else loss,
            loss_not_finite="NaN" if math.isnan(loss) else None,
            learning_rate=0.003,
            non_finite_steps=int(self.step) // 1000,
            overflow_steps=int(self.step) // 500,
            validation=None if math.isnan(loss) else self._validation(),
            samples_per_second=self.batch * self.steps_per_second if running else 0.0,
            flops_per_second=FLOPS_A_SAMPLE * self.batch * self.steps_per_second if running else None,
            flops_utilization=FLOPS_A_SAMPLE * self.batch * self.steps_per_second / PEAK_FLOPS if running else None,
            percent=100 * self.step / self.planned_steps,
            eta_seconds=left if running else None,
        )

    def _validation(self) -> Metrics:
        share = 1 - self.loss / (1 + self.first_loss)
        return Metrics(int(self.step), 1.05 * self.loss, accuracy=share, **_other_metrics(share, self.loss))

    def _energy(self) -> EnergyStatus:
        if not self.joules:
            return EnergyStatus()
        total = self.total_joules
        facility = PUE * total
        measured = sum(joules for (_, source), joules in self.joules.items() if source != "model")
        meters = tuple(
            Meter(component, source, joules, *_bounds(source, joules))
            for (component, source), joules in self.joules.items()
        )
        watts = self.workers * sum(self.watts.values()) if self.state == "Running" else 0.0
        return EnergyStatus(
            joules=total,
            watts=watts,
            measured_ratio=measured / total,
            carbon_grams=facility * GRAMS_PER_JOULE,
            costs=(Cost("EUR", facility * EUROS_PER_JOULE),) if self.priced else (),
            facility_joules=facility,
            wasted_joules=self.wasted_joules,
            joules_per_sample=total / (self.batch * self.steps_made) if self.steps_made else None,
            meters=meters,
        )

    def progresses(self, start: int) -> Iterator[progress.Progress]:
        """What its supervisors answer now; nothing where there is none."""
        if self.state != "Running":
            return
        steps, loss = int(self.steps_made), self.loss
        for worker in range(self.workers):
            readings = tuple(
                progress.PowerReading(component, source, joules / self.workers, *_bounds(source, joules / self.workers),
                                      watts=self.watts[component, source],
                                      device=f"GPU-{worker}" if component == "gpu" else "")
                for (component, source), joules in self.joules.items()
            )  # fmt: skip
            saved = self.checkpoint
            yield progress.Progress(
                attempt=1 + self.restarts,
                worker=worker,
                ranks_running=2,
                step=int(self.step),
                epoch=int(self.step * 10 / self.planned_steps),
                loss=loss,
                learning_rate=0.003,
                gradient_norm=0.1 + loss,
                steps_done=steps,
                samples=steps * self.batch // self.workers,
                step_durations=progress.Distribution(BOUNDS, _spread(steps), 0.05 * steps),
                data_wait_seconds=0.002 * steps * (1 + worker),
                checkpoint_blocked_seconds=0.0 if worker else 0.05 * (self.second // 240),
                validation=progress.Evaluation(int(self.step), 1.05 * loss, 0.9, **_other_metrics(0.9, loss)),
                checkpoint=None if saved is None else progress.Checkpoint(
                    saved[0], seconds=0.4, bytes=120_000, time=start + saved[1]
                ),
                power=readings,
            )  # fmt: skip


def _other_metrics(share: float, loss: float) -> dict[str, float]:
    """All that an evaluation may have: those of classes, numbers, texts and interactions, as no real job has them."""
    shares = ("balanced_accuracy", "f1", "roc_auc", "r2", "masked_accuracy", "next_sentence_accuracy", "recall_at_10")
    errors = {"mse": loss**2, "mae": loss, "bits_per_byte": 2 * loss, "perplexity": math.exp(min(loss, 9.0))}
    return {name: share - 0.01 * number for number, name in enumerate((*shares, "ndcg_at_10"), start=1)} | errors


def _spread(steps: int) -> tuple[int, ...]:
    """Numbers of steps up to each of BOUNDS, and above them all."""
    return (0, steps // 4, steps // 2, steps // 4, 0, 0, 0, 0)


def _bounds(source: str, joules: float) -> tuple[float, float]:
    least, most = _BOUNDS_OF_MODEL if source == "model" else (0.97, 1.03)
    return least * joules, most * joules


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
