"""`status` of a TrainingJob: how far it is, in the shape that the API server stores and the run's directory holds.

All of it is frozen and hashable (tuples, no maps), so that a decision is compared with `==` and a walk over all
states can remember where it has been. They are dataclasses, so that `dataclasses.replace` is checked by mypy: a
misspelt field, or a value of another type, does not pass. pydantic checks what is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, ConfigDict, Field, PlainSerializer, TypeAdapter

from wattrain_api.base import Model
from wattrain_api.contract.codec import NOT_FINITE
from wattrain_api.contract.termination import LOG_LINE_CHARACTERS, LOG_LINES


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[AwareDatetime, PlainSerializer(_rfc3339, when_used="json")]
"""Time in UTC with whole seconds, as Kubernetes writes it."""
Text = Annotated[str, Field(max_length=4096)]
LogLine = Annotated[str, Field(max_length=LOG_LINE_CHARACTERS)]
Count = Annotated[int, Field(ge=0)]
NotFinite = Literal["NaN", "Infinity", "-Infinity"]
"""What a figure is that is no number any more: JSON has no number for it."""

State = Literal[
    "Pending",
    "Queued",
    "Preparing",
    "Starting",
    "Running",
    "Restarting",
    "Suspending",
    "Suspended",
    "Complete",
    "Failed",
]


Cause = Literal[
    "prepare",
    "start",
    "restore",
    "training",
    "data_wait",
    "slowest_rank",
    "paused",
    "evaluation",
    "checkpoint",
    "export",
    "computed_again",
    "hang",
    "idle",
    "queue",
]
"""What time and energy of a job went to."""


class StatusPart:
    """The configuration that all parts of a status share with the models of the spec."""

    __pydantic_config__: ClassVar[ConfigDict] = Model.model_config


@dataclass(frozen=True)
class Condition(StatusPart):
    """One question about the job and its answer, as Kubernetes conditions are."""

    type: Annotated[str, Field(max_length=316)]
    """The question."""
    status: Literal["True", "False", "Unknown"]
    """The answer."""
    reason: Annotated[str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", max_length=1024)]
    """Why, in one CamelCase word."""
    last_transition_time: Time
    """When status last changed."""
    message: Text = ""
    """Why, in a sentence."""
    observed_generation: int = 0
    """Generation of the spec that was answered about."""


@dataclass(frozen=True)
class Restart(StatusPart):
    """One restart of the group, explained."""

    time: Time
    """When the failure was seen."""
    attempt: Count
    """Attempt that ended, or in which the group restarted in place."""
    reason: Annotated[str, Field(max_length=64)]
    """Why, in one CamelCase word."""
    generation: Count = 0
    """Start of the group within the attempt that ended."""
    in_place: bool = False
    """Whether the same workers went on."""
    counted: bool = True
    """Whether it counts against maxRestarts; disruptions do not."""
    worker: int | None = None
    """Index of the worker that failed first; unset where it is not known."""
    rank: int | None = None
    """Its rank of torch.distributed that failed first; unset where it is not known."""
    node: Annotated[str, Field(max_length=253)] = ""
    """Machine it ran on."""
    exit_code: int | None = None
    """Exit code of the rank; negative: the signal that ended it."""
    last_line: Annotated[str, Field(max_length=1024)] = ""
    """The rank's last line of output."""
    step: Count = 0
    """Step that had been reached."""
    resumed_from_step: Count = 0
    """Step of the checkpoint that the next start begins from."""
    joules_lost: float | None = None
    """Energy spent since that checkpoint, which must be computed again, and then until the group trained again. Unset:
    a script that saves checkpoints of its own has not reported a step since, by which this would be known; or it
    restarted again before it did, and the loss is in that restart."""
    recovery_seconds: Count | None = None
    """Seconds until the group trained again; unset while it does not."""

    @property
    def who(self) -> str:
        """Who failed, for a person."""
        return who_failed(self.worker, self.rank)


@dataclass(frozen=True)
class WorkerCounts(StatusPart):
    """Workers of the current attempt."""

    desired: Count = 0
    ready: Count = 0
    failed: Count = 0


