"""Asks the supervisors in a thread of its own, so that a slow answer never holds up a decision."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Callable
from dataclasses import dataclass

from wattrain_api import names
from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Progress
from wattrain_api.contract.termination import TerminationMessage
from wattrain_api.kept_connection import KeptConnection
from wattrain_operator.workers.decode import with_termination
from wattrain_operator.workers.last_answer import LastAnswer, fingerprint_of, next_answer

POLL_SECONDS = 0.25
STEADY_POLL_SECONDS = 1.0
"""While all whose progress is asked for train and say nothing new: an answer costs both sides a millisecond of a core
that trains too, and is seldom another more often, for joules are counted once a second."""
TIMEOUT_SECONDS = 1.0
SILENT_AFTER = 10
"""Questions in a row without an answer after which a supervisor counts as silent, and no longer as ready."""


@dataclass(frozen=True)
class Target:
    """A supervisor to ask."""

    uid: str
    port: int
    speaks: bool
    """Whether it may speak for its group: then its progress is asked for, else whether it is well."""


class Poller:
    """Remembers the last answer of each supervisor, by its uid."""

    def __init__(self, targets: Callable[[], list[Target]], clock: Callable[[], float]) -> None:
        """`targets` is called in the poller's thread. `clock` is monotonic, in seconds."""
        self._targets, self._clock = targets, clock
        self._answers: dict[str, LastAnswer[Progress]] = {}
        self._failures: dict[str, int] = {}
        """Questions without an answer since the last one, of those that have answered at all."""
        self._closed: set[str] = set()
        self.has_news = False
        """Set where a supervisor has begun to answer, or says another phase or start than before; others reset it."""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poller", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()
        self._thread.join(TIMEOUT_SECONDS * 2)

    def is_ready(self, uid: str) -> bool:
        """Whether that supervisor has answered, and has not fallen silent since."""
        return self._failures.get(uid, SILENT_AFTER) < SILENT_AFTER

    def answer(self, uid: str) -> LastAnswer[Progress] | None:
        """The last answer of that supervisor, by the poller's clock."""
        with self._lock:
            return self._answers.get(uid)

    def take(self, uid: str, progress: Progress) -> None:
        """Remember `progress` as the answer of that supervisor, unless it has had its termination message."""
        with self._lock:
            if uid not in self._closed:
                before = self._answers.get(uid)
                self._answers[uid] = now = next_answer(before, progress, self._clock())
                if before is None or fingerprint_of(before.content)[:-1] != fingerprint_of(now.content)[:-1]:
                    self.has_news = True  # all but the step

    def close_with(self, uid: str, left: TerminationMessage) -> None:
        """That supervisor has ended, and left `left`."""
        last = self.answer(uid)
        self.take(uid, with_termination(Progress() if last is None else last.content, left))
        with self._lock:
            self._closed.add(uid)

    def _run(self) -> None:
        kept: dict[str, KeptConnection] = {}
        is_steady = False
        while not self._stopped.wait(STEADY_POLL_SECONDS if is_steady else POLL_SECONDS):
            asked = [each for each in self._targets() if each.speaks or each.uid not in self._failures]
            for uid in kept.keys() - {target.uid for target in asked}:
                kept.pop(uid).close()
            answers = [self._ask(target, kept.setdefault(target.uid, _connection(target.port))) for target in asked]
            is_steady = bool(answers) and all(answers) and not self.has_news
        for connection in kept.values():
            connection.close()

    def _ask(self, target: Target, connection: KeptConnection) -> bool:
        """Whether it has answered that it trains."""
        body = _get(connection, names.PATH_PROGRESS if target.speaks else names.PATH_HEALTH)
        if body is None:
            if target.uid in self._failures:
                self._failures[target.uid] += 1
            return False
        trains = False
        if target.speaks:
            progress = decode_json(Progress, body)
            if progress is None:
                return False
            self.take(target.uid, progress)
            trains = progress.phase == Phase.TRAINING
        if target.uid not in self._failures:
            self.has_news = True
        self._failures[target.uid] = 0
        return trains


def fetch(port: int, path: str) -> bytes | None:
    """GET `path` from a supervisor on this machine; None where it does not answer 200 within a second."""
    with contextlib.closing(_connection(port)) as connection:
        return _get(connection, path)


def _get(connection: KeptConnection, path: str) -> bytes | None:
    try:
        status, body = connection.ask("GET", path)
    except (OSError, http.client.HTTPException):
        return None
    return body if status == http.client.OK else None


def _connection(port: int) -> KeptConnection:
    return KeptConnection("127.0.0.1", port, TIMEOUT_SECONDS)
