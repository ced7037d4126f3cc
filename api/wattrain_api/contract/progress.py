"""How far a training is: what a rank reports, and what GET /v1/progress answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wattrain_api import names
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.kinds import (
    LINE_CHARACTERS,
    NODE_CHARACTERS,
    UID_CHARACTERS,
    amount,
    count,
    figure,
    flag,
    many,
    member_of,
    moment,
    nested,
    number,
    one_of,
    reason,
    text,
)
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.spent_seconds import SpentSeconds
from wattrain_api.power_sources import COMPONENTS, SOURCES

PATH_CHARACTERS = 2048
DATA_SHEET = "data sheet"
MEASURED = "measured"
READING = "reading"
WRITING = "writing"
PREPARE_STAGES = (READING, WRITING)
DEVICE_CHARACTERS = 128
NAME_CHARACTERS = 253
TUNING_CHARACTERS = 400
WARNING_CHARACTERS = 400
MOST_WARNINGS = 5
"""Of one preparation: more would not fit into a termination message."""


@dataclass(frozen=True)
class Evaluation:
    """A result on samples that are not trained on."""

    step: int = field(default=0, metadata=count("steps"))
    """Step after which it was made."""
    loss: float | None = field(default=None, metadata=figure())
    accuracy: float | None = field(default=None, metadata=number("ratio"))
    """Share that is classified correctly, 0 to 1."""
    balanced_accuracy: float | None = field(default=None, metadata=number("ratio"))
    """Mean over the classes that samples have of the share of each that is classified correctly. Absent, as f1 is, with
    more than 1,000 classes."""
    f1: float | None = field(default=None, metadata=number("ratio"))
    """Mean over the classes that samples have or that are predicted of 2 x right / (samples + predictions)."""
    roc_auc: float | None = field(default=None, metadata=number("ratio"))
    """Area under the receiver operating characteristic: how often a sample of a class has a higher score of it than one
    of another class, equal scores half; of more than two classes the mean over those that samples have, each against
    the others. Absent where all samples have one class, and where samples x classes are more than 20 million."""
    mse: float | None = field(default=None, metadata=number())
    """Mean of the squared error of a predicted number, in the label's unit squared."""
    mae: float | None = field(default=None, metadata=number())
    """Mean of its absolute error, in the label's unit."""
    r2: float | None = field(default=None, metadata=number("ratio"))
    """Share of the label's variance that is explained: 1 at best, 0 for predicting the mean of these samples; absent
    where their labels are all the same."""
    bits_per_byte: float | None = field(default=None, metadata=number("bits"))
    """Of a text: what its tokens cost by the model's probabilities, a byte of the text."""
    perplexity: float | None = field(default=None, metadata=number())
    """Of a text: e to the mean loss of a token. It depends on the tokenizer."""
    masked_accuracy: float | None = field(default=None, metadata=number("ratio"))
    """Share of the hidden tokens of a text that are found."""
    next_sentence_accuracy: float | None = field(default=None, metadata=number("ratio"))
    """Share of the pairs of sentences of which it is found whether the second follows the first."""
    recall_at_10: float | None = field(default=None, metadata=number("ratio"))
    """Share of the users whose left-out item is among the ten that are recommended first."""
    ndcg_at_10: float | None = field(default=None, metadata=number("ratio"))
    """The same, where an item counts 1 / log2(2 + rank): 1 in the first place, 0.29 in the tenth."""


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint."""

    step: int = field(metadata=count("steps"))
    """Step whose state it holds."""
    path: str | None = field(default=None, metadata=text(PATH_CHARACTERS))
    """Directory, as the worker sees it."""
    seconds: float | None = field(default=None, metadata=amount("s"))
    """Time from the decision to save to the commit."""
    blocked_seconds: float | None = field(default=None, metadata=amount("s"))
    """Time that the training loop stood still for it."""
    bytes: int | None = field(default=None, metadata=count("B"))
    """Size of all its files."""
    time: float | None = field(default=None, metadata=moment())
    """When the supervisor heard of it."""
    group_joules: float | None = field(default=None, metadata=amount("J"))
    """Energy of the group in this attempt when worker 0 heard of it."""


@dataclass(frozen=True)
class CheckpointDamage:
    """A committed checkpoint that is no longer what was written, and was passed over."""

    step: int = field(metadata=count("steps"))
    """Step whose state it held."""
    damage: str = field(default="", metadata=text(LINE_CHARACTERS))
    """What is wrong with which of its files."""


@dataclass(frozen=True)
class Resumed:
    """Where the ranks went on: they stand at this step until they report another."""

    step: int = field(metadata=count("steps"))
    """Step of the checkpoint that they read; 0: they began anew."""


@dataclass(frozen=True)
class Model:
    """The trained model."""

    path: str = field(metadata=text(PATH_CHARACTERS))
    """Directory, as the worker sees it."""
    step: int | None = field(default=None, metadata=count("steps"))
    """Step after which it was like that."""
    choice: str = field(default="", metadata=text(LINE_CHARACTERS))
    """Why that step, as in `best loss on the validation split: 0.12`."""


@dataclass(frozen=True)
class PrepareCounts:
    """Rows of the data, what became of them, and what to look at."""

    rows: int | None = field(default=None, metadata=count("rows"))
    """Rows that were read."""
    repeats: int | None = field(default=None, metadata=count("rows"))
    """Rows whose features and label an earlier row has, whether they are left out or not."""
    duplicates: int | None = field(default=None, metadata=count("rows"))
    """Rows left out because the same was there before."""
    missing_dropped: int | None = field(default=None, metadata=count("rows"))
    """Rows left out for a missing value."""
    unreadable: int | None = field(default=None, metadata=count("rows"))
    """Samples left out because they could not be read, such as a damaged picture."""
    outliers_dropped: int | None = field(default=None, metadata=count("rows"))
    """Rows left out for a value far from the others."""
    outliers_clipped: int | None = field(default=None, metadata=count("rows"))
    """Rows with a value that was cut to the range of the others."""
    training: int | None = field(default=None, metadata=count("rows"))
    """Rows to train on."""
    validation: int | None = field(default=None, metadata=count("rows"))
    """Rows to evaluate on while training."""
    test: int | None = field(default=None, metadata=count("rows"))
    """Rows for the last evaluation."""
    test_also_in_training: int | None = field(default=None, metadata=count("rows"))
    """Rows for the last evaluation whose features a row to train on has."""
    label_issues: int | None = field(default=None, metadata=count("rows"))
    """Rows whose label may be wrong; absent where that was not looked for."""
    warnings: tuple[str, ...] = field(default=(), metadata=many(text(WARNING_CHARACTERS)))
    """What may not be as the user means it, a sentence each; the first of them."""


@dataclass(frozen=True)
class PrepareProgress:
    """How far a preparation is, while it goes on."""

    stage: str = field(metadata=one_of(PREPARE_STAGES))
    """Reading the source and decoding it, or making samples of what is kept and writing them."""
    samples: int = field(metadata=count("samples"))
    """Rows, pictures or documents that this stage is through with."""
    total: int | None = field(default=None, metadata=count("samples"))
    """How many there are; absent: not known before the end, as of a large CSV file."""
    samples_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """Mean since the stage began."""


@dataclass(frozen=True)
class Distribution:
    """Values counted by their size."""

    bounds: tuple[float, ...] = field(metadata=many(amount()))
    """Upper bounds, rising."""
    counts: tuple[int, ...] = field(metadata=many(count()))
    """Values up to each bound and above the one before; one item more than bounds: those above all of them."""
    total: float = field(metadata=amount())
    """Sum of the values."""


@dataclass(frozen=True)
class Notice:
    """Something that is not as it should be and does not end the training: it becomes an event."""

    reason: str = field(metadata=reason())
    """One of `wattrain_api.reasons`."""
    message: str = field(metadata=text(LINE_CHARACTERS))
    """What it is and what to do about it, in a sentence."""


class StepLoss(NamedTuple):
    """The loss of a recorded step."""

    step: int
    epoch: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class StepLosses:
    """Recorded steps, in order, as columns: in each, item i is of step i. As objects they would cost a supervisor three
    times as much."""

    step: tuple[int, ...] = field(default=(), metadata=many(count("steps")))
    epoch: tuple[int, ...] = field(default=(), metadata=many(count()))
    """Passes over the training split that are completed."""
    loss: tuple[float, ...] = field(default=(), metadata=many(figure()))
    """Mean over the global batch, the same on every rank."""
    learning_rate: tuple[float, ...] = field(default=(), metadata=many(figure()))

    @staticmethod
    def of(losses: Sequence[StepLoss]) -> StepLosses:
        """`losses` as columns."""
        return StepLosses(*map(tuple, zip(*losses, strict=True)))

    @property
    def rows(self) -> list[StepLoss]:
        """One for each step; none where the columns are not of one length, for nobody knows then what belongs
        together."""
        columns = (self.step, self.epoch, self.loss, self.learning_rate)
        return [] if len({len(column) for column in columns}) > 1 else list(map(StepLoss, *columns))


@dataclass(frozen=True)
class RankReport:
    """One datagram of a rank to WATTRAIN_REPORT_SOCKET. Each says only what is new."""

    rank: int = field(default=0, metadata=count(spoils=True))
    """DDP's global rank. The report is ignored where this is no rank."""
    phase: Phase | None = field(default=None, metadata=member_of(Phase))
    step: int | None = field(default=None, metadata=count("steps"))
    """Optimizer steps since the training began, restarts not counted twice."""
    total_steps: int | None = field(default=None, metadata=count("steps"))
    epoch: int | None = field(default=None, metadata=count())
    """Passes over the training split that are completed."""
    epochs: int | None = field(default=None, metadata=count())
    """Passes that are to be made."""
    loss: float | None = field(default=None, metadata=figure())
    """Mean over the global batch, the same on every rank. A report with a loss is a recorded step."""
    losses: StepLosses | None = field(default=None, metadata=nested(StepLosses))
    """Recorded steps since the last report, in order, where a report covers several."""
    learning_rate: float | None = field(default=None, metadata=figure())
    gradient_norm: float | None = field(default=None, metadata=figure())
    """Norm of the gradient before clipping."""
    samples: float = field(default=0.0, metadata=amount("samples"))
    """Samples that this rank has trained on since its last report."""
    steps: int | None = field(default=None, metadata=count("steps"))
    """Steps that the report covers."""
    step_seconds: float | None = field(default=None, metadata=amount("s"))
    """Mean time of a step that the report covers."""
    non_finite_steps: int | None = field(default=None, metadata=count("steps"))
    """Steps since the training began that left no trace because loss or gradient was no finite number."""
    overflow_steps: int | None = field(default=None, metadata=count("steps"))
    """Steps since the training began that were left out because the gradient overflowed in fp16, for a lower factor."""
    flops_per_sample: float | None = field(default=None, metadata=amount())
    """Floating-point operations of a sample in training: matrix products, convolutions and attention, as counted in a
    step."""
    peak_flops_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """The most operations a second of all processors of the group together, in the precision of the training; absent:
    not known."""
    peak_source: str | None = field(default=None, metadata=one_of((DATA_SHEET, MEASURED)))
    """Where that is from: the data sheet of the GPU, or a product of matrices at the start."""
    tuning: str | None = field(default=None, metadata=text(TUNING_CHARACTERS))
    """What `training.auto` has chosen and why, in a sentence."""
    threads: int | None = field(default=None, metadata=count())
    """With how many threads this rank computes from now on; absent: that is not changed, or it computes on a GPU."""
    most_threads: int | None = field(default=None, metadata=count())
    """With how many it has started, which no directive exceeds."""
    data_wait_seconds: float = field(default=0.0, metadata=amount("s"))
    """Time that the training loop waited for data since the last report."""
    peer_wait_seconds: float | None = field(default=None, metadata=amount("s"))
    """Time since the last report that this rank waited for the others after it had computed its own gradients; absent:
    not measured."""
    paused_seconds: float = field(default=0.0, metadata=amount("s"))
    """Time that the rank paused between steps, as a directive wants it, since the last report; stepSeconds has it."""
    validation: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    test: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    checkpoint: Checkpoint | None = field(default=None, metadata=nested(Checkpoint))
    resumed: Resumed | None = field(default=None, metadata=nested(Resumed))
    damaged: tuple[CheckpointDamage, ...] = field(default=(), metadata=many(nested(CheckpointDamage)))
    """Checkpoints that were passed over for the one that `resumed` names, the newest first."""
    model: Model | None = field(default=None, metadata=nested(Model))
    prepare: PrepareCounts | None = field(default=None, metadata=nested(PrepareCounts))
    prepared: PrepareProgress | None = field(default=None, metadata=nested(PrepareProgress))
    """While the data is prepared, at most twice a second, and at the end of each stage."""
    message: str | None = field(default=None, metadata=text(LINE_CHARACTERS))
    """A sentence for a person."""
    notice: Notice | None = field(default=None, metadata=nested(Notice))


