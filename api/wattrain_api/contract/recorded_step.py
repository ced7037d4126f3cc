"""The lines of metrics.jsonl."""

from __future__ import annotations

from dataclasses import dataclass, field

from wattrain_api.contract.kinds import amount, count, figure, member_of, moment, nested
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Evaluation


@dataclass(frozen=True)
class RecordedStep:
    """A line of WATTRAIN_METRICS_FILE, which worker 0 writes. After a restart the steps since its checkpoint come
    again."""

    step: int = field(metadata=count("steps"))
    time: float | None = field(default=None, metadata=moment())
    """When the supervisor heard of it."""
    epoch: int | None = field(default=None, metadata=count())
    """Passes over the training split that are completed."""
    loss: float | None = field(default=None, metadata=figure())
    """Mean over the global batch."""
    learning_rate: float | None = field(default=None, metadata=figure())
    validation: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    """The one that came since the line before, if one did."""
    samples_per_second: float | None = field(default=None, metadata=amount("1/s"))
    """Of the group."""
    watts: float | None = field(default=None, metadata=amount("W"))
    """Of the group."""
    joules: float | None = field(default=None, metadata=amount("J"))
    """Of the job up to then, earlier attempts included."""
    low_joules: float | None = field(default=None, metadata=amount("J"))
    """The least that these may have been."""
    high_joules: float | None = field(default=None, metadata=amount("J"))
    """The most that these may have been."""
    attempt: int | None = field(default=None, metadata=count())
    generation: int | None = field(default=None, metadata=count())
    phase: Phase | None = field(default=None, metadata=member_of(Phase))
    """In the last line of a supervisor alone, which has no loss of its own: what its ranks did last. `joules` are final
    there."""
