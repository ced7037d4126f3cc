"""Asks the supervisors in a thread of its own, so that a slow answer never holds up a decision."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from wattrain_api import names
from wattrain_operator.sound import Json
from wattrain_operator.wire import with_last_word

POLL_SECONDS = 0.25
TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Target:
    """A supervisor to ask."""

    name: str
    port: int
    tells: bool
    """Whether it speaks for its group: then its progress is asked for, else whether it is well."""


@dataclass(frozen=True)
class Told:
    """What a supervisor said last."""

    progress: Json
    changed_at: float
    """When generation, phase and step last changed, on the monotonic clock."""


class Poller:
    """Remembers, by supervisor, the last answer."""

    def __init__(self, targets: Callable[[], list[Target]]) -> None:
        """`targets` is called in the poller's thread."""
        self._targets = targets
        self._told: dict[str, Told] = {}
        self._answered: set[str] = set()
        self._closed: set[str] = set()
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

    def has_answered(self, name: str) -> bool:
        """Whether that supervisor has answered at all."""
        return name in self._answered

    def told(self, name: str) -> Told | None:
        """The last answer of that supervisor."""
        with self._lock:
            return self._told.get(name)

    def take(self, name: str, progress: Json) -> None:
        """Remember `progress` as the answer of that supervisor, unless it has had its last word."""
        with self._lock:
            if name in self._closed:
                return
            old = self._told.get(name)
            same = old is not None and _place(old.progress) == _place(progress)
            self._told[name] = Told(progress, old.changed_at if same and old else time.monotonic())

    def close_with(self, name: str, word: Json) -> None:
        """That supervisor has ended, and left `word`."""
        told = self.told(name)
        self.take(name, with_last_word({} if told is None else told.progress, word))
        with self._lock:
            self._closed.add(name)

    def _run(self) -> None:
        while not self._stopped.wait(POLL_SECONDS):
            for target in self._targets():
                if target.tells or target.name not in self._answered:
                    self._ask(target)

    def _ask(self, target: Target) -> None:
        body = fetch(target.port, names.PATH_PROGRESS if target.tells else names.PATH_HEALTH)
        if body is None:
            return
        if target.tells:
            try:
                progress = json.loads(body)
            except ValueError:
                return
            self.take(target.name, progress)
        self._answered.add(target.name)


def fetch(port: int, path: str) -> bytes | None:
    """GET `path` from a supervisor on this machine; None where it does not answer 200 within a second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        return body if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _place(progress: Json) -> tuple[object, ...]:
    return tuple(progress.get(key) for key in ("attempt", "generation", "phase", "step"))
