"""The supervisor as a member of its group: says what its ranks do, and does what the coordinator answers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure, SeenFailure, exit_status_of, first_cause
from wattrain_api.contract.group_exchange import Action, CoordinatorReply, MemberMessage, MemberState
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_api.contract.progress import Checkpoint
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.coordinator import poll_interval_seconds
from wattrain_worker.supervisor.link import Link
from wattrain_worker.supervisor.rank_start import Order
from wattrain_worker.supervisor.ranks import Rank, Ranks
from wattrain_worker.supervisor.worker_control import Ending, WorkerControl

UNREACHABLE_SECONDS: Final = 60.0
"""Longer than the coordinator waits for a member, so that it is the coordinator that says who is lost."""
BROKEN_GENERATION_SECONDS: Final = 3.0
"""From SIGTERM to SIGKILL for ranks whose peers have died: there is nothing that they could still agree to save."""
AFTER_GRACE_SECONDS: Final = 3.0
"""From SIGKILL of the ranks to the end of the supervisor, whatever may hang."""
FAREWELL_SECONDS: Final = 2.0
_NOT_EXECUTED: Final = "wattrain: script.command: "
"""What `shim.py` says of a command that cannot be executed: its exit code is ours, and not the script's."""
_STOP_CODES: Final = (0, reasons.EXIT_PREEMPTED, -15)
"""How ranks leave that were asked to: done, saved, or without a handler for SIGTERM."""


class _News(NamedTuple):
    """What the coordinator is told at once, and not only at the next interval."""

    state: MemberState
    failure: Failure | None
    checkpoint: Checkpoint | None
    ranks_done: tuple[int, ...]
    stopping: bool
    directive_version: int


