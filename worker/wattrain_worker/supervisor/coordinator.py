"""The coordinator: which start of the group runs, when the next one begins, and when it is over.

It lives in worker 0's supervisor. It does no I/O and starts nothing: members tell it their state, it answers what
they are to do. The group goes through these stages:

    gathering --all wait--> running --a failure--> settling --cause known--> gathering (next generation)
                               |                       |
                               +----all done, all stopped, budget spent, a member lost----> over
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import Final

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure, SeenFailure, exit_status_of, is_same_failure, meaning_of
from wattrain_api.contract.group_exchange import Action, CoordinatorReply, MemberMessage, MemberReport, MemberState
from wattrain_api.contract.progress import Checkpoint, GroupProgress
from wattrain_worker.supervisor.blame import blamed
from wattrain_worker.supervisor.group_totals import Figures, Totals
from wattrain_worker.supervisor.restart_account import RestartAccount

SETTLE_SECONDS: Final = 0.5
LOST_SECONDS: Final = 30.0
"""A supervisor that gets no CPU on a busy node is silent for many seconds, and is not lost. One whose process ends is
known at once by its ranks, and one whose machine is lost is no sooner replaced: that takes Kubernetes over a minute."""
_STALL_SECONDS: Final = 5.0
_STALE_SECONDS: Final = 3.0
"""Two intervals of the sampler of power."""


class Stage(Enum):
    """What the group does as a whole."""

    GATHERING = "gathering"
    RUNNING = "running"
    SETTLING = "settling"
    OVER = "over"


class MessageError(ValueError):
    """A member's message that makes no sense."""


