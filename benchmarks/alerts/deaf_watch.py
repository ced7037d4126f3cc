"""A way to the API server on which the watch of jobs tells of nothing: it stays open, bookmarks pass, events do not."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_OF_ONE_CONNECTION = {"accept-encoding", "connection", "content-length", "host", "transfer-encoding"}


@contextmanager
def deaf_way(api_server: str, folder: Path) -> Iterator[Path]:
    """A kubeconfig for that way to `api_server`, an address without TLS and without signing in."""
    upstream = api_server.removeprefix("http://")

    class Handler(_Handler):
        address = upstream

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *request: object) -> None:
            """Nothing: who asked has gone."""

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    file = folder / "deaf.json"
    file.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "deaf",
        "clusters": [{"name": "deaf", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "deaf", "user": {}}],
        "contexts": [{"name": "deaf", "context": {"cluster": "deaf", "user": "deaf"}}],
    }), encoding="utf-8")  # fmt: skip
    try:
        yield file
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    address = ""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        upstream = http.client.HTTPConnection(self.address)
        try:
            upstream.request(self.command, self.path, body or None, headers)
            reply = upstream.getresponse()
            self.send_response(reply.status)
            self.send_header("Content-Type", reply.headers.get("Content-Type") or "application/json")
            asked = urlsplit(self.path)
            if "watch" in parse_qs(asked.query) and reply.status == http.HTTPStatus.OK:
                self._stream(reply, is_deaf=asked.path.endswith("/trainingjobs"))
            else:
                whole = reply.read()
                self.send_header("Content-Length", str(len(whole)))
                self.end_headers()
                self.wfile.write(whole)
        except OSError:
            self.close_connection = True  # who asked has gone
        finally:
            upstream.close()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def _stream(self, reply: http.client.HTTPResponse, *, is_deaf: bool) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in reply:
            if not is_deaf or json.loads(line)["type"] == "BOOKMARK":
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *words: object) -> None:
        """Nothing."""
