"""What a supervisor answers over HTTP: /metrics, /healthz, /v1/progress and, at worker 0, /v1/group."""

from __future__ import annotations

import contextlib
import errno
import hmac
import json
import random
import socket
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from wattrain_api import names
from wattrain_api.contract.codec import decode, encode_json, problem_of
from wattrain_api.contract.group_exchange import CoordinatorReply, MemberMessage
from wattrain_api.contract.progress import Progress
from wattrain_api.http_serving import ServingThread
from wattrain_worker.supervisor.coordinator import MessageError

TOKEN_HEADER: Final = "X-Wattrain-Token"
LONGEST_BODY_BYTES: Final = 65_536
_CLIENT_SECONDS: Final = 10.0
"""A client that sends nothing for so long is dropped."""
_MOST_KEPT: Final = 64
"""Connections that are kept open for the next request, each with a thread of its own."""
_RENDEZVOUS_PORTS: Final = range(20_000, 32_000)
"""Below what systems give to outgoing connections, so that none takes the port before rank 0 listens on it."""


class Server:
    """Serves in threads of its own until `stop`, or the end of the process."""

    def __init__(
        self,
        listening: socket.socket,
        metrics: Callable[[], bytes],
        progress: Callable[[], Progress],
        exchange: Callable[[MemberMessage], CoordinatorReply] | None,
        token: str,
    ) -> None:
        """`listening` is taken over. `exchange` answers members of the group; None: this is not worker 0."""
        self._token, self._exchange = token.encode(), exchange
        pages: dict[str, tuple[str, Callable[[], bytes]]] = {
            names.PATH_HEALTH: ("text/plain; charset=utf-8", lambda: b"ok\n"),
            names.PATH_METRICS: ("text/plain; version=0.0.4; charset=utf-8", metrics),
            names.PATH_PROGRESS: ("application/json", lambda: encode_json(progress())),
        }
        self._open: set[_Handler] = set()
        parts = {"pages": pages, "group": staticmethod(self._answer_member), "open": self._open}
        self._thread = ServingThread(_HTTPServer(listening, type("Handler", (_Handler,), parts)), "wattrain-http")

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End, and close the socket and the connections."""
        self._thread.stop()
        for handler in list(self._open):
            with contextlib.suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)

    def _answer_member(self, token: str, body: bytes) -> tuple[int, bytes]:
        if self._exchange is None:
            return 404, b"only worker 0 decides for the group\n"
        if not self._token or not hmac.compare_digest(token.encode(), self._token):
            return 403, f"{TOKEN_HEADER} is not the secret of this attempt\n".encode()
        try:
            document = json.loads(body)
            message = decode(MemberMessage, document)
            if message is None:
                raise MessageError(problem_of(MemberMessage, document))
            return 200, encode_json(self._exchange(message))
        except (ValueError, RecursionError) as error:
            return 400, f"{error}\n".encode()


def listen(port: int, listen_fd: int | None) -> socket.socket:
    """The inherited socket `listen_fd`, else a new one on `port` of all addresses. OSError where that fails."""
    if listen_fd is not None:
        inherited = socket.socket(fileno=listen_fd)
        inherited.set_inheritable(False)
        return inherited
    try:
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    except OSError as error:  # IPv6 may be compiled in and switched off
        if error.errno == errno.EADDRINUSE:
            raise
    return socket.create_server(("", port), backlog=128)


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("", 0), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.server_address = listening.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nobody's concern."""


class _Handler(BaseHTTPRequestHandler):
    pages: dict[str, tuple[str, Callable[[], bytes]]] = {}
    group: Callable[[str, bytes], tuple[int, bytes]]
    open: set[_Handler]
    """All that serve a connection now."""
    timeout = _CLIENT_SECONDS
    server_version, sys_version = "wattrain", ""
    protocol_version = "HTTP/1.1"  # whoever asks again and again needs no connection and no thread each time
    wbufsize, disable_nagle_algorithm = 1 << 16, True  # an answer is one packet, which waits for nothing

    def setup(self) -> None:
        """Begin to serve a connection."""
        super().setup()
        self.open.add(self)

    def finish(self) -> None:
        """The connection ends."""
        self.open.discard(self)
        super().finish()

    def do_GET(self) -> None:
        """Answer a page."""
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            self._answer(404, "text/plain; charset=utf-8", f"there is {', '.join(self.pages)}\n".encode())
        else:
            self._answer(200, page[0], page[1]())

    def do_POST(self) -> None:
        """Answer a member of the group."""
        length = self.headers.get("Content-Length", "")
        if self.path != names.PATH_GROUP:
            status, body = 404, f"there is {names.PATH_GROUP}\n".encode()
        elif not length.isdecimal():
            status, body = 411, b"Content-Length is missing\n"
        elif int(length) > LONGEST_BODY_BYTES:
            status, body = 413, f"a message has at most {LONGEST_BODY_BYTES} bytes\n".encode()
        else:
            status, body = self.group(self.headers.get(TOKEN_HEADER, ""), self.rfile.read(int(length)))
        if status in (404, 411, 413):
            self.close_connection = True  # what the client sent has not been read: no next request begins there
        self._answer(status, "application/json" if status == 200 else "text/plain; charset=utf-8", body)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection or len(self.open) > _MOST_KEPT:
            self.send_header("Connection", "close")  # which http.server heeds too
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Scrapes and polls are not worth a line each."""


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    for port in random.sample(_RENDEZVOUS_PORTS, 50):
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
