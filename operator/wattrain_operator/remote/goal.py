"""What a job can be waited for to be."""

from __future__ import annotations

from enum import StrEnum


class Goal(StrEnum):
    """A word for each."""

    COMPLETE = "complete"
    FAILED = "failed"
    RUNNING = "running"
    SUSPENDED = "suspended"