@dataclass(frozen=True)
class Metrics(StatusPart):
    """Result of an evaluation."""

    step: Count = 0
    loss: float | None = None
    loss_not_finite: NotFinite | None = None
    """What the loss is instead of a number."""
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    """Mean of the shares of each class that are classified correctly."""
    f1: float | None = None
    """Mean of the F1 of each class."""
    roc_auc: float | None = None
    """Area under the ROC curve, of more than two classes the mean of each against the others."""
    mse: float | None = None
    """Mean squared error of a predicted number."""
    mae: float | None = None
    """Mean absolute error, in the label's unit."""
    r2: float | None = None
    """Share of the label's variance that is explained."""
    bits_per_byte: float | None = None
    """What a text's tokens cost by the model's probabilities, a byte of the text."""
    perplexity: float | None = None
    """e to the mean loss of a text's token."""
    masked_accuracy: float | None = None
    """Share of the hidden tokens of a text that are found."""
    next_sentence_accuracy: float | None = None
    """Share of the pairs of sentences of which it is found whether the second follows the first."""
    recall_at_10: float | None = None
    """Share of the users whose left-out item is among the ten that are recommended first."""
    ndcg_at_10: float | None = None
    """The same, where an item counts 1 / log2(2 + rank)."""

    @property
    def shown_loss(self) -> float | None:
        """The loss, finite or not."""
        return shown_figure(self.loss, self.loss_not_finite)


@dataclass(frozen=True)
class PreparedSamples(StatusPart):
    """How far the preparation of the data is."""

    stage: Annotated[str, Field(max_length=16)]
    """`reading` the source, or `writing` the samples that are kept."""
    samples: Count
    """Rows, pictures or documents that this stage is through with."""
    total: Count | None = None
    """How many there are; unset: not known before the end."""
    percent: float | None = None
    """Of the total; unset: not known."""
    samples_per_second: float | None = None
    """Mean since the stage began; unset: not known now."""
    updated_time: Time | None = None


@dataclass(frozen=True)
class Progress(StatusPart):
    """How far the training is."""

    phase: Annotated[str, Field(max_length=32)] = ""
    """What the ranks do now: starting, training, evaluating, checkpointing, exporting, done."""
    epoch: Count | None = None
    """Passes over the training split that are completed; unset: many scripts do not tell."""
    step: Count = 0
    total_steps: Count = 0
    loss: float | None = None
    loss_not_finite: NotFinite | None = None
    """What the loss is instead of a number."""
    learning_rate: float | None = None
    non_finite_steps: Count | None = None
    """Steps that left no trace because loss or gradient was no finite number (training.nonFinite); unset: none."""
    overflow_steps: Count | None = None
    """Steps that were left out because the gradient overflowed (training.precision fp16); unset: not fp16."""
    validation: Metrics | None = None
    samples_per_second: float | None = None
    flops_per_sample: float | None = None
    """Floating-point operations of a sample in training, counted in a step; unset: not counted."""
    peak_flops_per_second: float | None = None
    """The most operations a second of all processors together, in the precision of the training; unset: not known."""
    peak_source: Annotated[str, Field(max_length=16)] = ""
    """Where that is from: `data sheet` of the GPU, or `measured` by a product of matrices."""
    tuning: Annotated[str, Field(max_length=400)] = ""
    """What training.auto has chosen and why; empty: nothing was to be chosen."""
    flops_per_second: float | None = None
    """Operations a second that the training makes."""
    flops_utilization: float | None = None
    """Of the peak, the share that the training makes (model FLOPs utilization); unset: not known."""
    percent: float | None = None
    eta_seconds: float | None = None
    updated_time: Time | None = None

    @property
    def shown_loss(self) -> float | None:
        """The loss, finite or not."""
        return shown_figure(self.loss, self.loss_not_finite)


def shown_figure(figure: float | None, not_finite: NotFinite | None) -> float | None:
    """A figure that is kept in these two fields, finite or not."""
    return figure if not_finite is None else NOT_FINITE[not_finite]


@dataclass(frozen=True)
class CheckpointStatus(StatusPart):
    """The newest committed checkpoint."""

    step: Count
    joules: float = 0.0
    """The job's ledger when it was committed."""
    time: Time | None = None


