"""The plan while it is being made: the status as it will be, and what has been decided so far in this pass."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from wattrain_api.contract.directive import Directive
from wattrain_api.status import EnergyStatus, Internal, TrainingJobStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.observed import (
    Child,
    CreateChild,
    DeleteChild,
    DirectChild,
    Event,
    LimitChild,
    Notify,
    Observed,
    Plan,
    Report,
)


class Draft:
    """Collects the decisions of one pass. Lives and dies inside `plan()`; nothing outside can see it change.

    The status changes by `draft.status = replace(draft.status, ...)`, and its two largest parts by the same on
    `draft.internal` and `draft.energy`, so that mypy checks every field.
    """

    def __init__(self, seen: Observed) -> None:
        self.seen = seen
        self.spec: TrainingJobSpec = seen.job.spec
        self.status: TrainingJobStatus = seen.status
        self.now: datetime = seen.now.replace(microsecond=0)  # as the API server keeps it, so that nothing drifts
        self.delete_job = False
        self.needs_fresh_view = False
        self.notify: Notify | None = None
        self._creates: list[CreateChild] = []
        self._deletes: list[DeleteChild] = []
        self._directs: list[DirectChild] = []
        self._limits: list[LimitChild] = []
        self._events: list[Event] = []
        self._look_into: list[str] = []
        self._wake_after_seconds: float | None = None

    @property
    def internal(self) -> Internal:
        """The operator's own book-keeping in the status."""
        return self.status.internal

    @internal.setter
    def internal(self, internal: Internal) -> None:
        self.status = replace(self.status, internal=internal)

    @property
    def energy(self) -> EnergyStatus:
        """The ledger in the status."""
        return self.status.energy

    @energy.setter
    def energy(self, energy: EnergyStatus) -> None:
        self.status = replace(self.status, energy=energy)

    @property
    def report(self) -> Report | None:
        """What the group of the current attempt says; None: it has not said anything, or another did."""
        report = self.seen.report
        current = report is not None and report.role.traits.in_group and report.attempt == self.status.attempt
        return report if current else None

    def create(self, child: CreateChild) -> None:
        """Have `child` created."""
        self._creates.append(child)

    def delete(self, child: Child, *, force: bool = False) -> None:
        """Have `child` ended and removed; one that is being ended already is asked again only by force."""
        if child.terminating_seconds is None or force:
            self._deletes.append(DeleteChild(child.name, child.uid, force))

    def direct(self, child: Child, directive: Directive) -> None:
        """Have `child` given `directive`, unless it has been given it, or a newer one."""
        if child.directive_version < directive.version:
            self._directs.append(DirectChild(child.name, child.uid, directive))

    def limit(self, limit: LimitChild) -> None:
        """Have the CPU limit of a child changed."""
        self._limits.append(limit)

    def look_into(self, child: Child) -> None:
        """Have the backend find out what `child` waits for."""
        self._look_into.append(child.uid)

    def add_event(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Report something to a person, after the status has been written."""
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
            supports=tuple(dict.fromkeys(s for c in self._creates for s in c.role.traits.supports)),
            creates=tuple(self._creates),
            deletes=tuple(self._deletes),
            directs=tuple(self._directs),
            limits=tuple(self._limits),
            events=tuple(self._events),
            notify=self.notify,
            look_into=tuple(self._look_into),
            delete_job=self.delete_job,
            needs_fresh_view=self.needs_fresh_view,
            wake_after_seconds=self._wake_after_seconds,
        )
