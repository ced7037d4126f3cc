"""The API server of a kubeconfig, asked with as little of this machine's time as possible.

What the load costs on the client's side is missing on the server's where both share their cores. So requests are bytes
made beforehand, and an answer is read and not parsed.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kubernetes import client as kubernetes_client
from kubernetes import config

Json = dict[str, Any]
TIMEOUT_SECONDS = 60.0


class RefusedError(Exception):
    """An answer that is none of success."""


class Request(NamedTuple):
    """One request, ready to be sent."""

    method: str
    path: str
    body: bytes | None = None


@dataclass(frozen=True)
class Server:
    """Where the API server is, and how to sign in."""

    host: str
    port: int
    context: ssl.SSLContext
    headers: dict[str, str]

    @staticmethod
    def of(kubeconfig: Path) -> Server:
        """The server of the current context of `kubeconfig`."""
        settings: Any = kubernetes_client.Configuration()
        config.load_kube_config(str(kubeconfig), client_configuration=settings)
        url = urlsplit(settings.host)
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        token = settings.get_api_key_with_prefix("authorization") or settings.api_key.get("BearerToken", "")
        basic = settings.username and base64.b64encode(f"{settings.username}:{settings.password}".encode()).decode()
        sign_in = token or (f"Basic {basic}" if basic else "")
        assert url.hostname is not None
        return Server(
            url.hostname, url.port or 443, context,
            {"Content-Type": "application/json"} | ({"Authorization": sign_in} if sign_in else {}),
        )  # fmt: skip

    def connect(self, timeout_seconds: float | None = TIMEOUT_SECONDS) -> http.client.HTTPSConnection:
        """A connection of its own."""
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout_seconds, context=self.context)

    def ask(self, method: str, path: str, body: Json | None = None) -> Json:
        """One request on a connection of its own; RefusedError where it is not granted."""
        connection = self.connect()
        try:
            text = self._send(connection, Request(method, path, None if body is None else json.dumps(body).encode()))
        finally:
            connection.close()
        answer: Json = json.loads(text)
        return answer

    def send_all(self, requests: Sequence[Request], connections: int) -> list[float]:
        """Send `requests` over so many connections at once. When each was answered, in seconds of the monotonic clock,
        in their order."""
        shares = [range(start, len(requests), connections) for start in range(min(connections, len(requests)))]

        def send(share: range) -> list[tuple[int, float]]:
            connection = self.connect()
            try:
                return [(index, self._timed(connection, requests[index])) for index in share]
            finally:
                connection.close()

        with ThreadPoolExecutor(len(shares) or 1) as threads:
            answered = dict(chain.from_iterable(threads.map(send, shares)))
        return [answered[index] for index in range(len(requests))]

    def watch(self, path: str, *, metadata_only: bool) -> Iterator[Json]:
        """Events of a watch of `path`, which has its query, until the server ends it, as it does where it is busy."""
        kind = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" if metadata_only else "application/json"
        connection = self.connect(timeout_seconds=None)
        connection.request("GET", f"{path}&watch=true", headers={**self.headers, "Accept": kind})
        answer = connection.getresponse()
        for line in answer:
            yield json.loads(line)

    def _timed(self, connection: http.client.HTTPSConnection, request: Request) -> float:
        self._send(connection, request)
        return time.monotonic()

    def _send(self, connection: http.client.HTTPSConnection, request: Request) -> bytes:
        connection.request(request.method, request.path, request.body, self.headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise RefusedError(f"{request.method} {request.path}: {answer.status} {text[:500].decode()}")
        return text
