"""What a supervisor says to its trackers when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field

from wattrain_api.contract.kinds import amount, nested, one_of
from wattrain_api.contract.progress import Evaluation

COMPLETE, FAILED, STOPPED = "Complete", "Failed", "Stopped"


@dataclass(frozen=True)
class TrackedEnd:
    """How the workers of this attempt ended. A job that failed or stopped may go on with other workers."""

    outcome: str = field(metadata=one_of((COMPLETE, FAILED, STOPPED)))
    seconds: float = field(default=0.0, metadata=amount("s"))
    """How long the tracker has until it is killed."""
    test: Evaluation | None = field(default=None, metadata=nested(Evaluation))
    """On the test split."""
