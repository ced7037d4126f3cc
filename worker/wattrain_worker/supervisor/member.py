"""The supervisor as a member of its group: says what its ranks do, and does what the coordinator answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from wattrain_api import reasons
from wattrain_worker.supervisor.causes import first_cause, to_status
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.group import poll_interval_seconds
from wattrain_worker.supervisor.launch import Order
from wattrain_worker.supervisor.link import Link
from wattrain_worker.supervisor.messages import DONE, FAILED, RUNNING, STOPPED, WAITING
from wattrain_worker.supervisor.ranks import Rank, Ranks

Json = dict[str, Any]
UNREACHABLE_SECONDS: Final = 30.0
BROKEN_GENERATION_SECONDS: Final = 3.0
"""From SIGTERM to SIGKILL for ranks whose peers have died: there is nothing that they could still agree to save."""
AFTER_GRACE_SECONDS: Final = 3.0
"""From SIGKILL of the ranks to the end of the supervisor, whatever may hang."""
FAREWELL_SECONDS: Final = 2.0
FOR_THE_GROUP: Final = ("step", "samples", "power", "ranksRunning", "checkpoint", "resumed", "node")
"""What the coordinator sums up, or answers with: a report with all its texts may be too long for a message."""
_STOP_CODES: Final = (0, reasons.EXIT_PREEMPTED, -15)
"""How ranks leave that were asked to: done, saved, or without a handler for SIGTERM."""


@dataclass(frozen=True)
class Ending:
    """How the supervisor is to end."""

    exit_code: int
    cause: Json | None


class Member:
    """A state machine that `tick` moves on; it never waits."""

    def __init__(
        self,
        config: Config,
        link: Link,
        start_ranks: Callable[[Order], Ranks],
        report: Callable[[], Json],
        last_step: Callable[[], int],
    ) -> None:
        """`start_ranks` starts the generation of an order; `report` gives what /v1/progress says of this worker."""
        self._config, self._link, self._start_ranks = config, link, start_ranks
        self._report, self._last_step = report, last_step
        # Worker 0 only has to call its own coordinator.
        self._interval_seconds = poll_interval_seconds(config.workers) if config.worker else 0.0
        self._unreachable_seconds = max(UNREACHABLE_SECONDS, 4 * self._interval_seconds)
        self._ranks: Ranks | None = None
        self._generation = 0
        self._failures: dict[int, Json] = {}
        self._obeying_stop = False
        self._must_end_at: float | None = None
        self._farewell_until: float | None = None
        self._ending: Ending | None = None
        self.stopping = False
        """Whether the supervisor was told from outside to end."""
        self._sent: Json = {}
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
    def ending_soon(self) -> bool:
        """Whether a rank has ended whose last output is still being read."""
        return self._ranks is not None and self._ranks.running + len(self._ranks.gone) < len(self._ranks)

    def tick(self, *, stop_requested: bool) -> Ending | None:
        """Look at the ranks, talk to the coordinator when it is time, obey. How to end, when it is time for that."""
        self._look_at_ranks()
        if stop_requested:
            self._leave()
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
            if rank.exit_code not in (0, reasons.EXIT_PREEMPTED) and rank.rank not in self._failures:
                self._failures[rank.rank] = self._failure(rank)
        if self._obeying_stop and self._ranks.all_gone:
            self._ranks, self._obeying_stop = None, False
            self._failures.clear()

    def _failure(self, rank: Rank) -> Json:
        return {
            "rank": rank.rank,
            "node": self._config.node,
            "exitCode": rank.exit_code,
            "lastLine": rank.last_line(),
            "time": time.time() - (time.monotonic() - rank.ended_seconds),
            "seen": rank.ended_seconds,
            "step": self._last_step(),
        }

    def _state(self) -> str:
        if self._ranks is None:
            return STOPPED if self.stopping else WAITING
        if self._obeying_stop or (self.stopping and not self._ranks.all_gone):
            return RUNNING
        if self.stopping:
            return STOPPED
        if self._failures:
            return FAILED
        if not self._ranks.all_gone:
            return RUNNING
        return DONE if all(rank.exit_code == 0 for rank in self._ranks.gone) else STOPPED

    def _talk(self) -> None:
        state, report, now = self._state(), self._report(), time.monotonic()
        failure = first_cause(self._failures.values()) if state == FAILED else None
        news = {"state": state, "failure": failure, "checkpoint": report.get("checkpoint"), "stopping": self.stopping}
        if not self._link.idle or (news == self._sent and now < self._send_at):
            return
        message = {
            "worker": self._config.worker,
            "generation": self._generation,
            "state": state,
            "hostAddress": self._config.host_address,
            "report": {key: report[key] for key in FOR_THE_GROUP if key in report},
        }
        if failure is not None:
            message["failure"] = {key: value for key, value in failure.items() if key != "seen"}
        if self.stopping and self._has_no_ranks():
            message["leaving"] = True
        self._link.send(message)
        self._sent, self._send_at = news, now + self._interval_seconds

    def _obey(self, reply: Json) -> None:
        action, generation = reply.get("action"), reply.get("generation", 0)
        if action == "exit":
            self._prepare_to_end(Ending(reply.get("exitCode", reasons.EXIT_PEER_LOST), reply.get("cause")))
        elif self._ending is not None or self.stopping:
            return
        elif action == "run" and self._ranks is None:
            self._generation = generation
            order = Order(generation, reply["masterAddr"], reply["masterPort"], reply.get("restartReason", ""))
            self._ranks = self._start_ranks(order)
        elif self._ranks is not None and (action == "stop" or (action == "run" and generation != self._generation)):
            self._obeying_stop = True
            self._ranks.stop(min(BROKEN_GENERATION_SECONDS, self._config.grace_seconds))

    def _leave(self) -> None:
        """Told to end from outside: the ranks save and leave, and the group hears of it."""
        if not self.stopping:
            self.stopping = True
            self._stop_ranks_for_good(self._config.grace_seconds)

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
        failures = [f for f in self._failures.values() if f["exitCode"] not in _STOP_CODES]
        if not failures:
            return Ending(reasons.EXIT_PREEMPTED, None)
        failure = first_cause(failures)
        return Ending(to_status(failure["exitCode"]), to_cause(failure))

    def _has_no_ranks(self) -> bool:
        return self._ranks is None or self._ranks.all_gone

    def _coordinator_lost(self) -> Json:
        return {
            "rank": None,
            "node": self._config.node,
            "reason": reasons.PEER_LOST,
            "exitCode": None,
            "lastLine": f"worker 0 has not answered for {self._unreachable_seconds:g} s",
            "step": self._last_step(),
        }


def to_cause(failure: Json) -> Json:
    """A rank's failure as the last word names it."""
    meaning = reasons.meaning_of_exit(failure["exitCode"])
    kept = {key: failure[key] for key in ("rank", "node", "exitCode", "lastLine", "step")}
    return {**kept, "reason": meaning.reason}
