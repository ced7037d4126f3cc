"""A thread that serves HTTP, and sleeps until somebody connects.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

import selectors
import socket
import socketserver
import threading


class ServingThread:
    """`serve_forever` of socketserver looks for its end many times a second: here the end of a connection tells it."""

    def __init__(self, server: socketserver.TCPServer, name: str) -> None:
        """`server` listens already; it is closed here, by `stop`."""
        self._server = server
        server.timeout = 0  # `handle_request` is called where somebody has connected, and waits for nobody else
        self._told, self._tells = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End, and free the port. Nothing more happens the second time."""
        self._tells.close()
        if self._thread.ident is not None:
            self._thread.join()
        self._server.server_close()
        self._told.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._server, selectors.EVENT_READ)
            waiting.register(self._told, selectors.EVENT_READ)
            while all(key.fileobj is not self._told for key, _ in waiting.select()):
                self._server.handle_request()