@dataclass(frozen=True)
class PowerReading:
    """Power and energy of one component by one source: of a device, or the sum over the devices of a worker or group.
    Energy counts from the start of the supervisors and never falls."""

    component: str = field(metadata=one_of(COMPONENTS))
    source: str = field(metadata=one_of(SOURCES))
    joules: float = field(metadata=amount("J"))
    low_joules: float = field(metadata=amount("J"))
    """The least that the energy may have been."""
    high_joules: float = field(metadata=amount("J"))
    """The most that the energy may have been."""
    watts: float | None = field(default=None, metadata=amount("W"))
    """Power now; absent: not known."""
    device: str | None = field(default=None, metadata=text(DEVICE_CHARACTERS))
    """UUID of a GPU; empty for other components, absent in sums."""
    divided: bool | None = field(default=None, metadata=flag())
    """Whether it is the worker's share of a device, by processes: shares of several workers add up. Absent: the device
    counts whole, whoever has used it."""


def sum_of_watts(readings: Iterable[PowerReading]) -> float | None:
    """Power of all of `readings`; None where that of one of them, or of all as there is none, is not known."""
    known, unknown = [], False
    for reading in readings:
        if reading.watts is None:
            unknown = True
        else:
            known.append(reading.watts)
    return None if unknown or not known else sum(known)


