"""One supervisor from start to end: brings the parts together and waits for what happens."""

from __future__ import annotations

import contextlib
import os
import time
from functools import partial
from typing import Any, Final

from wattrain_api import names
from wattrain_worker.power import PowerSampler, Reading
from wattrain_worker.supervisor import last_word
from wattrain_worker.supervisor.config import Config, ConfigError
from wattrain_worker.supervisor.exposition import Exposition
from wattrain_worker.supervisor.forkserver import ForkServer, can_fork
from wattrain_worker.supervisor.group import Coordinator
from wattrain_worker.supervisor.inbox import Inbox
from wattrain_worker.supervisor.journal import Journal
from wattrain_worker.supervisor.launch import NO_ORDER, Order, RankStart, rank_starts
from wattrain_worker.supervisor.link import DirectLink, HTTPLink, Link
from wattrain_worker.supervisor.member import AFTER_GRACE_SECONDS, Ending, Member
from wattrain_worker.supervisor.notices import say
from wattrain_worker.supervisor.output import Log
from wattrain_worker.supervisor.own_data import prepare_own_data
from wattrain_worker.supervisor.processes import Executed, Process
from wattrain_worker.supervisor.ranks import Ranks
from wattrain_worker.supervisor.server import Server, free_port, listen
from wattrain_worker.supervisor.state import State
from wattrain_worker.supervisor.totals import energy_by_source
from wattrain_worker.supervisor.waker import Waker, reap_orphans

Json = dict[str, Any]
_TICK_SECONDS: Final = 0.2
_ENDING_TICK_SECONDS: Final = 0.02
_POWER_SECONDS: Final = 1.0
"""How old the power may be between events: finding out may mean to read the machine's whole process table."""
_LINGER_SECONDS: Final = 5.0