@dataclass(frozen=True)
class DamagedCheckpoint(StatusPart):
    """A checkpoint that was no longer what had been written, and was passed over."""

    step: Count
    damage: Annotated[str, Field(max_length=1024)] = ""
    """What was wrong with which of its files."""
    time: Time | None = None
    """When the operator heard of it."""
    resumed_from_step: Count = 0
    """Step of the checkpoint that the training went on from instead; 0: from the beginning."""


@dataclass(frozen=True)
class Meter(StatusPart):
    """Energy of one component by one source."""

    component: Annotated[str, Field(max_length=16)]
    """cpu, memory, gpu, module."""
    source: Annotated[str, Field(max_length=16)]
    """nvml, rapl or model."""
    joules: float = 0.0
    low_joules: float = 0.0
    high_joules: float = 0.0


@dataclass(frozen=True)
class UncountedEnergy(StatusPart):
    """Something that drew power and was not counted."""

    component: Annotated[str, Field(max_length=16)]
    """cpu, memory, gpu, module."""
    reason: Annotated[str, Field(max_length=1024)]
    """What was not counted and why."""


@dataclass(frozen=True)
class Cost(StatusPart):
    """What a part of the energy cost, in one currency."""

    currency: Annotated[str, Field(max_length=8)]
    cost: float = 0.0
    """Cost of the facility's energy that was priced in it."""
    since: Time | None = None
    """From when on energy was priced in it; unset: a version that did not note it began to."""


@dataclass(frozen=True)
class EnergyAccount(StatusPart):
    """What was used at one PUE, one carbon intensity and one price."""

    joules: float
    """Energy of the job, without cooling and losses."""
    pue: float | None = None
    """Unset: the account is the sum of small ones, of which there were too many to keep."""
    zone: Annotated[str, Field(max_length=64)] = ""
    """Name of the grid zone."""
    grams_per_kwh: Annotated[float | None, Field(alias="gramsPerKWh")] = None
    """Carbon intensity."""
    price_per_kwh: Annotated[float | None, Field(alias="pricePerKWh")] = None
    """Price; unset: there was no tariff."""
    currency: Annotated[str, Field(max_length=8)] = ""


@dataclass(frozen=True)
class EnergyStatus(StatusPart):
    """The job's ledger: all ranks, all attempts, the preparation."""

    joules: float = 0.0
    """Energy of the whole job so far."""
    low: float = 0.0
    """The least that it may have been, in joules."""
    high: float = 0.0
    """The most that it may have been, in joules."""
    watts: float | None = None
    """Power of all workers now; unset: not known."""
    measured_ratio: float | None = 0.0
    """Share of the joules that a counter measured; the rest is modelled. Unset where something was not counted, as then
    nobody knows the whole."""
    incomplete: Annotated[tuple[UncountedEnergy, ...], Field(max_length=8)] = ()
    """What drew power and was not counted: more was used than the joules say. Empty: all was counted."""
    source: Annotated[str, Field(max_length=64)] = ""
    """Sources of the joules, the largest first."""
    carbon_grams: float | None = None
    """Grams of CO2 equivalent, location-based, of the facility's energy."""
    cost: float | None = None
    """Cost of the facility's energy, as far as it was priced in this currency, the last one that a tariff had."""
    currency: Annotated[str, Field(max_length=8)] = ""
    cost_since: Time | None = None
    """From when on cost counts; what was used before had no price in this currency."""
    costs: tuple[Cost, ...] = ()
    """Cost in each currency that a tariff had. They are never added up."""
    spread_joules: float = 0.0
    """Energy that was used while nothing was heard for over a minute, in which the price changed: it is priced as if
    it had been used evenly over that time."""
    accounts: Annotated[tuple[EnergyAccount, ...], Field(max_length=17)] = ()
    """The joules by PUE, carbon intensity and price: of the sixteen largest, and of all the others together."""
    facility_joules: float = 0.0
    """Energy with cooling and losses (PUE)."""
    wasted_joules: float = 0.0
    """Energy whose result was lost in restarts, as far as it is known."""
    waste_is_known: bool = True
    """Whether wastedJoules is all that was lost. It is not while a script has reported no step since a restart."""
    joules_per_sample: float | None = None
    meters: tuple[Meter, ...] = ()
    """The joules by component and source."""


