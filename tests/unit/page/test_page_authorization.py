"""What lets the page's server in to a Prometheus goes there, and nowhere else."""

import base64
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from wattrain_operator.dashboard import __main__ as in_a_pod
from wattrain_operator.dashboard.authorization import authorization_for
from wattrain_operator.dashboard.http_server import Request
from wattrain_operator.dashboard.page_site import PageSite
from wattrain_operator.dashboard.prometheus_source import PrometheusSource

REMOTE = "http://prometheus.example:9090"


class Guarded(ThreadingHTTPServer):
    """In place of a Prometheus that lets in who sends one of `accepted`; `redirect` is where it sends everybody."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted, self.heard, self.redirect = set(), [], ""
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        sent = self.headers.get("Authorization")
        self.server.heard.append(sent)
        status = 302 if self.server.redirect else 200 if sent in self.server.accepted else 401
        body = json.dumps({"status": "success", "data": []}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if self.server.redirect:
            self.send_header("Location", self.server.redirect)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving():
    with Guarded() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def guarded():
    with serving() as server:
        yield server


@pytest.fixture
def token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("se-cret.1\n")
    return file


def test_the_token_is_sent_and_read_anew_when_it_was_renewed(guarded, token_file):
    guarded.accepted = {"Bearer se-cret.1"}
    source = PrometheusSource(guarded.url, 15.0, token_file)
    assert source.ask("query", {"query": ["up"]}).status == 200
    guarded.accepted = {"Bearer renewed"}
    refused = source.ask("query", {"query": ["up"]})
    assert (refused.status, "--token-file" in json.loads(refused.body)["error"]) == (502, True)
    token_file.write_text("renewed")
    assert source.ask("query", {"query": ["up"]}).status == 200
    assert guarded.heard == ["Bearer se-cret.1", "Bearer se-cret.1", "Bearer renewed"]


def test_user_and_password_of_the_address_are_sent_as_basic_authentication(guarded):
    pair = base64.b64encode("me:p@ss/wörd".encode()).decode()
    guarded.accepted = {f"Basic {pair}"}
    source = PrometheusSource(guarded.url.replace("//", "//me:p%40ss%2Fw%C3%B6rd@"), 15.0)
    assert source.ask("query", {"query": ["up"]}).status == 200


def test_a_redirect_takes_the_token_nowhere(guarded, token_file):
    with serving() as elsewhere:
        guarded.redirect = f"{elsewhere.url}/api/v1/query"
        assert PrometheusSource(guarded.url, 15.0, token_file).ask("query", {}).status == 502
        assert elsewhere.heard == []


def test_the_browser_is_never_told_it(guarded, token_file):
    """Whatever the page asks for, and whatever Prometheus answers."""
    source = PrometheusSource(guarded.url, 15.0, token_file)
    site = PageSite(source, {})
    paths = ["/", "/about.json", "/dashboards.json", "/api/v1/query", "/api/v1/status/config", "/receipt.html"]
    answers = [site.answer(Request(path, {"query": ["up"]}, "127.0.0.1")) for path in paths]
    token_file.write_text("no good token")
    answers += [site.answer(Request("/api/v1/query", {"query": ["up"]}, "127.0.0.1"))]
    for answer in answers:
        assert b"se-cret" not in answer.body
        assert "se-cret" not in str(answer.headers)
    assert (answers[-1].status, guarded.heard) == (502, ["Bearer se-cret.1"])


@pytest.mark.parametrize(
    "address", [REMOTE, "http://me:secret@prometheus.example", "http://192.0.2.1", "http://[2001:db8::1]"]
)
def test_it_goes_over_no_network_in_clear_unless_asked(address, token_file):
    file = None if "@" in address else token_file
    with pytest.raises(
        ValueError, match=r"unencrypted; use https, or let `wattrain dashboard` do so with --allow-plain-http"
    ) as refused:
        PrometheusSource(address, 15.0, file)
    assert "secret" not in str(refused.value)
    PrometheusSource(address, 15.0, file, plain_http=True)


@pytest.mark.parametrize(
    "address", ["https://prometheus.example", "http://127.0.0.1", "http://localhost:9090", "http://[::1]:1"]
)
def test_with_tls_or_on_this_machine_it_may_go(address, token_file):
    assert authorization_for(address, token_file)() == "Bearer se-cret.1"


@pytest.mark.parametrize(("content", "told"), [
    (None, "no token can be read (No such file or directory)"), (b"", "holds no bearer token"),
    (b"two words", "holds no bearer token"), (b"a\r\nHost: evil", "holds no bearer token"), (b"\xff", "not ASCII"),
])  # fmt: skip
def test_a_file_without_a_token_is_refused(tmp_path, content, told):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError) as refused:
        authorization_for("https://prometheus.example", file)
    assert told in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_token_and_a_user_are_one_too_many(token_file):
    with pytest.raises(ValueError, match="give one of them"):
        authorization_for("https://me:secret@prometheus.example", token_file)


def test_no_header_is_sent_where_nothing_was_given(guarded):
    assert PrometheusSource(guarded.url, 15.0).ask("query", {}).status == 502
    assert guarded.heard == [None]


def test_the_page_in_a_pod_refuses_it_too(token_file, capsys):
    assert in_a_pod.main(["--prometheus", REMOTE, "--token-file", str(token_file)]) == 2
    assert "unencrypted" in capsys.readouterr().err
