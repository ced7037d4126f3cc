"""One supervisor from start to end: brings the parts together and waits for what happens."""

from __future__ import annotations

import contextlib
import math
import os
import time
from dataclasses import replace
from functools import partial
from typing import Final

from wattrain_api import names, reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.group_exchange import CoordinatorReply, MemberMessage, MemberReport
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Notice, PowerReading, Progress
from wattrain_api.contract.termination import LOG_LINES
from wattrain_worker.power import PowerSampler
from wattrain_worker.supervisor import termination_message
from wattrain_worker.supervisor.card_at_end import complete_card
from wattrain_worker.supervisor.config import Config, ConfigError
from wattrain_worker.supervisor.coordinator import Coordinator
from wattrain_worker.supervisor.directives import Directives
from wattrain_worker.supervisor.fork_client import ForkServer, can_fork
from wattrain_worker.supervisor.inbox import Inbox
from wattrain_worker.supervisor.journal import GroupFigures, Journal
from wattrain_worker.supervisor.kept_log import KeptLog
from wattrain_worker.supervisor.left_behind import LeftBehind
from wattrain_worker.supervisor.link import DirectLink, HTTPLink, Link
from wattrain_worker.supervisor.log_notices import say
from wattrain_worker.supervisor.member import AFTER_GRACE_SECONDS, Member
from wattrain_worker.supervisor.output import Log
from wattrain_worker.supervisor.own_data import prepare_own_data
from wattrain_worker.supervisor.rank_processes import Executed, Process
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.rank_start import NO_ORDER, Order, RankStart, rank_starts
from wattrain_worker.supervisor.ranks import Ranks
from wattrain_worker.supervisor.script_start import make_directories, notice_of_silence
from wattrain_worker.supervisor.server import Server, free_port, listen
from wattrain_worker.supervisor.step_count import StepCount
from wattrain_worker.supervisor.trackers_run import Trackers
from wattrain_worker.supervisor.waker import Waker
from wattrain_worker.supervisor.worker_control import Ending
from wattrain_worker.supervisor.worker_exposition import metrics_text
from wattrain_worker.supervisor.worker_messages import energy_gaps, member_report, power_readings, termination_of
from wattrain_worker.tracking.tracked_end import COMPLETE, FAILED, STOPPED, TrackedEnd

_TICK_SECONDS: Final = 0.2
_STEADY_TICK_SECONDS: Final = 1.0
"""While the ranks run as they were told to: a tick costs two to three milliseconds of a core that trains too. What is
to be answered sooner wakes the supervisor, or is a directive, for which it looks at every `_TICK_SECONDS`."""
_ENDING_TICK_SECONDS: Final = 0.02
_LEAVE_SECONDS: Final = 1.0
"""Between two messages that outlive a SIGKILL."""
_LINGER_SECONDS: Final = 5.0
_TRACKING_ENDS_SECONDS: Final = 10.0
"""What trackers get for what is left, where a server does not answer: of a job that is over."""
_TRACKING_GOES_ON_SECONDS: Final = 2.0
"""The same where the job may go on, for which the training would have to wait: then they go on too."""


