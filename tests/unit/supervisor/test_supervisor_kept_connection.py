"""A connection that is kept: what happens where the other side has closed it."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import pytest

from wattrain_api.kept_connection import KeptConnection

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer_each_connection_once(listening: socket.socket, connections: int) -> threading.Thread:
    """It closes each without having said so, as a server does to whom nobody has spoken for a while."""

    def serve() -> None:
        for _ in range(connections):
            accepted, _ = listening.accept()
            with accepted:
                accepted.recv(4096)
                accepted.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_what_has_been_closed_meanwhile_is_opened_anew() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        closing(KeptConnection("127.0.0.1", listening.getsockname()[1], 20)) as connection,
    ):
        thread = answer_each_connection_once(listening, 3)
        assert [connection.ask("GET", "/") for _ in range(3)] == [(200, b"ok")] * 3
        thread.join(20)


def test_what_cannot_be_connected_is_tried_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with closing(KeptConnection("127.0.0.1", port, 20)) as connection, pytest.raises(ConnectionRefusedError):
        connection.ask("GET", "/")


def test_who_says_nothing_is_waited_for_once() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        closing(KeptConnection("127.0.0.1", listening.getsockname()[1], 0.2)) as connection,
    ):
        accepted: list[socket.socket] = []

        def serve() -> None:
            accepted.append(listening.accept()[0])
            accepted[0].recv(4096)
            accepted[0].sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        connection.ask("GET", "/")
        thread.join(20)
        with pytest.raises(TimeoutError):
            connection.ask("GET", "/")
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # nothing was asked over another connection
            listening.accept()
        accepted[0].close()
