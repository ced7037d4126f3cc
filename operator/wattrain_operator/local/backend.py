"""The local backend: looks at process groups of this machine, and does what the core has decided."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Progress
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import GRANTED, Child, CreateChild, Grant, Observed, Plan, Report
from wattrain_operator.core.roles import Role
from wattrain_operator.local.child import LocalChild
from wattrain_operator.local.launch import SUPERVISOR, RunContext, cpus_of_worker
from wattrain_operator.local.poller import STEADY_POLL_SECONDS, Poller, Target, fetch
from wattrain_operator.local.processes import Orphans
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.workers.decode import to_report
from wattrain_operator.workers.last_answer import LastAnswer
from wattrain_operator.workers.speaker import speaker_of, speaks

STATUS_INTERVAL_SECONDS = 0.5


class LocalBackend:
    """The children of one job. `close` (or leaving the `with` block) leaves no process behind; should this process be
    killed instead, the supervisors read the end of the pipe that it alone can write to, and stop."""

    def __init__(
        self,
        job: TrainingJob,
        directory: RunDirectory,
        command: Sequence[str] = SUPERVISOR,
        clock: Callable[[], float] = time.monotonic,
        jobs_at_once: int = 1,
        orphans: Orphans | None = None,
    ) -> None:
        """`command` starts a supervisor; `clock` tells how old answers are, in seconds; `jobs_at_once` share the
        cores; `orphans` are those of the whole command, by default none are looked for."""
        self._parent_fd, self._life_fd = os.pipe()
        self._context = RunContext(job, directory, self._parent_fd, command, jobs_at_once)
        self._orphans = orphans or Orphans()
        self._children: list[LocalChild] = []
        self._tokens: dict[int, str] = {}
        self._clock = clock
        self._speaker: Child | None = None
        self._poller = Poller(self._targets, clock)
        self._poller.start()

    def __enter__(self) -> LocalBackend:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kill(self) -> None:
        """End everything that is still there, now."""
        for child in self._children:
            child.kill()
        self._orphans.end()

    def close(self) -> None:
        """Leave nothing behind. Nothing can be done with the backend afterwards."""
        self.kill()
        self._poller.stop()
        os.close(self._life_fd)
        os.close(self._parent_fd)

    @property
    def has_living_children(self) -> bool:
        """Whether a child has not been seen to have ended."""
        return self._living() > 0

    @property
    def cpus_of_worker(self) -> float:
        """CPUs that each worker may use where the job does not say."""
        return cpus_of_worker(self._context.jobs_at_once, self._context.job.spec.workers.replicas)

    @property
    def has_news(self) -> bool:
        """Whether anything has happened since the last look that is not to wait."""
        return self._poller.has_news or any(child.ends_unnoticed for child in self._children)

    @property
    def trains(self) -> bool:
        """Whether its newest group says that it trains."""
        progress = self.progress()
        return progress is not None and progress.phase == Phase.TRAINING

    def observe(
        self,
        job: TrainingJob,
        status: TrainingJobStatus,
        domain: PowerDomainSpec,
        now: datetime,
        grant: Grant = GRANTED,
        storage_failure: str = "",
    ) -> Observed:
        """Look at every child. One that has ended stays until it is removed, and then for one more look, so that its
        termination message is counted. `grant`: what the fleet allows the job; `storage_failure`: why the last status
        could not be kept."""
        self._poller.has_news = False
        living = self._living()
        for child in self._children:
            child.kill_if_overdue()
            left = child.look_for_end()
            if left is not None and speaks(child.made):
                self._poller.close_with(child.uid, left)
        if self._living() < living:
            self._orphans.end()
        self._children = [c for c in self._children if not c.forgettable]
        children = tuple(c.observe(ready=self._poller.is_ready(c.uid)) for c in self._children)
        self._speaker = speaker_of(children)
        return Observed(
            now=now,
            job=job,
            status=status,
            children=children,
            report=self._report(),
            domain=domain,
            grant=grant,
            cpus_of_worker=self.cpus_of_worker,
            storage_failure=storage_failure,
            status_interval_seconds=STATUS_INTERVAL_SECONDS,
        )

    def apply(self, plan: Plan) -> None:
        """Start and end children as decided. The status and the events are the caller's."""
        there = {c.made.name for c in self._children}
        for made in sorted(plan.creates, key=lambda c: c.worker):  # worker 0 first: the others are told its port
            if made.name not in there:
                self._children = [*self._children, self._create(made)]
        for direct in plan.directs:
            for child in self._children:
                if child.uid == direct.uid:
                    child.direct(direct.directive)
        for delete in plan.deletes:
            for child in self._children:
                if child.uid == delete.uid:
                    child.remove(force=delete.force)

    def progress(self) -> Progress | None:
        """What the supervisor that speaks for the newest group said last; None: nothing yet."""
        last = self._last_answer()
        return None if last is None else last.content

    def fetch_all(self, path: str) -> dict[str, bytes]:
        """GET `path` from all supervisors that live, by worker index, or `prepare`. For another thread than the
        loop's: it may wait for a second a supervisor."""
        answers = {
            str(c.made.worker) if c.made.role == Role.WORKER else c.made.role: fetch(c.port, path)
            for c in self._children
            if not c.ended
        }
        return {who: body for who, body in answers.items() if body is not None}

    def _create(self, made: CreateChild) -> LocalChild:
        token = self._tokens.setdefault(made.attempt, secrets.token_hex(16))
        group = [c for c in self._children if (c.made.attempt, c.made.role) == (made.attempt, made.role)]
        coordinator_port = next((c.port for c in group if c.made.worker == 0), None)
        child = LocalChild(self._context, made, coordinator_port, token)
        self._orphans.except_for(child.pid)
        return child

    def _living(self) -> int:
        return sum(not child.ended for child in self._children)

    def _targets(self) -> list[Target]:
        return [Target(c.uid, c.port, speaks(c.made)) for c in self._children if not c.ended]

    def _last_answer(self) -> LastAnswer[Progress] | None:
        return None if self._speaker is None else self._poller.answer(self._speaker.uid)

    def _report(self) -> Report | None:
        last, speaker = self._last_answer(), self._speaker
        if last is None or speaker is None:
            return None
        return to_report(last, speaker.role, speaker.attempt, self._clock(), STEADY_POLL_SECONDS)