class Supervisor:
    """A worker's first process."""

    def __init__(self, config: Config) -> None:
        """Open what can be opened; what cannot is said once. ConfigError where the group could not work at all."""
        self._config = config
        self._first_phase = Phase.PREPARING if config.preparing else Phase.STARTING
        self._waker = Waker()
        self._journal = Journal(config.metrics_file if config.worker == 0 else "", self._lose_records)
        first_rank = config.worker * config.processes_per_worker if config.launcher == "native" else None
        steps = StepCount(is_script=bool(config.command), first_attempt=config.attempt <= 1)
        self._reports = RankReports(self._first_phase, first_rank, self._journal.record, steps)
        self._inbox = Inbox(self._take_datagram)
        self._directives = Directives(config, self._inbox.directory, self._reports)
        kept = KeptLog(config.kept_log_file, f"[{config.role}] attempt {config.attempt}", self._lose_records)
        self._log = Log(config.log_file, kept)
        self._trackers = Trackers(config, self._inbox.path, self._reports.add_notice)
        self._power = PowerSampler.from_environment(pids=lambda: [os.getpid()], since_process_start=True)
        self._counted_elsewhere: frozenset[str] = frozenset()
        self._power_must_be_fresh = True
        """Whether what is told next is to hold the joules of this moment; else those of the sampler's last second."""
        self._has_ended = False
        self._left_at: float | None = None
        """When the last message was left that outlives a SIGKILL; infinity: it cannot be left."""
        self._ranks: Ranks | None = None
        self._fork_server: ForkServer | None = None
        self._coordinator: Coordinator | None = None
        if config.worker == 0:
            self._coordinator = Coordinator(config.workers, config.restarts_left, free_port)
        self._member = Member(config, self._open_link(), self)
        self._server = self._open_server()

    def run(self) -> int:
        """Supervise until the end; answers the exit code. From the main thread. Nothing that it has started is left."""
        self._left_behind = LeftBehind(self._owns)
        try:
            return self._run()
        finally:
            self._left_behind.end_all()

    def _run(self) -> int:
        self._waker.catch_signals()
        if can_fork(self._config):  # now: it imports while the group gathers
            with contextlib.suppress(OSError):  # a sandbox without such sockets: ranks are executed
                self._fork_server = ForkServer(self._starts(self._config, NO_ORDER)[0], self._waker.wake)
        if self._config.parent_fd is not None:
            self._waker.watch_parent(self._config.parent_fd)
        self._power.start()
        self._inbox.start()
        self._trackers.start()
        if self._server is not None:
            self._server.start()
        ending = self._prepare_own_data() or self._tick()
        while ending is None:
            self._wait()
            ending = self._tick()
        self._end(ending)
        return ending.exit_code

    def _wait(self) -> None:
        """Until something has happened, or it is time to look whether it has."""
        if self._member.ending_soon or not self._member.is_steady:
            self._waker.wait(_ENDING_TICK_SECONDS if self._member.ending_soon else _TICK_SECONDS)
            return
        until = time.monotonic() + _STEADY_TICK_SECONDS
        while not self._waker.wait(_TICK_SECONDS) and time.monotonic() < until:
            if self._coordinator is not None and self._directives.has_news:
                return

    def _prepare_own_data(self) -> Ending | None:
        if not self._config.prepares_own_data:
            return None
        self._reports.set_phase(Phase.PREPARING)
        ending = prepare_own_data(self._config, self._open_ranks, self._waker)
        self._left_behind.end()
        self._inbox.drain()  # its last report would end the phase that begins now
        self._reports.set_phase(Phase.STARTING)
        if ending is not None:
            self._coordinator = None  # the group has never met: nobody waits for a last answer
        return ending

    def _tick(self) -> Ending | None:
        directive = None if self._coordinator is None else self._directives.read()
        if directive is not None and self._coordinator is not None:
            self._coordinator.direct(directive)
        if self._directives.has_reached_its_end(self._reports.progress().step):
            self._member.leave()
        if self._member.ending_soon:
            self._inbox.drain()
            self._power_must_be_fresh = True
        ending = self._member.tick(stop_requested=self._waker.stop_requested)
        if self._coordinator is not None:
            self._reports.take_group_waits(*self._coordinator.waits)
        self._look_for_silence()
        self._left_behind.look(ranks_run=self._member.ranks_running > 0)
        self._trackers.look()
        self._journal.set_figures(self._group_figures())
        self._journal.flush()
        if ending is None:
            self._leave_what_is_counted()
        return ending

    def _leave_what_is_counted(self) -> None:
        now = time.monotonic()
        if self._left_at is not None and now - self._left_at < _LEAVE_SECONDS:
            return
        last_line = "" if self._ranks is None else self._ranks.last_line()
        message = termination_of(self._worker_progress(), time.time(), None, last_line, self._last_lines())
        self._left_at = now if termination_message.leave(self._config.termination_file, message) else math.inf

    def _last_lines(self) -> list[str]:
        return [] if self._ranks is None else self._ranks.last_lines(LOG_LINES)

    def _lose_records(self, path: str, error: OSError) -> None:
        """A full disk, or one that must not be written to, is no reason to end a training."""
        sentence = f"{path} cannot be written ({error.strerror}), and nothing more is recorded in it"
        say(sentence)
        remedy = "make room, or have it writable by workers.runAsUser; the next attempt records again"
        self._reports.add_notice(Notice(reasons.RECORDS_INCOMPLETE, f"{sentence}: {remedy}"))

    def _look_for_silence(self) -> None:
        if self._config.command and self._ranks is not None:
            notice = notice_of_silence(self._ranks, self._reports.progress())
            if notice is not None:
                self._reports.add_notice(notice)

    def _end(self, ending: Ending) -> None:
        self._inbox.drain()
        if self._fork_server is not None:
            self._fork_server.close()
        self._left_behind.end_all(self._trackers.owns)
        self._has_ended = True
        self._power.stop()  # with a last sample: the shortest work has cost something, as has what was left behind
        self._power_must_be_fresh = True
        self._journal.flush(now=True)
        if ending.exit_code == 0:
            self._reports.set_phase(Phase.DONE)
        self._leave_last_message(ending)
        if self._coordinator is not None:
            linger = min(_LINGER_SECONDS, AFTER_GRACE_SECONDS - 1) if self._member.stopping else _LINGER_SECONDS
            deadline = time.monotonic() + linger
            while not self._coordinator.everyone_knows and time.monotonic() < deadline:
                self._waker.wait(_ENDING_TICK_SECONDS)
            self._coordinator.close(self._config.worker, self.report())
            self._record_end()
            if ending.exit_code == 0 and not self._config.preparing:
                complete_card(os.environ, self._config, self._coordinator.progress())
        self._finish_tracking(ending)
        self._inbox.stop()
        self._log.close()
        if self._server is not None:
            self._server.stop()

    def _leave_last_message(self, ending: Ending) -> None:
        message = termination_of(self._worker_progress(), time.time(), ending, last_lines=self._last_lines())
        termination_message.leave(self._config.termination_file, message)

    def _finish_tracking(self, ending: Ending) -> None:
        if not self._config.trackers:
            return
        notices = self._reports.progress().notices
        self._trackers.finish(self._tracked_end(ending), self._waker.wait)
        self._inbox.drain()
        if self._reports.progress().notices != notices:
            self._leave_last_message(ending)

    def _tracked_end(self, ending: Ending) -> TrackedEnd:
        code = ending.exit_code
        outcome = {reasons.EXIT_OK: COMPLETE, reasons.EXIT_PREEMPTED: STOPPED}.get(code, FAILED)
        goes_on = self._member.stopping or (code != 0 and not reasons.meaning_of_exit(code).permanent)
        seconds = _TRACKING_GOES_ON_SECONDS if goes_on else _TRACKING_ENDS_SECONDS
        return TrackedEnd(outcome, seconds, self._reports.progress().test)

    def _record_end(self) -> None:
        self._journal.set_figures(self._group_figures())
        self._journal.record_end(self._reports.progress())
        self._journal.flush(now=True)

    def start_ranks(self, order: Order) -> Ranks:
        """As WorkerControl says."""
        self._left_behind.end()
        if self._config.command:
            for notice in make_directories(os.environ):
                self._reports.add_notice(notice)
        self._reports.start_generation(self._first_phase)
        self._directives.start_generation()
        self._ranks = self._open_ranks(self._config, order)
        return self._ranks

    def ranks_stop(self) -> None:
        """As WorkerControl says."""
        self._reports.set_phase(Phase.STOPPING)

    def leave_out(self, devices: tuple[str, ...]) -> None:
        """As WorkerControl says."""
        self._counted_elsewhere |= frozenset(devices)

    def pass_on(self, directive: Directive) -> None:
        """As WorkerControl says."""
        self._directives.pass_on(directive)

    def report(self) -> MemberReport:
        """As WorkerControl says."""
        return member_report(self._worker_progress(), self._reports.waits())

    def _open_ranks(self, config: Config, order: Order) -> Ranks:
        begin = Executed if config.preparing else self._begin
        return Ranks(self._starts(config, order), self._log, config.metric_patterns, self._reports.ingest, begin)

    def _starts(self, config: Config, order: Order) -> list[RankStart]:
        return rank_starts(config, order, self._inbox.path, {**os.environ, **self._directives.environment})

    def _begin(self, start: RankStart, output_fd: int) -> Process:
        forked = None if self._fork_server is None else self._fork_server.fork(start, output_fd)
        return forked or Executed(start, output_fd)

    def _owns(self, pid: int) -> bool:
        return any(owner is not None and owner.owns(pid) for owner in (self._ranks, self._fork_server, self._trackers))

    def _take_datagram(self, datagram: bytes) -> None:
        if self._reports.ingest_datagram(datagram):
            self._power_must_be_fresh = True
            self._waker.wake()  # a commit: the group's joules are noted now, not at the next look

    def _open_link(self) -> Link:
        if self._coordinator is not None:
            return DirectLink(self._coordinator.exchange)
        return HTTPLink(self._config.coordinator_host_port, self._config.token, self._waker.wake)

    def _open_server(self) -> Server | None:
        config = self._config
        try:
            listening = listen(config.port, config.listen_fd)
        except OSError as error:
            where = (
                f"{names.ENV_PORT} is {config.port}"
                if config.listen_fd is None
                else f"{names.ENV_LISTEN_FD} is {config.listen_fd}"
            )
            if config.worker == 0 and config.workers > 1:
                raise ConfigError(
                    f"{where}, and that cannot be served ({error.strerror}): the other workers could not "
                    f"reach this one. Set {names.ENV_PORT} to a free port"
                ) from None
            say(f"{where}, and that cannot be served ({error.strerror}); the training goes on without metrics")
            return None
        exchange = None if self._coordinator is None else partial(self._answer_member, self._coordinator)
        return Server(listening, self._metrics, self._progress, exchange, config.token)

    def _answer_member(self, coordinator: Coordinator, message: MemberMessage) -> CoordinatorReply:
        """Take another worker's message; where it leads to a decision, this one's own member hears of it at once."""
        before = coordinator.decision
        reply = coordinator.exchange(message)
        if coordinator.decision != before:
            self._waker.wake()
        return reply

    def _metrics(self) -> bytes:
        """What /metrics answers."""
        return metrics_text(self._worker_progress(), has_ended=self._has_ended)

    def _worker_progress(self) -> Progress:
        """What this worker says of itself."""
        config, progress = self._config, self._reports.progress()
        return replace(
            progress,
            spent=progress.spent if config.worker == 0 else None,
            job=config.job,
            role=config.role,
            attempt=config.attempt,
            generation=self._member.generation,
            worker=config.worker,
            node=config.node,
            uid=config.uid,
            ranks_running=self._member.ranks_running,
            ranks_done=self._member.ranks_done,
            power=self._power_now(),
            uncounted=energy_gaps(self._power.uncounted()),
        )

    def _power_now(self) -> tuple[PowerReading, ...]:
        fresh, self._power_must_be_fresh = self._power_must_be_fresh, False
        elsewhere, readings = self._counted_elsewhere, power_readings(self._power.readings(fresh=fresh))
        return tuple(reading for reading in readings if reading.divided or reading.device not in elsewhere)

    def _progress(self) -> Progress:
        """What /v1/progress answers."""
        progress = self._worker_progress()
        if self._coordinator is None:
            return progress
        progress = replace(progress, directive_version=self._coordinator.directive_version)
        if self._config.preparing:
            return progress
        # Not the worker's own: that is known a moment before the joules which it makes safe.
        group = self._coordinator.progress(progress.step_seconds or 0.0)
        return replace(progress, checkpoint=self._coordinator.checkpoint, group=group)

    def _group_figures(self) -> GroupFigures:
        figures = GroupFigures(self._config.attempt, self._member.generation)
        if self._coordinator is None:
            return figures
        now, config = self._coordinator.figures, self._config
        return figures._replace(
            watts=now.watts,
            joules=config.joules_before + now.joules,
            low_joules=config.joules_low_before + now.low_joules,
            high_joules=config.joules_high_before + now.high_joules,
            samples_per_second=now.samples_per_second,
        )
