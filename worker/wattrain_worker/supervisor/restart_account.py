"""The restarts in place of a group: what each has cost, and how many came since the last checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wattrain_api.contract.failures import Failure
from wattrain_api.contract.group_exchange import MemberMessage, MemberState
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Checkpoint, RestartInPlace


class RestartAccount:
    """Joules are the group's since its supervisors started. A checkpoint or a restart makes those spent so far safe:
    they are either saved, or written off already."""

    def __init__(self, wall: Callable[[], float]) -> None:
        """`wall`: the time of day in seconds."""
        self._wall = wall
        self._restarts: list[RestartInPlace] = []
        self._pending: RestartInPlace | None = None
        self._commits: dict[int, tuple[int, float | None]] = {}
        self._resumed_step = 0
        self._safe_joules = 0.0
        self.checkpoint: Checkpoint | None = None
        """The newest committed one, with the group's joules at its commit."""
        self.restarts_since_checkpoint = 0
        """Failures that led to a restart since then."""

    @property
    def restarts(self) -> tuple[RestartInPlace, ...]:
        """The restarts whose generation has started, the oldest first."""
        return tuple(self._restarts)

    def take(self, message: MemberMessage, generation: int, joules: float) -> None:
        """Take a member's message while `generation` runs."""
        self._take_checkpoint(message, joules)
        if message.generation == generation:
            self._take_resumed(message, generation)
            self._take_recovery(message, generation, joules)

    def plan(self, cause: Failure, generation: int, joules: float) -> None:
        """`generation` has failed. The restart is entered when the next one starts: one that never does is the
        operator's to count."""
        self.restarts_since_checkpoint += 1
        self._pending = RestartInPlace(
            time=self._wall(),
            failure=cause,
            generation=generation,
            resumed_from_step=self._resumed_step if self.checkpoint is None else self.checkpoint.step,
            joules_lost=max(0.0, joules - self._safe_joules),
        )
        self._safe_joules = joules

    def enter_planned(self) -> bool:
        """A generation starts: enter the restart that it is, if it is one."""
        if self._pending is None:
            return False
        self._restarts.append(self._pending)
        self._pending = None
        return True

    def _take_checkpoint(self, message: MemberMessage, joules: float) -> None:
        checkpoint = message.report.checkpoint
        if checkpoint is None:
            return
        commit = (checkpoint.step, checkpoint.time)
        if self._commits.get(message.worker) == commit:
            return
        self._commits[message.worker] = commit
        self._safe_joules = joules
        if self.checkpoint is None or checkpoint.step > self.checkpoint.step:
            self.restarts_since_checkpoint = 0  # it gets on: the budget is for a training that does not
        self.checkpoint = replace(checkpoint, group_joules=joules)

    def _take_resumed(self, message: MemberMessage, generation: int) -> None:
        """From where the ranks really went on: a damaged checkpoint may have sent them further back."""
        resumed = message.report.resumed
        if message.state == MemberState.WAITING or resumed is None:
            return
        self._resumed_step = resumed.step
        if self._restarts and self._restarts[-1].generation == generation - 1:
            self._restarts[-1] = replace(self._restarts[-1], resumed_from_step=resumed.step)

    def _take_recovery(self, message: MemberMessage, generation: int, joules: float) -> None:
        """The first rank that trains again ends a restart: what starting anew has cost is lost as well."""
        restart, report = self._restarts[-1] if self._restarts else None, message.report
        if restart is None or restart.generation != generation - 1 or restart.recovery_seconds is not None:
            return
        trains = report.phase == Phase.TRAINING or report.step != restart.failure.step
        # A script tells neither phase nor where it resumed.
        if message.state == MemberState.RUNNING and (report.resumed is not None or trains):
            lost = restart.joules_lost + max(0.0, joules - self._safe_joules)
            seconds = self._wall() - restart.time
            self._restarts[-1] = replace(restart, joules_lost=lost, recovery_seconds=seconds)
            self._safe_joules = joules