@dataclass(frozen=True)
class QueueStatus(StatusPart):
    """Where a job stands that waits for its power domain; the condition Admitted says what for."""

    position: Count = 0
    """Position in the queue: 1 is the next; 0: it is in none."""
    held_by: Annotated[str, Field(max_length=1024)] = ""
    """The jobs that have what it waits for."""
    expected_start: Time | None = None
    """When it may be granted, where those before it tell how long they take."""


@dataclass(frozen=True)
class CleanHoursStatus(StatusPart):
    """How the job waits for clean hours, and what that has changed."""

    since: Time
    """From when on it could have run."""
    start: Time | None = None
    """Start that it waits for; unset: it does not wait any more."""
    saving_ratio: float = 0.0
    """Share of the grams of a start at once that is expected to be saved, by the series when the start was chosen."""
    held_seconds: Count = 0
    """How long it has waited."""
    compared_joules: float = 0.0
    """Facility energy used at times that the series knows, as it knows those that much earlier."""
    grams: float = 0.0
    """What that emitted, by the series."""
    at_once_grams: float = 0.0
    """What it would have emitted had the job started at once, each joule that much earlier."""
    basis: Annotated[str, Field(max_length=16)] = ""
    """What the series is: Average or Marginal."""
    paused_since: Time | None = None
    """Since when it pauses in dirty hours; unset: it does not."""
    left_seconds: Count | None = None
    """Of a job that pauses, how long it will still take; unset: not known."""
    looked_time: Time | None = None
    """When its hours were last chosen; unset: they have been once."""
    message: Text = ""
    """Why it waits, or has started."""


@dataclass(frozen=True)
class PowerCapStatus(StatusPart):
    """How the job is held to less power than it would draw."""

    means: Literal["DutyCycle", "CpuLimit"] = "DutyCycle"
    """`CpuLimit`: all workers have a lower CPU limit, alike, whatever they do. `DutyCycle`: all ranks pause between
    steps, alike; what does not train is not held back by it."""
    not_limited: Text = ""
    """Why it is no CPU limit, where the cluster might lower one."""
    asked_watts: float = 0.0
    """What was asked for, of all workers together."""
    target_watts: float = 0.0
    """What they are held to: minPercent may not allow what was asked for."""
    most_watts: float = 0.0
    """What they draw at most by their limits, by the model of energy."""
    effective_watts: float | None = None
    """What they were last seen to draw while they trained, as a mean; unset: not known yet."""
    duty_ratio: float = 1.0
    """Share of the time in which the ranks compute; with `CpuLimit` the share of their CPU limit that workers keep."""
    cpu_limit: float | None = None
    """CPUs that each worker may use at most; unset: what the job says, or DutyCycle."""
    since: Time | None = None
    """When that was known to be in force; unset: they have not taken it yet."""
    message: Text = ""
    """What is to be known of it."""


@dataclass(frozen=True)
class PointStatus(StatusPart):
    """What the job did and drew while its ranks trained with so many threads."""

    threads: Count
    """Of each rank."""
    samples_per_second: float
    """Of all workers."""
    watts: float
    """Mean power of all workers while they trained."""
    joules_per_sample: float
    """The one / the other."""
    known: Literal["measured", "modelled", "partly measured"]
    """How the watts are known."""


@dataclass(frozen=True)
class BestPointStatus(StatusPart):
    """With how many threads the ranks are fastest, or need the least energy: found by trying some."""

    most_threads: Count
    """With how many a rank has started: as many as it has CPUs."""
    threads: Count
    """With how many they are to train now."""
    since: Time | None = None
    """When they were first seen to; unset: they do not yet."""
    to_try: Annotated[tuple[Count, ...], Field(max_length=20)] = ()
    """What is tried after that; empty: nothing, or it is chosen."""
    points: Annotated[tuple[PointStatus, ...], Field(max_length=20)] = ()
    """What was measured, in the order in which it was tried."""
    chosen_threads: Count | None = None
    """Unset: nothing is chosen yet."""
    drifts_since: Time | None = None
    """Since when the speed has been another than when it was chosen; unset: it is not."""
    message: Text = ""
    """Why it was chosen, or what is being tried."""

    @property
    def chosen(self) -> PointStatus | None:
        """What was measured of what is chosen; None: nothing."""
        return next((point for point in self.points if point.threads == self.chosen_threads), None)


