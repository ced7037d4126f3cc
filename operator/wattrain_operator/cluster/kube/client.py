"""Requests to the API server, in raw JSON. Every failure is an `ApiError`."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio.client import Configuration
from pydantic_core import from_json

from wattrain_operator.cluster.kube.apierrors import ApiError, ExpiredError, NotLeadingError, error_of
from wattrain_operator.cluster.kube.compat import Connections
from wattrain_operator.cluster.kube.resources import LEASES, PODS, Json, Resource

REQUEST_TIMEOUT_SECONDS = 30.0
LIST_CHUNK = 100
"""Objects in an answer to a LIST, which is in memory as a whole: 7 MB of pods."""
MAX_CONNECTIONS = 96
"""For requests; each watch has one of its own."""
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 70.0
"""Of a watch that is well something is heard at least once a minute, and be it a bookmark."""


WRITES = ("create", "update", "patch", "resize", "delete")
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class Client:
    """The verbs that the operator and the commands use, and no others. `requests` counts them by (verb, resource,
    code)."""

    def __init__(
        self,
        configuration: Configuration,
        may_write: Callable[[], bool] = lambda: True,
        *,
        watches: int = 0,
        user_agent: str = "wattrain-operator",
    ) -> None:
        """`may_write` is asked at the last moment before a write of anything but a Lease is sent: a process that was
        stopped, and wakes up, may have got as far as that. `watches`: so many go on at the same time."""
        self.configuration = configuration
        limit = MAX_CONNECTIONS + watches
        self._connections = Connections(configuration, self._check, limit=limit, user_agent=user_agent)
        self._may_write = may_write
        self.requests: Counter[tuple[str, str, int]] = Counter()

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """One object."""
        return await self._request("get", resource, resource.path(namespace, name))

    async def list_all(
        self,
        resource: Resource,
        namespace: str = "",
        selector: str = "",
        keep: Callable[[Json], Json] = lambda o: o,
        *,
        fields: str = "",
    ) -> tuple[list[Json], int]:
        """All objects (in `namespace`, if given; with labels as `selector` says and fields as `fields` does), or what
        `keep` makes of each, and the version that they are of.

        Read in chunks, all of one version; begun anew once where that version expires in between.
        """
        try:
            return await self._list(resource, namespace, selector, keep, fields)
        except ExpiredError:
            return await self._list(resource, namespace, selector, keep, fields)

    async def watch(
        self, resource: Resource, namespace: str, selector: str, version: int, *, fields: str = ""
    ) -> AsyncGenerator[tuple[str, Json], None]:
        """What happens after `version` to objects with labels as `selector` says and fields as `fields` does, until the
        server ends it: type (ADDED, MODIFIED, DELETED, BOOKMARK) and object.

        ExpiredError: the server no longer knows what happened since `version`.
        """
        query = {
            "watch": "true", "allowWatchBookmarks": "true", "labelSelector": selector, "resourceVersion": str(version),
        }  # fmt: skip
        query |= {"fieldSelector": fields} if fields else {}
        path = f"{resource.path(namespace)}?{urlencode(query)}"
        timeout = aiohttp.ClientTimeout(
            total=None, connect=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        )
        async with self._answer("watch", resource, path, None, timeout) as answer:
            with _cut_off(answer):
                async for line in _lines(answer.content):
                    kind, body = _event(line)
                    if kind == "ERROR":
                        raise error_of(int(body.get("code") or 0), json.dumps(body).encode(), None)
                    yield kind, body

    async def create(self, resource: Resource, namespace: str, body: Json) -> Json:
        """Create it; AlreadyExistsError where its name is taken."""
        return await self._request("create", resource, resource.path(namespace), body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, uid: str, *, version: str = "", force: bool = False
    ) -> Json:
        """Delete the object with that uid (and in that version, if given); ConflictError where another has its name.

        `force`: without waiting for its processes to end. Children that it owns go in the background.
        """
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body: Json = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
        body |= {"propagationPolicy": "Background"} | ({"gracePeriodSeconds": 0} if force else {})
        return await self._request("delete", resource, resource.path(namespace, name), body)

    async def update(self, resource: Resource, body: Json, subresource: str = "") -> Json:
        """Replace an object, or its status, if it still is in the version that `body` carries; else ConflictError."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace", ""), metadata["name"], subresource)
        return await self._request("update", resource, path, body)

    async def merge(self, resource: Resource, namespace: str, name: str, patch: Json) -> Json:
        """Merge `patch` into an object, whatever its version."""
        return await self._request("patch", resource, resource.path(namespace, name), patch)

    async def resize(self, namespace: str, pod: str, patch: Json) -> Json:
        """Merge `patch` into the resources of a pod's containers while they run. Its lists are merged by name."""
        return await self._request("resize", PODS, PODS.path(namespace, pod, "resize"), patch)

    async def proxy(self, namespace: str, pod: str, port: int, path: str, timeout_seconds: float) -> bytes:
        """GET `path` of a pod's port through the API server."""
        where = PODS.path(namespace, f"{pod}:{port}", f"proxy{path}")
        return await self._send("proxy", PODS, where, None, timeout_seconds)

    async def log(
        self, namespace: str, pod: str, container: str, *, follow: bool, last_lines: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The lines that a container has written (of these the last ones, where `last_lines` says how many), without
        their ends. `follow`: and those that it writes, until it ends. ApiError where it has not started, or is gone."""
        query = {"container": container, "follow": str(follow).lower()}
        query |= {} if last_lines is None else {"tailLines": str(last_lines)}
        # It may be silent for hours.
        timeout = aiohttp.ClientTimeout(total=None, connect=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS)
        path = f"{PODS.path(namespace, pod, 'log')}?{urlencode(query)}"
        async with self._answer("log", PODS, path, None, timeout) as answer:
            with _cut_off(answer):
                async for line in _lines(answer.content, with_rest=True):
                    yield line

    def _check(self) -> None:
        if _writing.get() and not self._may_write():
            raise NotLeadingError(0, "NotLeading", "another may lead by now")

    async def _list(
        self, resource: Resource, namespace: str, selector: str, keep: Callable[[Json], Json], fields: str
    ) -> tuple[list[Json], int]:
        query: dict[str, Any] = {"limit": LIST_CHUNK} | ({"labelSelector": selector} if selector else {})
        query |= {"fieldSelector": fields} if fields else {}
        items: list[Json] = []
        while True:
            page = await self._request("list", resource, f"{resource.path(namespace)}?{urlencode(query)}")
            items += map(keep, page.get("items") or ())
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, int(metadata.get("resourceVersion") or 0)
            query["continue"] = metadata["continue"]

    async def _request(self, verb: str, resource: Resource, path: str, body: Json | None = None) -> Json:
        # Two thirds of the time of json.loads, and texts that many objects share are in memory once.
        answer = from_json(await self._send(verb, resource, path, body, REQUEST_TIMEOUT_SECONDS))
        return answer if isinstance(answer, dict) else {}

    async def _send(self, verb: str, resource: Resource, path: str, body: Json | None, timeout_seconds: float) -> bytes:
        before = _writing.set(verb in WRITES and resource is not LEASES)
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_seconds)
            async with self._answer(verb, resource, path, body, timeout) as answer:
                return await answer.read()
        finally:
            _writing.reset(before)

    @contextlib.asynccontextmanager
    async def _answer(
        self, verb: str, resource: Resource, path: str, body: Json | None, timeout: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer of success, to be read inside. Whatever else comes of it, there too, is an ApiError; all count."""
        method, content_type = _METHODS[verb]
        headers = {"Content-Type": content_type, "Accept": "application/json, */*"}
        status = 0
        try:
            answer = await self._connections.request(method, path, headers, body, timeout)
            status = answer.status
            if status >= 300:
                raise error_of(status, await answer.read(), answer.headers.get("Retry-After"))
            yield answer
        except ApiError as error:
            status = error.status or status  # an error that a watch reports has a code of its own
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            status = 0
            raise ApiError(0, type(error).__name__, str(error) or "no answer in time") from error
        finally:
            self.requests[verb, resource.plural, status] += 1


_METHODS = {
    "get": ("GET", "application/json"), "list": ("GET", "application/json"),
    "proxy": ("GET", "application/json"), "watch": ("GET", "application/json"),
    "log": ("GET", "application/json"),
    "create": ("POST", "application/json"), "update": ("PUT", "application/json"),
    "patch": ("PATCH", "application/merge-patch+json"),
    "resize": ("PATCH", "application/strategic-merge-patch+json"), "delete": ("DELETE", "application/json"),
}  # fmt: skip


@contextlib.contextmanager
def _cut_off(answer: aiohttp.ClientResponse) -> Iterator[None]:
    """At the end of the block no more is read of `answer`. Its connection ends at once: to close it by TLS's rules
    takes a while, in which the event loop may end."""
    try:
        yield
    finally:
        connection = answer.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        answer.close()


async def _lines(content: aiohttp.StreamReader, *, with_rest: bool = False) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own must be shorter than a large pod. `with_rest`: with one that has no end."""
    parts: list[bytes] = []
    async for data in content.iter_any():
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield b"".join([*parts, line])
            parts.clear()
        parts.append(rest)
    last = b"".join(parts)
    if with_rest and last:
        yield last


def _event(line: bytes) -> tuple[str, Json]:
    """Type and object of an event. ApiError where something between here and the API server wrote another thing."""
    try:
        event = from_json(line)
        return str(event["type"]), dict(event["object"])
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(0, "Malformed", f"a watch said {line[:200]!r}") from error
