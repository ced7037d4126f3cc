"""A plain client of the API server for tests: JSON objects in and out, one connection, no retries."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from harness.certificates import KeyPair

Object = dict[str, Any]
JOBS = "/apis/wattrain.dev/v1alpha1/namespaces/{}/trainingjobs"
"""Path of the TrainingJobs of a namespace."""
DOMAINS = "/apis/wattrain.dev/v1alpha1/powerdomains"
_PATCH = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Reply:
    """What the API server answered: the HTTP status and the object, of kind Status where it refused."""

    status: int
    body: Object

    @property
    def message(self) -> str:
        """Why it refused."""
        return str(self.body.get("message", ""))


class RefusedError(Exception):
    """An answer of 400 or more where the caller counted on success."""

    def __init__(self, method: str, path: str, reply: Reply):
        super().__init__(f"{method} {path}: {reply.status} {reply.message}")
        self.reply = reply


class Api:
    """One user's connection. Close it, or use it as a context manager. Not for several threads at once."""

    def __init__(
        self, server: str, authority: Path | None = None, pair: KeyPair | None = None, *, timeout_seconds: float = 30
    ):
        url = urlsplit(server)
        assert url.hostname is not None
        if url.scheme == "http":
            self._connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout_seconds)
            return
        context = ssl.create_default_context(cafile=authority)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        self._connection = http.client.HTTPSConnection(url.hostname, url.port, timeout=timeout_seconds, context=context)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def request(self, method: str, path: str, body: Object | None = None, content: str = "application/json") -> Reply:
        """Send `body` and return the answer, whatever its status. OSError where the server is not there."""
        headers = {"Content-Type": content}
        data = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, data, headers)
            answer = self._connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()  # so that the next request does not find a broken connection
            raise ConnectionError(f"{method} {path}: {error or type(error).__name__}") from error
        return Reply(answer.status, _object(text))

    def get(self, path: str) -> Object:
        """The object or list at `path`; RefusedError where there is none."""
        return self._done("GET", path)

    def create(self, path: str, body: Object) -> Object:
        """Create `body` in the collection `path`."""
        return self._done("POST", path, body)

    def replace(self, path: str, body: Object) -> Object:
        """Replace the object at `path`."""
        return self._done("PUT", path, body)

    def patch(self, path: str, change: Object) -> Object:
        """Merge `change` into the object at `path`; null removes a field."""
        return self._done("PATCH", path, change, _PATCH)

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply of `body` to the object at `path`, which may not exist yet."""
        return self._done("PATCH", f"{path}?fieldManager=test&force=true", body, _APPLY)

    def delete(self, path: str) -> Object:
        """Delete the object, or all of the collection, at `path`."""
        return self._done("DELETE", path)

    def exists(self, path: str) -> bool:
        """Whether there is an object at `path`."""
        return self.request("GET", path).status == http.HTTPStatus.OK

    def waits_for(self, path: str, holds: Callable[[Object], bool]) -> Callable[[], bool]:
        """A question for wait_for(): does `holds` of the object at `path`?"""
        return lambda: (reply := self.request("GET", path)).status == http.HTTPStatus.OK and holds(reply.body)

    def _done(self, method: str, path: str, body: Object | None = None, content: str = "application/json") -> Object:
        reply = self.request(method, path, body, content)
        if reply.status >= http.HTTPStatus.BAD_REQUEST:
            raise RefusedError(method, path, reply)
        return reply.body


def _object(text: bytes) -> Object:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": text.decode(errors="replace")}
