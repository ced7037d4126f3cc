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
from typing import Any, Final

from wattrain_api import reasons
from wattrain_worker.supervisor.causes import first_cause, is_the_same_again, to_status
from wattrain_worker.supervisor.messages import DONE, FAILED, RUNNING, STOPPED, WAITING, check_message
from wattrain_worker.supervisor.totals import Totals

Json = dict[str, Any]
SETTLE_SECONDS: Final = 0.5
LOST_SECONDS: Final = 10.0
_STALL_SECONDS: Final = 5.0
_GATHERING, _RUNNING, _SETTLING, _OVER = "gathering", "running", "settling", "over"


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
        self._clock, self._wall = clock, wall
        self._lock = threading.RLock()
        self._stage = _GATHERING
        self._generation = 0
        self._master_port = 0
        self._members: dict[int, Json] = {}
        self._heard: dict[int, float] = {}
        self._failures: dict[int, Json] = {}
        self._settled_at: float | None = None
        self._released: set[int] = set()
        self._totals = Totals(clock)
        self._pending: Json | None = None
        self._previous_failure: Json | None = None
        self._restarts: list[Json] = []
        self._restarts_since_checkpoint = 0
        self._checkpoint: Json | None = None
        self._commits: dict[int, tuple[Any, Any]] = {}
        self._resumed_step = 0
        self._safe_joules = 0.0
        self._exit_code = 0
        self._cause: Json | None = None

    def exchange(self, message: Json) -> Json:
        """Take a member's state and answer what it is to do. MessageError where the message makes no sense."""
        worker = check_message(message, self._workers)
        with self._lock:
            self._hear(worker)
            self._members[worker] = message
            self._take_failure(worker, message)
            self._totals.update(worker, message["report"])
            self._take_checkpoint(worker, message["report"].get("checkpoint"))
            self._take_resumed(message)
            self._take_recovery(message)
            self._decide()
            return self._reply(worker, message)

    @property
    def decision(self) -> tuple[str, int]:
        """What was decided last, and for which generation: another than before is news for every member."""
        with self._lock:
            return self._stage, self._generation

    @property
    def everyone_knows(self) -> bool:
        """Whether the group is over and every member that can still hear it has been told."""
        with self._lock:
            return self._stage == _OVER and self._released >= set(self._members)

    @property
    def figures(self) -> tuple[float, float, float | None]:
        """Watts and joules of the group, and its samples per second (None: not known yet)."""
        with self._lock:
            return self._totals.watts, self._totals.joules, self._totals.samples_per_second()

    def to_json(self) -> Json:
        """`group` of /v1/progress."""
        with self._lock:
            return {**self._totals.to_json(), "restarts": [dict(restart) for restart in self._restarts]}

    @property
    def checkpoint(self) -> Json | None:
        """The newest committed checkpoint, with the group's joules at its commit."""
        with self._lock:
            return self._checkpoint

    def _hear(self, worker: int) -> None:
        now = self._clock()
        if self._heard and now - max(self._heard.values()) > _STALL_SECONDS:
            # Not even this process's own member was heard: it stood still itself (SIGSTOP, a machine that slept).
            self._heard = dict.fromkeys(self._heard, now)
        self._heard[worker] = now

    def _take_failure(self, worker: int, message: Json) -> None:
        """A member that fails may learn better which of its ranks was first; when it failed does not change."""
        if message["state"] == FAILED and message.get("generation") == self._generation:
            seen = self._failures.get(worker, {}).get("seen", self._clock())
            self._failures[worker] = {**message["failure"], "seen": seen}

    def _take_checkpoint(self, worker: int, checkpoint: Any) -> None:
        if not isinstance(checkpoint, dict):
            return
        commit = (checkpoint.get("step"), checkpoint.get("time"))
        if self._commits.get(worker) == commit:
            return
        self._commits[worker] = commit
        self._safe_joules = self._totals.joules
        self._restarts_since_checkpoint = 0  # it gets on: the budget is for a training that does not
        self._checkpoint = {**checkpoint, "groupJoules": self._safe_joules}

    def _take_resumed(self, message: Json) -> None:
        """From where the ranks really went on: a damaged checkpoint may have sent them further back."""
        resumed = message["report"].get("resumed")
        if message["state"] == WAITING or message.get("generation") != self._generation or not resumed:
            return
        self._resumed_step = resumed.get("step", 0)
        if self._restarts and self._restarts[-1]["generation"] == self._generation - 1:
            self._restarts[-1]["resumedFromStep"] = self._resumed_step

    def _take_recovery(self, message: Json) -> None:
        """The first rank that trains again ends a restart: what starting anew has cost is lost as well."""
        restart, report = self._restarts[-1] if self._restarts else {}, message["report"]
        if restart.get("generation") != self._generation - 1 or "recoverySeconds" in restart:
            return
        if message["state"] != RUNNING or message.get("generation") != self._generation:
            return
        trains = report.get("phase") == "training" or report.get("step", 0) != restart["step"]
        if report.get("resumed") or trains:  # a script tells neither phase nor where it resumed
            joules = self._totals.joules
            restart["joulesLost"] += max(0.0, joules - self._safe_joules)
            restart["recoverySeconds"] = self._wall() - restart["time"]
            self._safe_joules = joules

    def _decide(self) -> None:
        if self._stage == _OVER:
            return
        states = [self._state(worker) for worker in range(self._workers)]
        if any(state == STOPPED for state in states):
            self._decide_about_stop(states)
        elif self._find_lost():
            return
        elif self._stage == _GATHERING and all(state == WAITING for state in states):
            self._start_generation()
        elif self._stage == _RUNNING and all(state == DONE for state in states):
            self._end(reasons.EXIT_OK, None)
        elif self._stage == _RUNNING and FAILED in states:
            self._stage, self._settled_at = _SETTLING, self._clock() + SETTLE_SECONDS
        if self._stage == _SETTLING and (self._is_settled() or RUNNING not in states):
            self._answer_failure()

    def _state(self, worker: int) -> str | None:
        """State of `worker` in the current stage; None: not heard of, or still in the generation before."""
        member = self._members.get(worker)
        if member is None:
            return None
        is_old = self._stage == _GATHERING or member.get("generation") != self._generation
        if member["state"] == WAITING:  # once a generation runs, it starts with the next answer that it gets
            return WAITING if self._stage == _GATHERING else RUNNING
        return None if is_old and member["state"] != STOPPED else str(member["state"])

    def _decide_about_stop(self, states: list[str | None]) -> None:
        """A worker has been told to leave, or the ranks have agreed to stop: the group ends when all have."""
        if self._settled_at is None:
            self._settled_at = self._clock() + SETTLE_SECONDS
        if RUNNING not in states or self._is_settled():
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

    def _lost(self, worker: int) -> Json:
        report = self._members[worker]["report"]
        return {
            "rank": None,
            "node": report.get("node", ""),
            "reason": reasons.WORKER_LOST,
            "exitCode": None,
            "lastLine": f"worker {worker} has not been heard of for {self._lost_seconds:g} s",
            "step": report.get("step", 0),
        }

    def _start_generation(self) -> None:
        if self._pending is not None:
            self._restarts.append(self._pending)
            self._generation += 1
        self._pending = None
        self._failures.clear()
        self._stage, self._settled_at = _RUNNING, None
        self._master_port = self._free_port()

    def _answer_failure(self) -> None:
        failure = first_cause(self._failures.values())
        meaning = reasons.meaning_of_exit(failure["exitCode"])
        cause = {
            "rank": failure.get("rank"),
            "node": failure.get("node", ""),
            "reason": meaning.reason,
            "exitCode": failure["exitCode"],
            "lastLine": failure.get("lastLine", ""),
            "step": failure.get("step", 0),
        }
        before, self._previous_failure = self._previous_failure, cause
        if meaning.permanent or not meaning.counted:  # what does not count is not for this group to answer
            self._end(failure["exitCode"], cause)
        elif is_the_same_again(cause, before):
            self._end(reasons.EXIT_PROGRAM_FAILS_ALWAYS, {**cause, "reason": reasons.PROGRAM_FAILS_ALWAYS})
        elif self._restarts_since_checkpoint >= self._restarts_left:
            self._end(to_status(failure["exitCode"]), cause)
        else:
            self._restarts_since_checkpoint += 1
            self._plan_restart(cause)

    def _plan_restart(self, cause: Json) -> None:
        """The restart is entered when the next generation starts: one that never does is the operator's to count."""
        joules = self._totals.joules
        self._pending = {
            "generation": self._generation,
            "time": self._wall(),
            **cause,
            "resumedFromStep": self._resumed_step if self._checkpoint is None else self._checkpoint["step"],
            "joulesLost": max(0.0, joules - self._safe_joules),
        }
        self._safe_joules = joules
        self._stage, self._settled_at = _GATHERING, None

    def _end(self, exit_code: int, cause: Json | None) -> None:
        self._stage, self._exit_code, self._cause = _OVER, exit_code, cause

    def _reply(self, worker: int, message: Json) -> Json:
        reply: Json = {"generation": self._generation, "workers": self._workers}
        is_waiting = message["state"] == WAITING
        if message.get("leaving"):
            self._released.add(worker)
        if self._stage == _OVER:
            self._released.add(worker)
            return {**reply, "action": "exit", "exitCode": self._exit_code, "cause": self._cause}
        if self._stage == _GATHERING:
            return {**reply, "action": "wait" if is_waiting else "stop"}
        if is_waiting:  # it counts as running from now on, so that no next generation starts before it has stopped
            self._members[worker] = {**message, "state": RUNNING, "generation": self._generation}
        return {
            **reply,
            "action": "run",
            "masterAddr": self._members[0].get("hostAddress", ""),
            "masterPort": self._master_port,
            "restartReason": self._restarts[-1]["reason"] if self._restarts else "",
        }


def poll_interval_seconds(workers: int) -> float:
    """Seconds between two messages of a member: worker 0 answers at most 64 of them a second."""
    return max(0.2, workers / 64)
