"""What Wattrain relies on of the inside of kopf, kubernetes.aio, aiohttp and asyncio: what their documents do not
promise, and a new version may move. tests/unit/shell/test_compat_*.py fail when one does.
"""

from __future__ import annotations

import asyncio
from asyncio import sslproto
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import kopf
from kubernetes.aio.client import ApiClient, Configuration

TLS_RECORD_BYTES = 16 * 1024
_KOPF_FOLDER = str(Path(kopf.__file__).parent)
_KOPF_IDENTITY: Any = "wattrain-operator"


# --- asyncio ---------------------------------------------------------------------------------------------------
def limit_tls_buffers() -> None:
    """Let each TLS connection made from now on keep a buffer of one record: a read never yields more, but asyncio
    keeps 256 KiB, for each of many connections."""
    sslproto.SSLProtocol.max_size = TLS_RECORD_BYTES


# --- aiohttp ---------------------------------------------------------------------------------------------------
class _CheckedConnector(aiohttp.TCPConnector):
    """Asks `check` when a request has its connection, which it may have waited for, and before anything is sent:
    aiohttp offers no such moment, its traces come earlier or cannot stop the request."""

    def __init__(self, check: Callable[[], None], **settings: Any) -> None:
        super().__init__(**settings)
        self._check = check

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            self._check()
        except BaseException:
            connection.close()
            raise
        return connection


# --- kubernetes.aio --------------------------------------------------------------------------------------------
class Connections:
    """Connections to an API server, without kubernetes.aio's models: those would cost ten times as much, and its
    public calls hide the response, which a watch reads line by line."""

    def __init__(self, configuration: Configuration, check: Callable[[], None], *, limit: int, user_agent: str) -> None:
        """At most `limit` connections. What `check` raises at the last moment before a request is sent, the request
        raises."""
        self._configuration = configuration
        configuration.connection_pool_maxsize = limit
        # Reading the environment would cost a thread a request; a kubeconfig's proxy-url is heeded all the same.
        configuration.client_session_kwargs = {"trust_env": False}
        self._api: Any = ApiClient(configuration)  # what is used of it is untyped
        self._api.user_agent = user_agent
        rest: Any = self._api.rest_client  # its own comments say that this method is there to be overridden
        rest._create_connector = lambda: _CheckedConnector(check, limit=rest.maxsize, ssl=rest.ssl_context)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: Any, timeout: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """The answer, whatever its status, not read yet. `body` is sent as JSON."""
        headers = {**headers, **self._api.default_headers}
        credential = await authorization(self._configuration)
        if credential:
            headers["Authorization"] = credential
        outer = await self._api.rest_client.request(
            method, self._configuration.host + path, headers=headers, body=body, _request_timeout=timeout
        )
        answer: aiohttp.ClientResponse = outer.response
        return answer

    async def close(self) -> None:
        """Close all."""
        await self._api.close()


async def authorization(configuration: Configuration) -> str:
    """The value of the header Authorization, with a service account's token as it is now; empty: there is none."""
    settings: Mapping[str, Any] = await configuration.auth_settings()
    return str(settings.get("BearerToken", {}).get("value") or "")


# --- kopf ------------------------------------------------------------------------------------------------------
async def spawn_kopf(
    registry: kopf.OperatorRegistry,
    settings: kopf.OperatorSettings,
    namespaces: Sequence[str],
    took_signals: Callable[[], None],
) -> Collection[asyncio.Task[Any]]:
    """Start kopf in `namespaces` (empty: everywhere). Returns its tasks, for `finish_kopf`.

    kopf replaces the event loop's handlers of SIGTERM and SIGINT by its own; then `took_signals` is called.
    """
    tasks: Collection[asyncio.Task[Any]] = await kopf.spawn_tasks(
        registry=registry,
        settings=settings,
        standalone=True,
        # Only peering, which is off, would use it; left to itself kopf asks for a user name, which a container's user
        # need not have.
        identity=_KOPF_IDENTITY,
        clusterwide=not namespaces,
        namespaces=namespaces,
    )
    took_signals()
    return tasks


async def finish_kopf(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Wait until kopf ends, which it does at any error that a watch reports but 410, or until cancelled. All tasks but
    its own go on."""
    await kopf.run_tasks(tasks, ignored=_TasksOfOthers())


def keep_only_metadata(event: Any) -> None:
    """Drop the rest of an event's object when a handler has taken it: kopf keeps each object for a while, and reads
    nothing but its metadata."""
    body = event["object"]
    body.pop("spec", None)
    body.pop("status", None)
    body["metadata"].pop("managedFields", None)


class NoComparison(kopf.DiffBaseStorage):
    """Remembers nothing. For every event kopf would copy the body to find out what changed, though no handler asks:
    half of the operator's CPU time."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Nothing of the body is compared."""
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> kopf.BodyEssence | None:
        """Nothing was stored."""
        return None

    def store(self, **_: Any) -> None:
        """Nothing is written."""


class _TasksOfOthers(Collection["asyncio.Task[Any]"]):
    """All tasks but kopf's own. In its end kopf cancels what was begun since its start, and would take ours for its."""

    def __contains__(self, task: object) -> bool:
        coroutine = task.get_coro() if isinstance(task, asyncio.Task) else None
        code = getattr(coroutine, "cr_code", None)
        return code is None or not code.co_filename.startswith(_KOPF_FOLDER)

    def __iter__(self) -> Iterator[asyncio.Task[Any]]:
        return (task for task in asyncio.all_tasks() if task in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)