class Coordinator:
    """Decides for the group. Any thread may call; the clocks are injected."""

    def __init__(
        self,
        workers: int,
        restarts_left: int,
        free_port: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`restarts_left`: restarts in place between two committed checkpoints. `free_port` finds a port on this
        machine for a generation's rendezvous. `clock` is monotonic, `wall` the time of day, both in seconds."""
        self._workers, self._restarts_left, self._free_port = workers, restarts_left, free_port
        self._lost_seconds = max(LOST_SECONDS, 4 * poll_interval_seconds(workers))
        self._clock = clock
        self._lock = threading.RLock()
        self._stage = Stage.GATHERING
        self._generation = 0
        self._master_port = 0
        self._members: dict[int, MemberMessage] = {}
        self._heard: dict[int, float] = {}
        self._failures: dict[int, SeenFailure] = {}
        self._settled_at: float | None = None
        self._released: set[int] = set()
        self._totals = Totals(clock, max(_STALE_SECONDS, 2 * poll_interval_seconds(workers)))
        self._account = RestartAccount(wall)
        self._previous_failure: Failure | None = None
        self._directive: Directive | None = None
        self._exit_code = 0
        self._cause: Failure | None = None

    def exchange(self, message: MemberMessage) -> CoordinatorReply:
        """Take a member's state and answer what it is to do. MessageError where the message makes no sense."""
        _check(message, self._workers)
        with self._lock:
            self._hear(message.worker)
            self._members[message.worker] = message
            self._take_failure(message)
            self._totals.update(message.worker, message.report)
            self._account.take(message, self._generation, self._totals.joules)
            self._decide()
            return replace(self._reply(message), counted_elsewhere=self._totals.counted_elsewhere(message.worker))

    def close(self, worker: int, report: MemberReport) -> None:
        """Take what `worker` has come to after its last message; nothing is decided any more."""
        with self._lock:
            self._totals.update(worker, report)

    def direct(self, directive: Directive) -> None:
        """Have all members take `directive`, if it is newer than the last one."""
        with self._lock:
            if directive.version > (0 if self._directive is None else self._directive.version):
                self._directive = directive

    @property
    def directive_version(self) -> int | None:
        """Version of the newest directive that all workers have taken; None: there is none yet."""
        with self._lock:
            taken = [member.report.directive_version for member in self._members.values()]
            known = [version for version in taken if version is not None]
            return min(known) if len(known) == self._workers else None

    @property
    def decision(self) -> tuple[Stage, int]:
        """What was decided last, and for which generation: another than before is news for every member."""
        with self._lock:
            return self._stage, self._generation

    @property
    def everyone_knows(self) -> bool:
        """Whether the group is over and every member that can still hear it has been told."""
        with self._lock:
            return self._stage == Stage.OVER and self._released >= set(self._members)

    @property
    def figures(self) -> Figures:
        """Watts, joules and samples per second of the group."""
        with self._lock:
            return self._totals.figures

    @property
    def waits(self) -> tuple[float, float]:
        """Seconds that the ranks waited for data, and for the slowest of them, since the supervisors started."""
        with self._lock:
            return self._totals.data_wait_seconds, self._totals.slowest_rank_seconds

    def progress(self, step_seconds: float = 0.0) -> GroupProgress:
        """`group` of /v1/progress, where a step takes `step_seconds`."""
        with self._lock:
            return self._totals.progress(self._account.restarts, step_seconds)

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest committed checkpoint, with the group's joules at its commit."""
        with self._lock:
            return self._account.checkpoint

    def _hear(self, worker: int) -> None:
        now = self._clock()
        if self._heard and now - max(self._heard.values()) > _STALL_SECONDS:
            # Not even this process's own member was heard: it stood still itself (SIGSTOP, a machine that slept).
            self._heard = dict.fromkeys(self._heard, now)
        self._heard[worker] = now

    def _take_failure(self, message: MemberMessage) -> None:
        """A member that fails may learn better which of its ranks was first; when it failed does not change."""
        failure = message.failure
        if message.state == MemberState.FAILED and message.generation == self._generation and failure is not None:
            before = self._failures.get(message.worker)
            seconds = self._clock() if before is None else before.seconds
            self._failures[message.worker] = SeenFailure(failure, meaning_of(failure), seconds)

    def _decide(self) -> None:
        if self._stage == Stage.OVER:
            return
        states = [self._state(worker) for worker in range(self._workers)]
        if any(state == MemberState.STOPPED for state in states):
            self._decide_about_stop(states)
        elif self._find_lost():
            return
        elif self._stage == Stage.GATHERING and all(state == MemberState.WAITING for state in states):
            self._start_generation()
        elif self._stage == Stage.RUNNING and all(state == MemberState.DONE for state in states):
            self._end(reasons.EXIT_OK, None)
        elif self._stage == Stage.RUNNING and MemberState.FAILED in states:
            self._stage, self._settled_at = Stage.SETTLING, self._clock() + SETTLE_SECONDS
        if self._stage == Stage.SETTLING and (self._is_settled() or MemberState.RUNNING not in states):
            self._answer_failure()

    def _state(self, worker: int) -> MemberState | None:
        """State of `worker` in the current stage; None: not heard of, or still in the generation before."""
        member = self._members.get(worker)
        if member is None:
            return None
        if member.state == MemberState.FAILED and self._stopped_with_others(member):
            return MemberState.STOPPED
        is_old = self._stage == Stage.GATHERING or member.generation != self._generation
        if member.state == MemberState.WAITING:  # once a generation runs, it starts with the next answer that it gets
            return MemberState.WAITING if self._stage == Stage.GATHERING else MemberState.RUNNING
        return None if is_old and member.state != MemberState.STOPPED else member.state

    def _stopped_with_others(self, member: MemberMessage) -> bool:
        """Whether a script's rank left with 143 because a rank of a worker that is being stopped told it to."""
        code = None if member.failure is None else member.failure.exit_code
        return code == reasons.EXIT_PREEMPTED and any(other.stopping for other in self._members.values())

    def _decide_about_stop(self, states: list[MemberState | None]) -> None:
        """A worker has been told to leave, or the ranks have agreed to stop: the group ends when all have."""
        if self._settled_at is None:
            self._settled_at = self._clock() + SETTLE_SECONDS
        if MemberState.RUNNING not in states or self._is_settled():
            self._end(reasons.EXIT_PREEMPTED, None)

    def _is_settled(self) -> bool:
        return self._settled_at is not None and self._clock() >= self._settled_at

    def _find_lost(self) -> bool:
        now = self._clock()
        for worker, heard in self._heard.items():
            if now - heard > self._lost_seconds:
                self._end(reasons.EXIT_PEER_LOST, self._lost(worker))
                return True
        return False

    def _lost(self, worker: int) -> Failure:
        report = self._members[worker].report
        line = f"worker {worker} has not been heard of for {self._lost_seconds:g} s"
        return Failure(reasons.WORKER_LOST, worker=worker, node=report.node, last_line=line, step=report.step)

    def _start_generation(self) -> None:
        if self._account.enter_planned():
            self._generation += 1
        self._failures.clear()
        self._stage, self._settled_at = Stage.RUNNING, None
        self._master_port = self._free_port()

    def _answer_failure(self) -> None:
        reports = {worker: member.report for worker, member in self._members.items()}
        cause, meaning = blamed(self._failures.values(), reports)
        before, self._previous_failure = self._previous_failure, cause
        exit_status = exit_status_of(cause)
        if meaning.permanent or not meaning.counted:  # what does not count is not for this group to answer
            self._end(exit_status, cause)
        elif is_same_failure(cause, before):
            self._end(reasons.EXIT_PROGRAM_FAILS_ALWAYS, replace(cause, reason=reasons.PROGRAM_FAILS_ALWAYS))
        elif self._account.restarts_since_checkpoint >= self._restarts_left:
            self._end(exit_status, cause)
        else:
            self._account.plan(cause, self._generation, self._totals.joules)
            self._stage, self._settled_at = Stage.GATHERING, None

    def _end(self, exit_code: int, cause: Failure | None) -> None:
        self._stage, self._exit_code, self._cause = Stage.OVER, exit_code, cause

    def _reply(self, message: MemberMessage) -> CoordinatorReply:
        is_waiting = message.state == MemberState.WAITING
        if message.leaving:
            self._released.add(message.worker)
        if self._stage == Stage.OVER:
            self._released.add(message.worker)
            return replace(self._answer(Action.EXIT), exit_code=self._exit_code, cause=self._cause)
        if self._stage == Stage.GATHERING:
            return self._answer(Action.WAIT if is_waiting else Action.STOP)
        if is_waiting:  # it counts as running from now on, so that no next generation starts before it has stopped
            started = replace(message, state=MemberState.RUNNING, generation=self._generation)
            self._members[message.worker] = started
        restarts = self._account.restarts
        return replace(
            self._answer(Action.RUN),
            master_addr=self._members[0].host_address,
            master_port=self._master_port,
            restart_reason=restarts[-1].failure.reason if restarts else "",
        )

    def _answer(self, action: Action) -> CoordinatorReply:
        return CoordinatorReply(action, self._generation, self._workers, directive=self._directive)


def _check(message: MemberMessage, workers: int) -> None:
    """MessageError names what makes no sense in a group of `workers`."""
    if message.worker >= workers:
        raise MessageError(f"worker is {message.worker}: there are workers 0 to {workers - 1}")
    if message.state == MemberState.FAILED and (message.failure is None or not message.failure.exit_code):
        raise MessageError(f"failure is {message.failure}: a failed worker says which rank ended with which exitCode")


def poll_interval_seconds(workers: int) -> float:
    """Seconds between two messages of a member: worker 0 answers at most 64 of them a second."""
    return max(0.2, workers / 64)