@dataclass(frozen=True)
class ModelStatus(StatusPart):
    """The trained model."""

    uri: Annotated[str, Field(max_length=2048)] = ""
    metrics: Metrics | None = None
    """On the test split."""
    step: Count | None = None
    """Step whose model it is; unset: it was not told."""
    choice: Text = ""
    """Why that step: it is the last, or the best by a metric of the validation split."""

    @property
    def chosen(self) -> str:
        """Both, for a person; empty where nothing was told."""
        return "" if self.step is None else f"step {self.step:,}, {self.choice}"


@dataclass(frozen=True)
class CauseSeconds(StatusPart):
    """How long a group has done one thing."""

    cause: Cause
    seconds: float


@dataclass(frozen=True)
class CauseTotals(StatusPart):
    """What went to one cause in the job's life. The joules of an interval are divided by the seconds of each cause that
    the group reports of it: an attribution, not a measurement."""

    cause: Cause
    seconds: float = 0.0
    """By the clock of worker 0's supervisor."""
    joules: float = 0.0
    """Of all workers."""


@dataclass(frozen=True)
class ChildMeters(StatusPart):
    """What one child has used since it started, as far as it has been entered in the ledger."""

    uid: Annotated[str, Field(max_length=64)]
    meters: tuple[Meter, ...] = ()
    spent: tuple[CauseSeconds, ...] = ()
    """Of the child that speaks for its group: what the group's time has gone to."""


@dataclass(frozen=True)
class StepJoules(StatusPart):
    """What the steps of a job until this one have cost, without what was lost in restarts."""

    step: Count
    joules: float


@dataclass(frozen=True)
class PhaseTotals(StatusPart):
    """What the job has spent in one state, all times that it was in it added up."""

    phase: State
    seconds: Count = 0
    """Seconds, until the state was last left. None are counted once the job is over."""
    joules: float = 0.0
    """Energy that was used in it."""


@dataclass(frozen=True)
class OpenPhase(StatusPart):
    """The state that the job is in, and the one that it was in before."""

    phase: State
    since: Time
    """When it got into it."""
    before: State | None = None
    joules_before: float | None = None
    """Energy that had been used in it at earlier times, when the job got into it; unset: it was not noted."""


@dataclass(frozen=True)
class NotificationStatus(StatusPart):
    """How far the receiver of notifications has been told of the job's end."""

    condition: Annotated[str, Field(max_length=64)]
    """The condition that it is told of."""
    failures: Count = 0
    """Tries in a row that failed."""
    last_time: Time | None = None
    """When the last of them was known to have failed."""
    outcome: Literal["Delivered", "GivenUp"] | None = None
    """Unset: it is to be told yet."""


@dataclass(frozen=True)
class BudgetStatus(StatusPart):
    """How far the job's budget is used, by the limit that it is nearest to."""

    limit_by: Annotated[str, Field(max_length=16)]
    """That limit: energyKWh, carbonGrams or cost."""
    spent: float
    """In the unit of the limit: what counts of the ledger, of cost in the currency of its last tariff."""
    limit: float
    used_ratio: float
    """spent / limit."""
    forecast_ratio: float | None = None
    """What will be spent at the end / limit, at the power and the prices of now; unset: not known."""


def budget_unit(limit_by: str, currency: str) -> str:
    """The unit of a limit of a budget, after a space; empty where it is money of an unknown currency."""
    unit = {"energyKWh": "kWh", "carbonGrams": "g CO2e"}.get(limit_by, currency)
    return f" {unit}" if unit else ""


@dataclass(frozen=True)
class BudgetAmounts(StatusPart):
    """Amounts of what a budget limits, each in the unit of its limit."""

    energy_kwh: Annotated[float, Field(alias="energyKWh")] = 0.0
    carbon_grams: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class BudgetMarks(StatusPart):
    """What has been told of the job's budget, and what is kept for its last checkpoint."""

    limits: BudgetAmounts
    """The limits of which it was told, 0 where there is none: of others it is told anew."""
    near_told: bool = False
    """That most of it is spent."""
    spent_told: bool = False
    """That it is spent, where the job goes on all the same."""
    reserve: BudgetAmounts | None = None
    """What the last checkpoint was expected to take when the job was held; unset: the budget does not hold it."""