@dataclass(frozen=True)
class EnergyGap:
    """Something that draws power and is not counted: the joules are less than what was used."""

    component: str = field(metadata=one_of(COMPONENTS))
    reason: str = field(metadata=text(LINE_CHARACTERS))
    """What is not counted and why, in a sentence without names of devices."""


@dataclass(frozen=True)
class WorkerSummary:
    """A worker of the group, by its last report."""

    worker: int = field(metadata=count())
    """Index of the worker, 0-based."""
    ranks: int = field(default=0, metadata=count())
    """Ranks that run."""
    step: int = field(default=0, metadata=count("steps"))
    watts: float | None = field(default=None, metadata=amount("W"))
    """Power now; absent: not known, or not heard of for so long that it may be another by now."""
    source: str = field(default="", metadata=text(64))
    """Where its joules come from, the largest part first, as in `nvml+model`."""
    joules: float = field(default=0.0, metadata=amount("J"))
    energy: tuple[PowerReading, ...] = field(default=(), metadata=many(nested(PowerReading)))
    """The same by component and source."""
    uid: str = field(default="", metadata=text(UID_CHARACTERS))
    """Uid of the child; empty: it was not told."""
    ranks_done: tuple[int, ...] = field(default=(), metadata=many(count()))
    """Its ranks that have ended with exit code 0 in this generation."""


