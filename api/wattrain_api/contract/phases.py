"""What a group does now."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Phase(str, Enum):  # noqa: UP042 (StrEnum is newer than Python 3.9)
    """What the ranks say that they do; `preparing` and `stopping` may also come from their supervisor."""

    STARTING = "starting"
    """Importing, joining the group."""
    RESTORING = "restoring"
    """Looking for a checkpoint and reading it."""
    PREPARING = "preparing"
    """Preparing the data."""
    COMPILING = "compiling"
    TRAINING = "training"
    EVALUATING = "evaluating"
    CHECKPOINTING = "checkpointing"
    """Waiting for a checkpoint to be saved."""
    EXPORTING = "exporting"
    """Writing the model."""
    STOPPING = "stopping"
    """Told to end: saving a checkpoint."""
    DONE = "done"

    def __str__(self) -> str:
        return str(self.value)


STARTING_PHASES: Final[tuple[str | None, ...]] = (
    None, "", Phase.STARTING, Phase.RESTORING, Phase.PREPARING, Phase.COMPILING,
)  # fmt: skip
"""Phases of a group that does not train yet; "" and None: it has not said anything."""
LONG_PHASES: Final = (Phase.EVALUATING, Phase.CHECKPOINTING, Phase.EXPORTING)
"""Phases that may take much longer than a step, at the same step."""
PHASES_WITHOUT_SPEED: Final = (
    Phase.STARTING, Phase.RESTORING, Phase.COMPILING, Phase.EXPORTING, Phase.STOPPING, Phase.DONE,
)  # fmt: skip
"""Phases in which samples per second say nothing."""
