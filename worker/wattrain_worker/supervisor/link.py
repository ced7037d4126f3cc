"""How a member reaches the coordinator: a call at worker 0, HTTP from a thread of its own elsewhere."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from wattrain_api import names
from wattrain_api.contract.codec import decode, encode_json, problem_of
from wattrain_api.contract.group_exchange import CoordinatorReply, MemberMessage
from wattrain_api.kept_connection import KeptConnection
from wattrain_worker.supervisor.log_notices import say
from wattrain_worker.supervisor.server import TOKEN_HEADER

_TIMEOUT_SECONDS: Final = 5.0


class Link(Protocol):
    """Sends messages and keeps the newest reply."""

    @property
    def idle(self) -> bool:
        """Whether a message can be sent now."""
        ...

    @property
    def silent_seconds(self) -> float:
        """How long the coordinator, once reached, has not answered. 0 before the first answer: it may start later."""
        ...

    def send(self, message: MemberMessage) -> None:
        """Send, if idle. Never waits for the answer."""
        ...

    def take_reply(self) -> CoordinatorReply | None:
        """The reply that came since the last call."""
        ...


class DirectLink:
    """Worker 0's own."""

    def __init__(self, exchange: Callable[[MemberMessage], CoordinatorReply]) -> None:
        """`exchange`: the coordinator's."""
        self._exchange = exchange
        self._reply: CoordinatorReply | None = None
        self.idle = True
        self.silent_seconds = 0.0

    def send(self, message: MemberMessage) -> None:
        """Ask; the reply is there at once."""
        self._reply = self._exchange(message)

    def take_reply(self) -> CoordinatorReply | None:
        """The reply that came since the last call."""
        reply, self._reply = self._reply, None
        return reply


class HTTPLink:
    """Every other worker's. What cannot be sent is said once and dropped: the next message says the same or more."""

    def __init__(self, address: tuple[str, int], token: str, wake: Callable[[], None]) -> None:
        """`address` of worker 0's supervisor; `wake` is called when a reply says something else than the last one, when
        none has come, and when somebody has found the link busy."""
        self._address, self._token, self._wake = address, token, wake
        self._connection = KeptConnection(*address, _TIMEOUT_SECONDS)
        self._message: MemberMessage | None = None
        self._found_busy = False
        self._replies: deque[CoordinatorReply] = deque(maxlen=1)
        self._answered_at: float | None = None
        self._said: set[str] = set()
        self._has_message = threading.Event()
        threading.Thread(target=self._run, name="wattrain-link", daemon=True).start()

    @property
    def idle(self) -> bool:
        """Whether no message is under way."""
        is_idle = not self._has_message.is_set()
        self._found_busy = self._found_busy or not is_idle
        return is_idle

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last answer; 0 before the first."""
        return 0.0 if self._answered_at is None else time.monotonic() - self._answered_at

    def send(self, message: MemberMessage) -> None:
        """Hand the message to the thread, if it is idle."""
        if not self._has_message.is_set():
            self._message = message
            self._has_message.set()

    def take_reply(self) -> CoordinatorReply | None:
        """The reply that came since the last call."""
        return self._replies.popleft() if self._replies else None

    def _run(self) -> None:
        reply: CoordinatorReply | None = None
        while True:
            self._has_message.wait()
            before, reply = reply, None
            try:
                reply = self._post(encode_json(self._message))
                self._replies.append(reply)
                self._answered_at = time.monotonic()
                self._said.clear()
            except (OSError, ValueError, http.client.HTTPException) as error:
                self._say_once(f"worker 0 cannot be reached at {self._address[0]}:{self._address[1]} ({error})")
            self._has_message.clear()
            was_found_busy, self._found_busy = self._found_busy, False
            if reply != before or reply is None or was_found_busy:  # what most say, "go on", waits for the next look
                self._wake()

    def _post(self, body: bytes) -> CoordinatorReply:
        headers = {TOKEN_HEADER: self._token, "Content-Type": "application/json"}
        status, answered = self._connection.ask("POST", names.PATH_GROUP, body, headers)
        text = answered.decode(errors="replace")
        if status != 200:
            raise ValueError(f"it answers {status}: {text.strip()[:200]}")
        answer = json.loads(text)
        reply = decode(CoordinatorReply, answer)
        if reply is None:
            raise ValueError(f"its answer makes no sense: {problem_of(CoordinatorReply, answer)}")
        return reply

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            say(f"{sentence}; trying again")