@dataclass(frozen=True)
class RestartInPlace:
    """A restart of the group in the same workers."""

    time: float = field(metadata=moment())
    """When the failure was answered."""
    failure: Failure = field(default=Failure(), metadata=nested(Failure, inline=True))
    generation: int = field(default=0, metadata=count())
    """Generation that failed."""
    resumed_from_step: int = field(default=0, metadata=count("steps"))
    joules_lost: float = field(default=0.0, metadata=amount("J"))
    """Energy since the newest checkpoint or restart, whichever is later."""
    recovery_seconds: float | None = field(default=None, metadata=amount("s"))
    """Time until the group trained again, whose energy `joulesLost` then includes; absent: it does not train yet."""


@dataclass(frozen=True)
class GroupProgress:
    """Sums over the workers' last reports."""

    samples: int = field(default=0, metadata=count("samples"))
    samples_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """Mean over the last seconds; absent until it is known."""
    watts: float | None = field(default=None, metadata=amount("W"))
    """Power of all workers now; absent: that of one of them is not known."""
    training_watts: float | None = field(default=None, metadata=amount("W"))
    """Mean of it while they train, over the last `trainingWattsSeconds`; absent until it is known."""
    training_watts_seconds: float = field(default=0.0, metadata=amount("s"))
    """How long that is: several samples, and several steps where these are long."""
    training_samples_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """Samples that all workers have trained on in the same time, a second; absent until it is known."""
    energy: tuple[PowerReading, ...] = field(default=(), metadata=many(nested(PowerReading)))
    """Power and energy by component and source."""
    uncounted: tuple[EnergyGap, ...] = field(default=(), metadata=many(nested(EnergyGap)))
    """What of any worker is not counted."""
    workers: tuple[WorkerSummary, ...] = field(default=(), metadata=many(nested(WorkerSummary)))
    replaced: tuple[WorkerSummary, ...] = field(default=(), metadata=many(nested(WorkerSummary)))
    """Workers whose place another has taken within this attempt, the last 16, by their last reports. `energy` has
    theirs, and never falls."""
    restarts: tuple[RestartInPlace, ...] = field(default=(), metadata=many(nested(RestartInPlace)))
    """Restarts in place of this attempt, the oldest first."""