@dataclass(frozen=True)
class Hold(StatusPart):
    """Why a job is to save and stop, and what has it go on."""

    reason: Annotated[str, Field(max_length=64)]
    """In one CamelCase word: the reason of the condition Suspended."""
    why: Text
    """In half a sentence, such as `the budget of 2 kWh is spent`."""
    until: Text
    """When the job goes on, in half a sentence after `once`."""
    by_itself: bool = True
    """Whether it may go on without anybody changing its spec: whoever runs it waits for that."""


@dataclass(frozen=True)
class Internal(StatusPart):
    """The operator's own book-keeping: what another operator needs to go on. It may change without notice."""

    attempt_time: Time | None = None
    """When the current attempt was decided."""
    not_before: Time | None = None
    """The current attempt's workers are not created before."""
    group_complete: bool = False
    """All workers of the current attempt have been seen; one that is missing now was lost."""
    data_prepared: bool = False
    """The preparation has succeeded; it is not repeated."""
    active_since: Time | None = None
    """When the job last became active; unset while suspended."""
    active_seconds: Count = 0
    """Seconds it was active before that."""
    open_phase: OpenPhase | None = None
    """The state since when seconds are to be entered in phases."""
    counted_steps: Count = 0
    """Of the steps that the current attempt has told, how many are in stepsDone."""
    failures_since_checkpoint: Count = 0
    """Restarts that count against maxRestarts, since the last committed checkpoint."""
    disruptions_in_a_row: Count = 0
    """Restarts that do not count against maxRestarts, since the last committed checkpoint or long attempt."""
    in_place_seen: Count = 0
    """Restarts in place of the current attempt that are already in restarts."""
    damaged_seen: Count = 0
    """Damaged checkpoints that the current attempt has reported, and that are already in damagedCheckpoints."""
    refusals: Count = 0
    """Refusals in a row to create the current group's pods."""
    refused_time: Time | None = None
    """When the last of them was."""
    turn: Count = 1
    """Number of the reservation in the power domain that the job waits for or holds: one more after each suspension."""
    queue_time: Time | None = None
    """When the position in the queue last changed."""
    directive_version: Count = 0
    """Version of the newest directive that the operator has given a group of the job; each has a higher one."""
    budget: BudgetMarks | None = None
    """Unset: nothing of a budget was told."""
    holds: Annotated[tuple[Hold, ...], Field(max_length=8)] = ()
    """What keeps the job from running beside spec.suspend, in the order in which it came."""
    save_failure: Text = ""
    """How a worker of the current group failed that was asked to save and stop."""
    notices_told: Count = 0
    """Notices of the current attempt that have become events."""
    cpus_limited: bool = False
    """The CPU limit of a worker may be lower than the job says, and is to be given back."""
    limits_refused: Text = ""
    """Why the cluster does not change the CPU limits of workers; it has been told."""
    stop_time: Time | None = None
    """When the current group was asked to save and stop; unset: it was not."""
    workers_time: Time | None = None
    """When the counts of workers last changed."""
    farthest_step: Count = 0
    """The last step that the training has reached: steps up to it are computed again."""
    moved_joules: float = 0.0
    """The ledger when the group was last seen to move: what a hang has used is counted from there."""
    safe_joules: float = 0.0
    """The ledger at the newest checkpoint, or at the newest restart where that is later: a failure loses the rest."""
    step_joules: tuple[StepJoules, ...] = ()
    """Of a script, what its steps have cost, at a few of them."""
    metered_attempt: Count = 0
    """Newest attempt of which a child has reported joules; those of older ones are entered and closed."""
    metered_time: Time | None = None
    """Until when the ledger has been brought: what is entered next was used after it."""
    child_meters: tuple[ChildMeters, ...] = ()
    """Of the ledger, what each child of that attempt has reported so far: the marks to count on from, by uid."""
    notification: NotificationStatus | None = None
    """Entered with the job's end, where somebody wanted to be notified of it then."""