class Member:
    """A state machine that `tick` moves on; it never waits."""

    def __init__(self, config: Config, link: Link, control: WorkerControl) -> None:
        self._config, self._link, self._control = config, link, control
        # Worker 0 only has to call its own coordinator.
        self._interval_seconds = poll_interval_seconds(config.workers) if config.worker else 0.0
        self._unreachable_seconds = max(UNREACHABLE_SECONDS, 4 * self._interval_seconds)
        self._ranks: Ranks | None = None
        self._generation = 0
        self._failures: dict[int, SeenFailure] = {}
        self._obeying_stop = False
        self._must_end_at: float | None = None
        self._farewell_until: float | None = None
        self._ending: Ending | None = None
        self.stopping = False
        """Whether the supervisor was told from outside to end."""
        self._runs_as_told = False
        """Whether the last reply was to go on."""
        self._directive_version = 0
        self._sent: _News | None = None
        self._send_at = 0.0

    @property
    def generation(self) -> int:
        """Generation whose ranks run, or ran last."""
        return self._generation

    @property
    def ranks_running(self) -> int:
        """Number of this worker's ranks that run."""
        return 0 if self._ranks is None else self._ranks.running

    @property
    def ranks_done(self) -> tuple[int, ...]:
        """This worker's ranks that have ended with exit code 0 in this generation."""
        done = () if self._ranks is None else (rank for rank in self._ranks.gone if rank.exit_code == 0)
        return tuple(number for rank in done for number in self._config.ranks_of_process(rank.rank))

    @property
    def is_steady(self) -> bool:
        """Whether the ranks run, the coordinator has said that they are to, and nothing else is under way."""
        return self._runs_as_told and self._state() == MemberState.RUNNING and not self.stopping

    @property
    def ending_soon(self) -> bool:
        """Whether a rank has ended whose last output is still being read."""
        return self._ranks is not None and self._ranks.running + len(self._ranks.gone) < len(self._ranks)

    def tick(self, *, stop_requested: bool) -> Ending | None:
        """Look at the ranks, talk to the coordinator when it is time, obey. How to end, when it is time for that."""
        self._look_at_ranks()
        if stop_requested:
            self._leave(self._config.grace_seconds)
        if self._link.silent_seconds > self._unreachable_seconds:
            self._prepare_to_end(Ending(reasons.EXIT_PEER_LOST, self._coordinator_lost()))
        self._listen()
        self._talk()
        self._listen()  # worker 0 has its answer at once
        return self._how_to_end()

    def _listen(self) -> None:
        reply = self._link.take_reply()
        if reply is not None:
            self._obey(reply)

    def _look_at_ranks(self) -> None:
        if self._ranks is None:
            return
        self._ranks.poll()
        for rank in self._ranks.gone:
            code = rank.exit_code
            if code and not self._has_stopped_in_order(code) and rank.rank not in self._failures:
                self._failures[rank.rank] = self._failure(rank, code)
        if self._obeying_stop and self._ranks.all_gone:
            self._ranks, self._obeying_stop = None, False
            self._failures.clear()

    def _has_stopped_in_order(self, exit_code: int) -> bool:
        """Whether a rank that ended with `exit_code` has saved and stopped. Recipes agree on that over all workers; a
        script's 143 means it only where the script was asked."""
        asked = self.stopping or self._obeying_stop or self._ending is not None
        return (asked or not self._config.command) and exit_code == reasons.EXIT_PREEMPTED

    def _failure(self, rank: Rank, exit_code: int) -> SeenFailure:
        """`rank` has ended with `exit_code`, which is not 0."""
        line = rank.last_line()
        of_script = self._config.command and not (exit_code == reasons.EXIT_BAD_SPEC and line.startswith(_NOT_EXECUTED))
        meaning = reasons.meaning_of_script_exit(exit_code) if of_script else reasons.meaning_of_exit(exit_code)
        failure = Failure(
            reason=meaning.reason,
            exit_code=exit_code,
            worker=self._config.worker_of_failures,
            rank=self._config.rank_of_failures(rank.rank),
            node=self._config.node,
            last_line=one_line(line, LINE_CHARACTERS),
            step=self._control.report().step,
        )
        return SeenFailure(failure, meaning, rank.ended_seconds)

    def _state(self) -> MemberState:
        if self._ranks is None:
            return MemberState.STOPPED if self.stopping else MemberState.WAITING
        if self._obeying_stop or (self.stopping and not self._ranks.all_gone):
            return MemberState.RUNNING
        if self.stopping:
            return MemberState.STOPPED
        if self._failures:
            return MemberState.FAILED
        if not self._ranks.all_gone:
            return MemberState.RUNNING
        return MemberState.DONE if all(rank.exit_code == 0 for rank in self._ranks.gone) else MemberState.STOPPED

    def _talk(self) -> None:
        if not self._link.idle:
            return
        state, report, now = self._state(), self._control.report(), time.monotonic()
        report = replace(report, directive_version=self._directive_version or None)
        failure = first_cause(self._failures.values()).failure if state == MemberState.FAILED else None
        news = _News(state, failure, report.checkpoint, report.ranks_done, self.stopping, self._directive_version)
        if news == self._sent and now < self._send_at:
            return
        message = MemberMessage(
            worker=self._config.worker,
            state=state,
            report=report,
            generation=self._generation,
            host_address=self._config.host_address,
            failure=failure,
            stopping=self.stopping,
            leaving=self.stopping and self._has_no_ranks(),
        )
        self._link.send(message)
        self._sent, self._send_at = news, now + self._interval_seconds

    def _obey(self, reply: CoordinatorReply) -> None:
        if reply.counted_elsewhere:
            self._control.leave_out(reply.counted_elsewhere)
        if reply.directive is not None and reply.directive.version > self._directive_version:
            self._take_directive(reply.directive)
        self._runs_as_told = reply.action == Action.RUN and reply.generation == self._generation
        if reply.action == Action.EXIT:
            exit_code = reasons.EXIT_PEER_LOST if reply.exit_code is None else reply.exit_code
            self._prepare_to_end(Ending(exit_code, reply.cause))
        elif self._ending is not None or self.stopping:
            return
        elif reply.action == Action.RUN and self._ranks is None:
            self._generation = reply.generation
            address, port = reply.master_addr or "", reply.master_port or 0
            self._ranks = self._control.start_ranks(Order(reply.generation, address, port, reply.restart_reason or ""))
        elif self._ranks is not None and not self._is_to_run(reply):
            self._obeying_stop = True
            self._ranks.stop(min(BROKEN_GENERATION_SECONDS, self._config.grace_seconds))

    def _is_to_run(self, reply: CoordinatorReply) -> bool:
        """Whether the ranks that there are may go on."""
        is_another = reply.action == Action.RUN and reply.generation != self._generation
        return reply.action != Action.STOP and not is_another

    def _take_directive(self, directive: Directive) -> None:
        self._directive_version = directive.version
        self._control.pass_on(directive)
        if directive.stop_at_step == 0:
            self.leave()

    def leave(self) -> None:
        """Have the ranks save and end, however long that takes; whoever cannot wait for it sends SIGTERM."""
        self._leave(None)

    def _leave(self, grace_seconds: float | None) -> None:
        """Told to end from outside: the ranks save and leave, and the group hears of it."""
        if not self.stopping:
            self.stopping = True
            self._control.ranks_stop()
            if self._ranks is not None:
                self._ranks.stop(None)
        if grace_seconds is not None and self._must_end_at is None:
            self._stop_ranks_for_good(grace_seconds)

    def _prepare_to_end(self, ending: Ending) -> None:
        if self._ending is None:
            self._ending = ending
            in_order = ending.exit_code in (reasons.EXIT_OK, reasons.EXIT_PREEMPTED, reasons.EXIT_PEER_LOST)
            grace_seconds = self._config.grace_seconds
            self._stop_ranks_for_good(grace_seconds if in_order else min(BROKEN_GENERATION_SECONDS, grace_seconds))

    def _stop_ranks_for_good(self, grace_seconds: float) -> None:
        if self._ranks is not None:
            self._ranks.stop(grace_seconds)
        if self._must_end_at is None:
            self._must_end_at = time.monotonic() + grace_seconds + AFTER_GRACE_SECONDS

    def _how_to_end(self) -> Ending | None:
        """How to end, if that is now: the ranks are gone and the coordinator knows, or there is no more time."""
        if self._must_end_at is not None and time.monotonic() >= self._must_end_at:
            return self._ending or self._own_ending()
        if not self._has_no_ranks():
            return None
        if self._ending is not None:
            saved = self._ending.exit_code == reasons.EXIT_PREEMPTED
            return self._own_ending() if self.stopping and saved else self._ending
        return self._own_ending() if self.stopping and self._has_said_farewell() else None

    def _has_said_farewell(self) -> bool:
        now = time.monotonic()
        if self._farewell_until is None:
            self._farewell_until = now + FAREWELL_SECONDS
            return False
        return self._link.idle or now >= self._farewell_until

    def _own_ending(self) -> Ending:
        failures = [seen for seen in self._failures.values() if seen.failure.exit_code not in _STOP_CODES]
        if not failures:
            return Ending(reasons.EXIT_PREEMPTED, None)
        failure = first_cause(failures).failure
        return Ending(exit_status_of(failure), failure)

    def _has_no_ranks(self) -> bool:
        return self._ranks is None or self._ranks.all_gone

    def _coordinator_lost(self) -> Failure:
        line = f"worker 0 has not answered for {self._unreachable_seconds:g} s"
        worker, node, step = self._config.worker_of_failures, self._config.node, self._control.report().step
        return Failure(reasons.PEER_LOST, worker=worker, node=node, last_line=line, step=step)