@dataclass(frozen=True)
class Progress:
    """The answer to GET /v1/progress."""

    version: int = field(default=1, metadata=count())
    """Version of this contract."""
    job: str = field(default="", metadata=text(NAME_CHARACTERS))
    """Name of the TrainingJob."""
    role: str = field(default=names.ROLE_WORKER, metadata=one_of((names.ROLE_PREPARE, names.ROLE_WORKER)))
    attempt: int | None = field(default=None, metadata=count())
    """Attempt of the job, 1-based."""
    generation: int = field(default=0, metadata=count())
    """Start of the group within the attempt, 0-based."""
    worker: int = field(default=0, metadata=count())
    """Index of this worker, 0-based."""
    node: str = field(default="", metadata=text(NODE_CHARACTERS))
    """Machine that it runs on."""
    uid: str = field(default="", metadata=text(UID_CHARACTERS))
    """Uid of the child that it is; empty: it was not told."""
    ranks_running: int = field(default=0, metadata=count())
    ranks_done: tuple[int, ...] = field(default=(), metadata=many(count()))
    """Its ranks that have ended with exit code 0 in this generation."""
    phase: Phase | None = field(default=None, metadata=member_of(Phase))
    step: int = field(default=0, metadata=count("steps"))
    """Optimizer steps since the training began, restarts not counted twice."""
    steps_done: int | None = field(default=None, metadata=count("steps"))
    """Optimizer steps that the ranks have made since the supervisor started, repeated ones counted again; absent: none
    was told."""
    total_steps: int | None = field(default=None, metadata=count("steps"))
    epoch: int | None = field(default=None, metadata=count())
    """Passes over the training split that are completed."""
    epochs: int | None = field(default=None, metadata=count())
    """Passes that are to be made."""
    loss: float | None = field(default=None, metadata=figure())
    """Of the last recorded step, mean over the global batch."""
    learning_rate: float | None = field(default=None, metadata=figure())
    gradient_norm: float | None = field(default=None, metadata=figure())
    """Norm of the gradient before clipping."""
    step_seconds: float | None = field(default=None, metadata=amount("s"))
    """Running mean of the time of a step."""
    non_finite_steps: int | None = field(default=None, metadata=count("steps"))
    """As the ranks report it; absent: none was told."""
    overflow_steps: int | None = field(default=None, metadata=count("steps"))
    """As the ranks report it; absent: none was told."""
    flops_per_sample: float | None = field(default=None, metadata=amount())
    """As the ranks report it; absent: none was told."""
    peak_flops_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """Of the group, as the ranks report it; absent: not known."""
    peak_source: str | None = field(default=None, metadata=one_of((DATA_SHEET, MEASURED)))
    """As the ranks report it; absent: not known."""
    tuning: str | None = field(default=None, metadata=text(TUNING_CHARACTERS))
    """As the ranks report it; absent: nothing was to be chosen."""
    threads: int | None = field(default=None, metadata=count())
    """With how many threads rank 0 computes; absent: it has not told, or computes on a GPU."""
    most_threads: int | None = field(default=None, metadata=count())
    """With how many it has started, which no directive exceeds."""
    samples: int = field(default=0, metadata=count("samples"))
    """Samples that this worker has trained on, repeated ones counted again."""
    step_durations: Distribution | None = field(default=None, metadata=nested(Distribution))
    """Times from one recorded step to the next, a step, in seconds."""
    data_wait_seconds: float = field(default=0.0, metadata=amount("s"))
    """Time that the training loop waited for data."""
    paused_seconds: float = field(default=0.0, metadata=amount("s"))
    """Time that the ranks paused between steps, as a directive wanted it."""
    checkpoint_blocked_seconds: float = field(default=0.0, metadata=amount("s"))
    """Time that the training loop stood still for checkpoints."""
    validation: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    test: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    checkpoint: Checkpoint | None = field(default=None, metadata=nested(Checkpoint))
    """The newest one; of worker 0: of the group."""
    resumed: Resumed | None = field(default=None, metadata=nested(Resumed))
    """Of this generation."""
    damaged: tuple[CheckpointDamage, ...] = field(default=(), metadata=many(nested(CheckpointDamage)))
    """Checkpoints that were found damaged since the supervisor started, in the order in which they were found."""
    model: Model | None = field(default=None, metadata=nested(Model))
    prepare: PrepareCounts | None = field(default=None, metadata=nested(PrepareCounts))
    prepared: PrepareProgress | None = field(default=None, metadata=nested(PrepareProgress))
    """Absent: it has not told, or others than the preparation run."""
    messages: tuple[str, ...] = field(default=(), metadata=many(text(LINE_CHARACTERS)))
    """The last messages of the ranks."""
    notices: tuple[Notice, ...] = field(default=(), metadata=many(nested(Notice)))
    """The first that there were in this attempt, each once."""
    power: tuple[PowerReading, ...] = field(default=(), metadata=many(nested(PowerReading)))
    """Of this worker."""
    uncounted: tuple[EnergyGap, ...] = field(default=(), metadata=many(nested(EnergyGap)))
    """What of this worker is not counted; empty: all of it is."""
    spent: SpentSeconds | None = field(default=None, metadata=nested(SpentSeconds))
    """What the group's time has gone to, by the clock of worker 0, which alone tells it."""
    group: GroupProgress | None = field(default=None, metadata=nested(GroupProgress))
    """On worker 0 alone."""
    directive_version: int | None = field(default=None, metadata=count())
    """Version of the newest directive that all workers of the group have taken; absent before the first."""
