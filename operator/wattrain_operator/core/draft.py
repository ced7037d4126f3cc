"""The plan while it is being made: the status as it will be, and what has been decided so far in this pass."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.observed import Child, CreateChild, DeleteChild, Event, Observed, Plan


class Draft:
    """Collects the decisions of one pass. Lives and dies inside `plan()`; nothing outside can see it change."""

    def __init__(self, seen: Observed) -> None:
        self.seen = seen
        self.spec: TrainingJobSpec = seen.job.spec
        self.status: TrainingJobStatus = seen.status
        self.now: datetime = seen.now.replace(microsecond=0)  # as the API server keeps it, so that nothing drifts
        self.delete_job = False
        self.needs_fresh_view = False
        self._creates: list[CreateChild] = []
        self._deletes: list[DeleteChild] = []
        self._events: list[Event] = []
        self._wake_after_seconds: float | None = None

    def update(self, **fields: Any) -> None:
        """Set fields of the status."""
        self.status = self.status.model_copy(update=fields)

    def create(self, child: CreateChild) -> None:
        """Have `child` created."""
        self._creates.append(child)

    def delete(self, child: Child, *, force: bool = False) -> None:
        """Have `child` ended and removed; one that is being ended already is asked again only by force."""
        if child.terminating_seconds is None or force:
            self._deletes.append(DeleteChild(child.name, child.uid, force))

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Tell a person, after the status has been written."""
        self._events.append(Event("Warning" if warning else "Normal", reason, message))

    def wake_at(self, moment: datetime) -> None:
        """Have the job looked at again at `moment`, if nothing happens before."""
        seconds = max(0.0, (moment - self.seen.now).total_seconds())
        if self._wake_after_seconds is None or seconds < self._wake_after_seconds:
            self._wake_after_seconds = seconds

    def wake_after(self, seconds: float) -> None:
        """Have the job looked at again after `seconds`."""
        self.wake_at(self.seen.now + timedelta(seconds=seconds))

    def to_plan(self) -> Plan:
        """The decisions of this pass."""
        return Plan(
            status=self.status,
            creates=tuple(self._creates),
            deletes=tuple(self._deletes),
            events=tuple(self._events),
            delete_job=self.delete_job,
            needs_fresh_view=self.needs_fresh_view,
            wake_after_seconds=self._wake_after_seconds,
        )
