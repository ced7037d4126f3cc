"""The local backend: looks at process groups of this machine, and does what the core has decided."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from datetime import datetime

from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import CreateChild, Observed, Plan, Report
from wattrain_operator.local.child import LocalChild
from wattrain_operator.local.launch import SUPERVISOR, Surroundings
from wattrain_operator.local.poller import Poller, Target, fetch
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.sound import Json
from wattrain_operator.wire import to_report

STATUS_INTERVAL_SECONDS = 0.5


class LocalBackend:
    """The children of one job. `close` (or leaving the `with` block) leaves no process behind; should this process be
    killed instead, the supervisors read the end of the pipe that it alone can write to, and stop."""

    def __init__(self, job: TrainingJob, directory: RunDirectory, command: Sequence[str] = SUPERVISOR) -> None:
        """`command` starts a supervisor."""
        self._parent_fd, self._life_fd = os.pipe()
        self._around = Surroundings(job, directory, self._parent_fd, command)
        self._children: list[LocalChild] = []
        self._tokens: dict[int, str] = {}
        self._poller = Poller(self._targets)
        self._poller.start()

    def __enter__(self) -> LocalBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """End everything that is still there, now."""
        for child in self._children:
            child.kill()

    def close(self) -> None:
        """Leave nothing behind. Nothing can be done with the backend afterwards."""
        self.kill()
        self._poller.stop()
        os.close(self._life_fd)
        os.close(self._parent_fd)

    def observe(self, job: TrainingJob, status: TrainingJobStatus, domain: PowerDomainSpec, now: datetime) -> Observed:
        """Look at every child. One that has ended stays until it is removed, and then for one more look, so that its
        last word is counted."""
        for child in self._children:
            child.kill_if_overdue()
            word = child.look_for_end()
            if word is not None and _tells(child):
                self._poller.close_with(child.made.name, word)
        self._children = [c for c in self._children if not c.forgettable]
        return Observed(
            now=now,
            job=job,
            status=status,
            children=tuple(c.observe(ready=self._poller.has_answered(c.made.name)) for c in self._children),
            report=self._report(),
            domain=domain,
            status_interval_seconds=STATUS_INTERVAL_SECONDS,
        )

    def apply(self, plan: Plan) -> None:
        """Start and end children as decided. The status and the events are the caller's."""
        there = {c.made.name for c in self._children}
        for made in sorted(plan.creates, key=lambda c: c.rank):  # worker 0 first: the others are told its port
            if made.name not in there:
                self._children = [*self._children, self._create(made)]
        for delete in plan.deletes:
            for child in self._children:
                if child.uid == delete.uid:
                    child.remove(force=delete.force)

    def progress(self) -> Json:
        """What the supervisor that speaks for the current group said last; empty before its first answer."""
        speaker = self._speaker()
        told = None if speaker is None else self._poller.told(speaker.made.name)
        return {} if told is None else told.progress

    def fetch_all(self, path: str) -> dict[str, bytes]:
        """GET `path` from all supervisors that live, by worker index, or `prepare`. For another thread than the
        loop's: it may wait for a second a supervisor."""
        answers = {
            str(c.made.rank) if c.made.role == "worker" else c.made.role: fetch(c.port, path)
            for c in self._children
            if not c.ended
        }
        return {who: body for who, body in answers.items() if body is not None}

    def _create(self, made: CreateChild) -> LocalChild:
        token = self._tokens.setdefault(made.attempt, secrets.token_hex(16))
        group = [c for c in self._children if (c.made.attempt, c.made.role) == (made.attempt, made.role)]
        coordinator_port = next((c.port for c in group if c.made.rank == 0), None)
        return LocalChild(self._around, made, coordinator_port, token)

    def _targets(self) -> list[Target]:
        return [Target(c.made.name, c.port, _tells(c)) for c in self._children if not c.ended]

    def _speaker(self) -> LocalChild | None:
        return next((c for c in reversed(self._children) if _tells(c)), None)

    def _report(self) -> Report | None:
        speaker = self._speaker()
        told = None if speaker is None else self._poller.told(speaker.made.name)
        if speaker is None or told is None:
            return None
        made = speaker.made
        return to_report(told.progress, made.role, made.attempt, time.monotonic() - told.changed_at)


def _tells(child: LocalChild) -> bool:
    return child.made.role == "prepare" or child.made.rank == 0
