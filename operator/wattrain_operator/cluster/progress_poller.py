"""Asks the supervisor that speaks for each group how far it is: one address a job, no two at the same moment."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp

from wattrain_api import names
from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.phases import STARTING_PHASES
from wattrain_api.contract.progress import Progress
from wattrain_api.contract.termination import TerminationMessage
from wattrain_operator.cluster.kube.apierrors import ApiError
from wattrain_operator.cluster.kube.cache import JobKey
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.core.observed import Report
from wattrain_operator.core.roles import Role
from wattrain_operator.workers.decode import to_report, with_termination
from wattrain_operator.workers.last_answer import LastAnswer, next_answer

TIMEOUT_SECONDS = 5.0
TICK_SECONDS = 0.25
STARTING = 5
"""A group that does not train yet is asked so much more often: everybody waits for its first figures."""
AT_ONCE = 32
LONGEST_ANSWER_BYTES = 512 * 1024
Fetch = Callable[["Speaker"], Awaitable[bytes]]


@dataclass(frozen=True)
class Speaker:
    """The pod that speaks for a group."""

    uid: str
    namespace: str
    pod: str
    address: str
    """Its IP address; empty: it has none yet."""
    role: Role
    attempt: int


@dataclass
class _Listened:
    speaker: Speaker
    due_at: float
    answer: LastAnswer[Progress] | None = None
    closed: bool = False
    asking: asyncio.Task[None] | None = field(default=None, repr=False)
    asked: int = 0

    def pause(self, interval: float) -> float:
        """Seconds until it is asked again. At first its supervisor may not listen yet, and for good if it is none."""
        if self.answer is None:
            return min(interval, float(2 ** min(self.asked, 10)))
        return interval / STARTING if self.answer.content.phase in STARTING_PHASES else interval


class ProgressPoller:
    """Remembers what every group said last."""

    def __init__(
        self, fetch: Fetch, interval_seconds: float, clock: Callable[[], float], on_news: Callable[[JobKey], None]
    ) -> None:
        """`fetch` gets /v1/progress of a speaker; `on_news` is called with every job that there is news of."""
        self._fetch, self._interval, self._clock, self._on_news = fetch, interval_seconds, clock, on_news
        self._listened: dict[JobKey, _Listened] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self.outcomes: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many jobs have somebody who speaks for them."""
        return len(self._listened)

    def listen(self, key: JobKey, speaker: Speaker) -> None:
        """From now on `speaker` speaks for the job; another pod than before starts anew, and is asked at once."""
        old = self._listened.get(key)
        if old is None or old.speaker.uid != speaker.uid:
            self._drop(old)
            self._listened[key] = _Listened(speaker, due_at=self._clock())
        else:
            old.speaker = speaker

    def close_with(self, key: JobKey, uid: str, left: TerminationMessage) -> None:
        """The pod with that uid has ended, and left `left`: what it did after its last answer, or all that is known of
        it where it ended while no operator asked."""
        listened = self._listened.get(key)
        if listened is None or listened.speaker.uid != uid or listened.closed:
            return
        listened.closed = True
        last = Progress() if listened.answer is None else listened.answer.content
        self._take(listened, with_termination(last, left))

    def forget(self, key: JobKey) -> None:
        """The job is over or gone."""
        self._drop(self._listened.pop(key, None))

    def report(self, key: JobKey) -> Report | None:
        """What the group said last, in the core's words; None: nothing yet, or nothing that makes sense."""
        listened = self._listened.get(key)
        if listened is None or listened.answer is None:
            return None
        return to_report(
            listened.answer, listened.speaker.role, listened.speaker.attempt, self._clock(), self._interval
        )

    async def run(self) -> None:
        """Ask, for ever."""
        try:
            while True:
                self.ask_due()
                await asyncio.sleep(TICK_SECONDS)
        finally:
            for listened in list(self._listened.values()):
                self._drop(listened)

    def ask_due(self) -> None:
        """Start to ask everyone whose time has come."""
        now = self._clock()
        for key, listened in self._listened.items():
            idle = listened.asking is None or listened.asking.done()
            if listened.due_at <= now and idle and listened.speaker.address and not listened.closed:
                listened.due_at = now + listened.pause(self._interval) * random.uniform(0.9, 1.1)
                listened.asked += 1
                listened.asking = asyncio.create_task(self._ask(key, listened))

    async def _ask(self, key: JobKey, listened: _Listened) -> None:
        async with self._room:
            outcome, progress = "answered", None
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    progress = decode_json(Progress, await self._fetch(listened.speaker))
            except (TimeoutError, ApiError, aiohttp.ClientError, OSError):
                outcome = "unreachable"
            except ValueError:
                outcome = "unreadable"
            if outcome == "answered" and progress is None:
                outcome = "unreadable"
            self.outcomes[outcome] += 1
            if progress is not None and not listened.closed:
                self._take(listened, progress)
                self._on_news(key)

    def _take(self, listened: _Listened, progress: Progress) -> None:
        listened.answer = next_answer(listened.answer, progress, self._clock())

    @staticmethod
    def _drop(listened: _Listened | None) -> None:
        if listened is not None and listened.asking is not None:
            listened.asking.cancel()


class DirectFetch:
    """Asks pods at their own addresses."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE), auto_decompress=False)

    async def __call__(self, speaker: Speaker) -> bytes:
        """GET /v1/progress."""
        host = f"[{speaker.address}]" if ":" in speaker.address else speaker.address
        url = f"http://{host}:{names.DEFAULT_WORKER_PORT}{names.PATH_PROGRESS}"
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"HTTP {response.status}")
            body = await response.content.read(LONGEST_ANSWER_BYTES)
            while not response.content.at_eof() and len(body) < LONGEST_ANSWER_BYTES:
                body += await response.content.read(LONGEST_ANSWER_BYTES - len(body))
            return body

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


class ProxyFetch:
    """Asks pods through the API server, for an operator that cannot reach their addresses."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def __call__(self, speaker: Speaker) -> bytes:
        """GET /v1/progress."""
        return await self._client.proxy(
            speaker.namespace, speaker.pod, names.DEFAULT_WORKER_PORT, names.PATH_PROGRESS, TIMEOUT_SECONDS
        )

    async def close(self) -> None:
        """Nothing is open: the client is another's."""