@dataclass(frozen=True)
class TrainingJobStatus(StatusPart):
    """How far the job is. Written whole, once a pass, only when it changed."""

    observed_generation: int = 0
    """Generation of the spec that this status answers."""
    state: State = "Pending"
    """For the eye: derived from all else, never read back."""
    reason: Annotated[str, Field(max_length=64)] = ""
    message: Text = ""
    conditions: tuple[Condition, ...] = ()
    attempt: Count = 0
    """Number of the current group of workers; children of an older one are removed."""
    start_time: Time | None = None
    """When the job first became active."""
    completion_time: Time | None = None
    restarts: Annotated[tuple[Restart, ...], Field(max_length=10)] = ()
    """The last ten restarts."""
    restart_count: Count = 0
    """All restarts of the job's life."""
    workers: WorkerCounts = WorkerCounts()
    prepared: PreparedSamples | None = None
    """Set while the job prepares and tells how far that is."""
    unreadable_samples: Count | None = None
    """Pictures that the preparation left out as unreadable (data.image.maxCorrupt); unset: unknown, or no pictures."""
    progress: Progress | None = None
    steps_done: Count | None = None
    """Optimizer steps that were made in the job's life, repeated ones counted again; unset: none was told."""
    phases: Annotated[tuple[PhaseTotals, ...], Field(max_length=10)] = ()
    """Where time and energy went, by state: sums over the job's life, the present state as far as it has been left."""
    causes: Annotated[tuple[CauseTotals, ...], Field(max_length=14)] = ()
    """Where time and energy went, by cause. The joules sum up to those of energy."""
    checkpoint: CheckpointStatus | None = None
    damaged_checkpoints: Annotated[tuple[DamagedCheckpoint, ...], Field(max_length=10)] = ()
    """The last ten checkpoints that were found damaged."""
    energy: EnergyStatus = EnergyStatus()
    budget: BudgetStatus | None = None
    """Set where energy.budget limits what the job may spend."""
    queue: QueueStatus = QueueStatus()
    clean_hours: CleanHoursStatus | None = None
    """Set where energy.carbon has it wait for clean hours, or had."""
    power_cap: PowerCapStatus | None = None
    """Set where the job is held to less power than it would draw."""
    best_point: BestPointStatus | None = None
    """Set where energy.objective has the best number of threads looked for."""
    model: ModelStatus | None = None
    last_lines: Annotated[tuple[LogLine, ...], Field(max_length=LOG_LINES)] = ()
    """What the worker that decided the end of the last attempt wrote last: one that failed, else worker 0. It can be
    read when the pods are gone."""
    internal: Internal = Internal()

    @staticmethod
    def from_json_object(value: object) -> TrainingJobStatus:
        """The status that `value` holds, fields of newer versions left out. pydantic.ValidationError: it is none."""
        return _adapter().validate_python(value, extra="ignore")

    def to_json_object(self) -> dict[str, Any]:
        """The status as the API server knows it: camelCase; what is unset or empty is left out, and so is a part in
        which nothing has been entered yet."""
        left_out = {name for name, empty in _EMPTY_PARTS.items() if getattr(self, name) == empty}
        dumped = _adapter().dump_python(
            self, mode="json", by_alias=True, exclude_none=True, exclude={"internal", *left_out}
        )
        dumped["internal"] = _adapter_of_internal().dump_python(
            self.internal, mode="json", by_alias=True, exclude_none=True, exclude_defaults=True
        )
        return _without_empty(dumped)


_EMPTY_PARTS: Final = {"workers": WorkerCounts(), "energy": EnergyStatus(), "queue": QueueStatus()}


@cache
def _adapter() -> TypeAdapter[TrainingJobStatus]:
    return TypeAdapter(TrainingJobStatus)


@cache
def _adapter_of_internal() -> TypeAdapter[Internal]:
    return TypeAdapter(Internal)


def _without_empty(value: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, dict):
            item = _without_empty(item)
        elif isinstance(item, list):
            item = [_without_empty(i) if isinstance(i, dict) else i for i in item]
        if item not in ("", [], {}):
            kept[name] = item
    return kept


def who_failed(worker: int | None, rank: int | None) -> str:
    """A worker or its rank of torch.distributed, for a person: as much as is known."""
    if rank is None:
        return "a worker" if worker is None else f"worker {worker}"
    return f"rank {rank}" if worker in (None, rank) else f"rank {rank} of worker {worker}"
