"""What a supervisor leaves when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from wattrain_api.contract.failures import Failure
from wattrain_api.contract.kinds import (
    LINE_CHARACTERS,
    UID_CHARACTERS,
    amount,
    count,
    figure,
    integer,
    many,
    member_of,
    moment,
    nested,
    one_of,
    text,
)
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import (
    DATA_SHEET,
    MEASURED,
    TUNING_CHARACTERS,
    EnergyGap,
    Evaluation,
    Model,
    Notice,
    PowerReading,
    PrepareCounts,
    Resumed,
)
from wattrain_api.contract.spent_seconds import SpentSeconds

LOG_LINES = 10
"""So many of the last lines of a log outlive its pod."""
LOG_LINE_CHARACTERS = 200
"""Of each of these so many characters: a termination message has room for no more."""


@dataclass(frozen=True)
class TerminationMessage:
    """The content of WATTRAIN_TERMINATION_FILE: JSON of at most 4,096 bytes. What does not fit is left out:
    `last_lines` first, then `notices`, `prepare`, `model`, `test`, `spent` and `energy`. While its ranks run, a
    supervisor leaves one every second, without an exit code, so that what it has counted outlives a SIGKILL."""

    version: int = field(default=1, metadata=count())
    """Version of this contract."""
    exit_code: int | None = field(default=None, metadata=integer())
    """What the supervisor exits with; absent: it has not exited by itself."""
    uid: str = field(default="", metadata=text(UID_CHARACTERS))
    """Uid of the child that it is; empty: it was not told."""
    attempt: int | None = field(default=None, metadata=count())
    """Attempt of the job, 1-based."""
    time: float | None = field(default=None, metadata=moment())
    """When it was left: until then `energy` is counted."""
    last_line: str = field(default="", metadata=text(LINE_CHARACTERS))
    """The last line of output of its ranks, as long as there is no exit code."""
    last_lines: tuple[str, ...] = field(default=(), metadata=many(text(LOG_LINE_CHARACTERS)))
    """The last lines of output, at most 10, of its rank that failed, else of its first that wrote any."""
    cause: Failure | None = field(default=None, metadata=nested(Failure))
    """The first cause in the group; absent where all is well or it was asked to end."""
    generation: int = field(default=0, metadata=count())
    """Generation that ran last."""
    step: int = field(default=0, metadata=count("steps"))
    steps_done: int | None = field(default=None, metadata=count("steps"))
    """As in the worker's progress."""
    total_steps: int | None = field(default=None, metadata=count("steps"))
    epoch: int | None = field(default=None, metadata=count())
    epochs: int | None = field(default=None, metadata=count())
    non_finite_steps: int | None = field(default=None, metadata=count("steps"))
    """As in the worker's progress."""
    overflow_steps: int | None = field(default=None, metadata=count("steps"))
    """As in the worker's progress."""
    flops_per_sample: float | None = field(default=None, metadata=amount())
    """As in the worker's progress."""
    peak_flops_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """As in the worker's progress."""
    peak_source: str | None = field(default=None, metadata=one_of((DATA_SHEET, MEASURED)))
    """As in the worker's progress."""
    tuning: str | None = field(default=None, metadata=text(TUNING_CHARACTERS))
    """As in the worker's progress."""
    loss: float | None = field(default=None, metadata=figure())
    learning_rate: float | None = field(default=None, metadata=figure())
    phase: Phase | None = field(default=None, metadata=member_of(Phase))
    checkpoint_step: int | None = field(default=None, metadata=count("steps"))
    """Step of the newest checkpoint that this worker's ranks have committed."""
    energy: tuple[PowerReading, ...] = field(default=(), metadata=many(nested(PowerReading)))
    """Energy of this worker by component and source."""
    uncounted: tuple[EnergyGap, ...] = field(default=(), metadata=many(nested(EnergyGap)))
    """What of this worker is not counted."""
    spent: SpentSeconds | None = field(default=None, metadata=nested(SpentSeconds))
    """As in the worker's progress."""
    resumed: Resumed | None = field(default=None, metadata=nested(Resumed))
    """Where the ranks of that generation went on."""
    validation: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    prepare: PrepareCounts | None = field(default=None, metadata=nested(PrepareCounts))
    test: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    model: Model | None = field(default=None, metadata=nested(Model))
    notices: tuple[Notice, ...] = field(default=(), metadata=many(nested(Notice)))
    """As in the worker's progress."""
