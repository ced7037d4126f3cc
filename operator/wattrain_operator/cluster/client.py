"""The API server in raw JSON: typed decoding would cost ten times as much on the hot path.

Every failure is an `ApiError`; the ones that lead to a decision of their own have a class of their own.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.configuration import Configuration

Json = dict[str, Any]
REQUEST_TIMEOUT_SECONDS = 30.0
LIST_CHUNK = 100
"""Objects in an answer to a LIST, which is in memory as a whole: 7 MB of pods."""
MAX_CONNECTIONS = 96
"""For requests; each watch has one of its own."""
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 70.0
"""Of a watch that is well something is heard at least once a minute, and be it a bookmark."""


class ApiError(Exception):
    """The API server refused, or did not answer. `status` is HTTP's; 0: no answer."""

    def __init__(self, status: int, reason: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """The object is not the one, or not in the version, that was meant."""


class AlreadyExistsError(ApiError):
    """An object of that name is there."""


class ForbiddenError(ApiError):
    """Not allowed: by rights, quota, Pod Security, or a namespace that is being deleted."""


class InvalidError(ApiError):
    """The object is wrong, or an admission check refused it."""


class ExpiredError(ApiError):
    """The server no longer has the version that a LIST goes on with, or a watch."""


class NotLeadingError(ApiError):
    """Another may lead by now: nothing was sent."""


_BY_REASON: Mapping[str, type[ApiError]] = {
    "NotFound": NotFoundError,
    "Conflict": ConflictError,
    "AlreadyExists": AlreadyExistsError,
    "Forbidden": ForbiddenError,
    "Invalid": InvalidError,
    "BadRequest": InvalidError,
    "Expired": ExpiredError,
    "Gone": ExpiredError,
}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}


