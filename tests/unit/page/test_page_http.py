"""The small HTTP server."""

import contextlib
import http.client
import socket
import struct

from wattrain_operator.dashboard.http_server import Answer, HttpServer


def ask(port, method="GET", target="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_path_is_given_with_its_percent_signs_resolved_and_its_parameters_apart():
    seen = []

    def answer(request):
        seen.append((request.path, dict(request.parameters)))
        return Answer(200, "text/plain", b"x", {"X-A": "b"})

    with contextlib.closing(HttpServer(answer)) as server:
        assert ask(server.port, target="/a%2F..%2fb?q=1&q=%202&e=") == (200, b"x")
        assert ask(server.port, "POST")[0] == 501
    assert seen == [("/a/../b", {"q": ["1", " 2"], "e": [""]})]


def test_a_defect_is_shown_to_who_asked_and_a_browser_that_leaves_to_nobody(capfd):
    def answer(request):
        if request.path == "/defect":
            raise ValueError("of ours")
        return Answer(200, "text/plain", b"x" * (8 << 20))

    with contextlib.closing(HttpServer(answer)) as server:
        assert ask(server.port, target="/defect") == (500, b"unexpected ValueError('of ours')")
        with socket.create_connection(("127.0.0.1", server.port)) as left:
            left.sendall(b"GET /large HTTP/1.0\r\n\r\n")
            left.recv(1)
            left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # leaves at once
        assert ask(server.port, target="/large")[0] == 200
    assert capfd.readouterr() == ("", "")
