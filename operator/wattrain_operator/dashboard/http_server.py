"""A small HTTP server in a thread: GET alone, each request answered by one function."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from wattrain_api.http_serving import ServingThread

LOOPBACK = "127.0.0.1"
_LONGEST_SECONDS = 60
"""Without a byte: then the connection is closed."""


@dataclass(frozen=True)
class Request:
    """What is asked for."""

    path: str
    """Percent signs resolved, with all that it holds: `..` is no different from any other name."""
    parameters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    host: str = ""
    """As in the header."""


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpServer:
    """Answers from its construction on."""

    def __init__(self, answer: Callable[[Request], Answer], port: int = 0, host: str = LOOPBACK) -> None:
        """`port` 0: a free one. OSError or OverflowError where it cannot be listened on."""
        server = ThreadingHTTPServer((host, port), _handler(answer))
        server.daemon_threads = True
        self.port: int = server.server_address[1]
        self._thread = ServingThread(server, "http")
        self._thread.start()

    def close(self) -> None:
        """Free the port."""
        self._thread.stop()


def _handler(answer: Callable[[Request], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _LONGEST_SECONDS

        def do_GET(self) -> None:
            try:
                found = answer(_request(self.path, self.headers.get("Host", "")))
            except Exception as error:  # a defect: shown where it was met, and not in the terminal of a run
                found = Answer(500, "text/plain; charset=utf-8", f"unexpected {error!r}".encode())
            with contextlib.suppress(ConnectionError, TimeoutError):  # a browser that has left meanwhile
                self._send(found)

        def _send(self, found: Answer) -> None:
            self.send_response(found.status)
            self.send_header("Content-Type", found.content_type)
            self.send_header("Content-Length", str(len(found.body)))
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that http.server has)
            """Say nothing: the terminal belongs to the view."""

    return Handler


def _request(target: str, host: str) -> Request:
    parts = urlsplit(target)
    return Request(unquote(parts.path), parse_qs(parts.query, keep_blank_values=True), host)