@dataclass(frozen=True)
class Resource:
    """A kind of objects, as the API server's paths name it."""

    group: str
    """Empty: the core group."""
    version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of all, of those in a namespace, or of one."""
        parts = ["api" if not self.group else f"apis/{self.group}", self.version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [
            self.plural,
            *(quote(part, safe="") for part in (name,) if part),
            *([subresource] * bool(subresource)),
        ]
        return "/" + "/".join(parts)


TRAINING_JOBS = Resource("wattrain.dev", "v1alpha1", "trainingjobs")
POWER_DOMAINS = Resource("wattrain.dev", "v1alpha1", "powerdomains")
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
EVENTS = Resource("events.k8s.io", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
WRITES = ("create", "update", "patch", "delete")
_writing: ContextVar[bool] = ContextVar("writing", default=False)


class _Connector(aiohttp.TCPConnector):
    """Looks at every request when it has its connection, which it may have waited for, and before it is sent."""

    def __init__(self, may_write: Callable[[], bool], **settings: Any) -> None:
        super().__init__(**settings)
        self._may_write = may_write

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        connection = await super().connect(req, traces, timeout)
        if _writing.get() and not self._may_write():
            connection.close()
            raise NotLeadingError(0, "NotLeading", "another may lead by now")
        return connection


class Client:
    """The verbs that the operator uses, and no others. `requests` counts them by (verb, resource, code)."""

    def __init__(
        self, configuration: Configuration, may_write: Callable[[], bool] = lambda: True, *, watches: int = 0
    ) -> None:
        """`may_write` is asked at the last moment before a write of anything but a Lease is sent: a process that was
        stopped, and wakes up, may have got as far as that. `watches`: so many go on at the same time."""
        configuration.connection_pool_maxsize = MAX_CONNECTIONS + watches
        # Reading the environment would cost a thread a request; a kubeconfig's proxy-url is heeded all the same.
        configuration.client_session_kwargs = {"trust_env": False}
        self.configuration = configuration
        self._api: Any = ApiClient(configuration)  # its connections are untyped
        self._api.user_agent = "wattrain-operator"
        rest: Any = self._api.rest_client  # made to be overridden in this way
        rest._create_connector = lambda: _Connector(may_write, limit=rest.maxsize, ssl=rest.ssl_context)
        self.requests: Counter[tuple[str, str, int]] = Counter()

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """One object."""
        return await self._request("get", resource, resource.path(namespace, name))

    async def list_all(
        self, resource: Resource, namespace: str = "", selector: str = "", keep: Callable[[Json], Json] = lambda o: o
    ) -> tuple[list[Json], int]:
        """All objects (in `namespace`, if given; with labels as `selector` says), or what `keep` makes of each, and the
        version that they are of.

        Read in chunks, all of one version; begun anew once where that version expires in between.
        """
        try:
            return await self._list(resource, namespace, selector, keep)
        except ExpiredError:
            return await self._list(resource, namespace, selector, keep)

    async def watch(
        self, resource: Resource, namespace: str, selector: str, version: int
    ) -> AsyncGenerator[tuple[str, Json], None]:
        """What happens after `version`, until the server ends it: type (ADDED, MODIFIED, DELETED, BOOKMARK) and object.

        ExpiredError: the server no longer knows what happened since `version`.
        """
        query = {
            "watch": "true", "allowWatchBookmarks": "true", "labelSelector": selector, "resourceVersion": str(version),
        }  # fmt: skip
        path = f"{resource.path(namespace)}?{urlencode(query)}"
        timeout = aiohttp.ClientTimeout(
            total=None, connect=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS
        )
        async with self._answer("watch", resource, path, None, timeout) as answer:
            with contextlib.closing(answer):
                async for line in _lines(answer.content):
                    kind, body = _event(line)
                    if kind == "ERROR":
                        raise _error(int(body.get("code") or 0), json.dumps(body).encode(), None)
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

    async def proxy(self, namespace: str, pod: str, port: int, path: str, timeout_seconds: float) -> bytes:
        """GET `path` of a pod's port through the API server."""
        where = PODS.path(namespace, f"{pod}:{port}", f"proxy{path}")
        return await self._send("proxy", PODS, where, None, timeout_seconds)

    async def _list(
        self, resource: Resource, namespace: str, selector: str, keep: Callable[[Json], Json]
    ) -> tuple[list[Json], int]:
        query: dict[str, Any] = {"limit": LIST_CHUNK} | ({"labelSelector": selector} if selector else {})
        items: list[Json] = []
        while True:
            page = await self._request("list", resource, f"{resource.path(namespace)}?{urlencode(query)}")
            items += map(keep, page.get("items") or ())
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, int(metadata.get("resourceVersion") or 0)
            query["continue"] = metadata["continue"]

    async def _request(self, verb: str, resource: Resource, path: str, body: Json | None = None) -> Json:
        answer = json.loads(await self._send(verb, resource, path, body, REQUEST_TIMEOUT_SECONDS))
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
        headers = {"Content-Type": content_type, "Accept": "application/json, */*", **self._api.default_headers}
        settings: Mapping[str, Any] = await self.configuration.auth_settings()
        for setting in settings.values():
            if setting["value"]:
                headers[setting["key"]] = setting["value"]
        status = 0
        try:
            outer = await self._api.rest_client.request(
                method, self.configuration.host + path, headers=headers, body=body, _request_timeout=timeout
            )
            answer: aiohttp.ClientResponse = outer.response
            status = answer.status
            if status >= 300:
                raise _error(status, await answer.read(), answer.headers.get("Retry-After"))
            yield answer
        except ApiError as error:
            status = error.status or status  # an error that a watch tells of has a code of its own
            raise
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            status = 0
            raise ApiError(0, type(error).__name__, str(error) or "no answer in time") from error
        finally:
            self.requests[verb, resource.plural, status] += 1


_METHODS = {
    "get": ("GET", "application/json"), "list": ("GET", "application/json"),
    "proxy": ("GET", "application/json"), "watch": ("GET", "application/json"),
    "create": ("POST", "application/json"), "update": ("PUT", "application/json"),
    "patch": ("PATCH", "application/merge-patch+json"), "delete": ("DELETE", "application/json"),
}  # fmt: skip


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length: aiohttp's own must be shorter than a large pod."""
    parts: list[bytes] = []
    async for data in content.iter_any():
        *whole, rest = data.split(b"\n")
        for line in whole:
            yield b"".join([*parts, line])
            parts.clear()
        parts.append(rest)


def _event(line: bytes) -> tuple[str, Json]:
    """Type and object of an event. ApiError where something between here and the API server wrote another thing."""
    try:
        event = json.loads(line)
        return str(event["type"]), dict(event["object"])
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(0, "Malformed", f"a watch told {line[:200]!r}") from error


def _error(status: int, content: bytes, retry_after: str | None) -> ApiError:
    try:
        told = json.loads(content)
    except ValueError:
        told = {}
    if not isinstance(told, dict) or told.get("kind") != "Status":
        told = {"message": content[:200].decode("utf-8", "replace")}
    reason, message = str(told.get("reason") or ""), str(told.get("message") or "")
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ApiError)
    details = told.get("details") or {}
    seconds = str((retry_after if retry_after is not None else details.get("retryAfterSeconds")) or "")
    wait = float(seconds) if seconds.isdigit() else None
    return kind(status, reason or "HTTP", message, wait)
