"""A receiver of webhooks: a real HTTP server that takes them, refuses them, redirects, waits, or breaks connections."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Answer = int | Literal["wait", "break"]
"""An HTTP status; or to read the request and not to answer, or to reset the connection, for as long as it serves."""


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class WebhookReceiver:
    """What it has received, and how it answers the next."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[int], Answer] = lambda number: 204
        """By the number of the request, from 1."""
        self._closing = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.received.append(Received(handler.path, dict(handler.headers.items()), body))
        answer = self.answer(len(self.received))
        if answer == "wait":
            self._closing.wait(60)
        elif answer == "break":
            linger = struct.pack("ii", 1, 0)  # closing then resets the connection
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            handler.connection.close()
            handler.close_connection = True
        else:
            handler.send_response(answer)
            if 300 <= answer < 400:
                handler.send_header("Location", f"{self.url}/elsewhere")
            handler.end_headers()

    def close(self) -> None:
        """Serve no more."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def webhook_receiver() -> Iterator[WebhookReceiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = WebhookReceiver()
    try:
        yield receiver
    finally:
        receiver.close()