class Supervisor:
    """A worker's first process."""

    def __init__(self, config: Config) -> None:
        """Open what can be opened; what cannot is said once. ConfigError where the group could not work at all."""
        self._config = config
        self._first_phase = "preparing" if config.preparing else "starting"
        self._waker = Waker()
        self._journal = Journal(config.metrics_file if config.worker == 0 else "")
        first_rank = config.worker * config.processes_per_worker if config.launcher == "native" else None
        self._state = State(self._first_phase, first_rank, self._journal.record)
        self._inbox = Inbox(self._take_datagram)
        self._log = Log(config.log_file)
        self._power = PowerSampler.from_environment(pids=lambda: [os.getpid()])
        self._power_json: list[Json] = []
        self._power_read_at: float | None = None
        self._ranks: Ranks | None = None
        self._fork_server: ForkServer | None = None
        self._coordinator: Coordinator | None = None
        if config.worker == 0:
            self._coordinator = Coordinator(config.workers, config.restarts_left, free_port)
        self._member = Member(
            config, self._open_link(), self._start_ranks, self._report, lambda: int(self._state.progress()["step"])
        )
        self._server = self._open_server()

    def run(self) -> int:
        """Supervise until the end; answers the exit code. From the main thread."""
        self._waker.catch_signals()
        if can_fork(self._config):  # now: it imports while the group gathers
            with contextlib.suppress(OSError):  # a sandbox without such sockets: ranks are executed
                self._fork_server = ForkServer(self._starts(self._config, NO_ORDER)[0], self._waker.wake)
        if self._config.parent_fd is not None:
            self._waker.watch_parent(self._config.parent_fd)
        self._power.start()
        self._inbox.start()
        if self._server is not None:
            self._server.start()
        ending = self._prepare_own_data() or self._tick()
        while ending is None:
            self._waker.wait(_ENDING_TICK_SECONDS if self._member.ending_soon else _TICK_SECONDS)
            ending = self._tick()
        self._end(ending)
        return ending.exit_code

    def _prepare_own_data(self) -> Ending | None:
        if not self._config.prepares_own_data:
            return None
        self._state.set_phase("preparing")
        ending = prepare_own_data(self._config, self._open_ranks, self._waker)
        self._inbox.drain()  # its last report would end the phase that begins now
        self._state.set_phase("starting")
        if ending is not None:
            self._coordinator = None  # the group has never met: nobody waits for a last answer
        return ending

    def _tick(self) -> Ending | None:
        if self._waker.stop_requested and not self._member.stopping:
            self._state.set_phase("stopping")
        if self._member.ending_soon:
            self._inbox.drain()
            self._power_read_at = None
        ending = self._member.tick(stop_requested=self._waker.stop_requested)
        reap_orphans(self._owns)
        self._journal.set_common(**self._group_figures())
        self._journal.flush()
        return ending

    def _end(self, ending: Ending) -> None:
        self._inbox.drain()
        self._power.stop()  # with a last sample: the shortest work has cost something
        self._power_read_at = None
        self._journal.flush(now=True)
        if ending.exit_code == 0:
            self._state.set_phase("done")
        if self._fork_server is not None:
            self._fork_server.close()
        last_word.leave(self._config.termination_file, self._last_word(ending))
        if self._coordinator is not None:
            linger = min(_LINGER_SECONDS, AFTER_GRACE_SECONDS - 1) if self._member.stopping else _LINGER_SECONDS
            deadline = time.monotonic() + linger
            while not self._coordinator.everyone_knows and time.monotonic() < deadline:
                self._waker.wait(_ENDING_TICK_SECONDS)
        self._inbox.stop()
        self._log.close()
        if self._server is not None:
            self._server.stop()

    def _start_ranks(self, order: Order) -> Ranks:
        self._state.start_generation(self._first_phase)
        self._ranks = self._open_ranks(self._config, order)
        return self._ranks

    def _open_ranks(self, config: Config, order: Order) -> Ranks:
        begin = Executed if config.preparing else self._begin
        return Ranks(self._starts(config, order), self._log, config.metric_patterns, self._state.ingest, begin)

    def _starts(self, config: Config, order: Order) -> list[RankStart]:
        return rank_starts(config, order, self._inbox.path, os.environ)

    def _begin(self, start: RankStart, output_fd: int) -> Process:
        forked = None if self._fork_server is None else self._fork_server.fork(start, output_fd)
        return forked or Executed(start, output_fd)

    def _owns(self, pid: int) -> bool:
        return any(owner is not None and owner.owns(pid) for owner in (self._ranks, self._fork_server))

    def _take_datagram(self, datagram: bytes) -> None:
        if self._state.ingest_datagram(datagram):
            self._power_read_at = None
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
        exposition = Exposition(self._state, self._report, self._power.readings)
        exchange = None if self._coordinator is None else partial(self._answer_member, self._coordinator)
        return Server(listening, exposition.text, self._progress, exchange, config.token)

    def _answer_member(self, coordinator: Coordinator, message: Json) -> Json:
        """Take another worker's message; where it leads to a decision, this one's own member hears of it at once."""
        before = coordinator.decision
        reply = coordinator.exchange(message)
        if coordinator.decision != before:
            self._waker.wake()
        return reply

    def _report(self) -> Json:
        """What this worker says of itself."""
        config = self._config
        return {
            "version": 1,
            "job": config.job,
            "role": config.role,
            "attempt": config.attempt,
            "generation": self._member.generation,
            "worker": config.worker,
            "node": config.node,
            "ranksRunning": self._member.ranks_running,
            **self._state.progress(),
            "power": self._power_now(),
        }

    def _power_now(self) -> list[Json]:
        read_at = self._power_read_at
        if read_at is None or time.monotonic() - read_at > _POWER_SECONDS:
            self._power_read_at = time.monotonic()
            self._power_json = [_to_json(reading) for reading in self._power.readings()]
        return self._power_json

    def _progress(self) -> Json:
        """What /v1/progress answers."""
        report = self._report()
        if self._coordinator is None or self._config.preparing:
            return report
        checkpoint = self._coordinator.checkpoint
        committed = {} if checkpoint is None else {"checkpoint": checkpoint}
        return {**report, **committed, "group": self._coordinator.to_json()}

    def _group_figures(self) -> Json:
        figures: Json = {"attempt": self._config.attempt, "generation": self._member.generation}
        if self._coordinator is not None:
            watts, joules, rate = self._coordinator.figures
            figures.update(watts=watts, joules=self._config.joules_before + joules)
            if rate is not None:
                figures["samplesPerSecond"] = rate
        return figures

    def _last_word(self, ending: Ending) -> Json:
        report = self._report()
        word: Json = {"version": 1, "exitCode": ending.exit_code}
        if ending.cause is not None:
            word["cause"] = ending.cause
        kept = ("generation", "step", "loss", "phase", "prepare", "test", "model")
        word.update({key: report[key] for key in kept if key in report})
        if "checkpoint" in report:
            word["checkpointStep"] = report["checkpoint"]["step"]
        word["energy"] = energy_by_source(report["power"])
        return word


def _to_json(reading: Reading) -> Json:
    return {
        "component": reading.component,
        "device": reading.device,
        "source": reading.source,
        "watts": reading.watts,
        "joules": reading.joules,
        "lowJoules": reading.low_joules,
        "highJoules": reading.high_joules,
    }
