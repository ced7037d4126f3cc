"""What the page's server lets through to a Prometheus, and what it makes of the answers."""

import contextlib
import json
import os

import pytest

from wattrain_operator.dashboard import prometheus_source
from wattrain_operator.dashboard.http_server import Answer, HttpServer
from wattrain_operator.dashboard.prometheus_source import PrometheusSource
from wattrain_operator.dashboard.source_protocol import success


@pytest.fixture
def upstream():
    """A server in place of a Prometheus; `answers` are by path, `requests` what it was asked."""

    class Upstream:
        def __init__(self):
            self.requests, self.answers = [], {}
            self.server = HttpServer(self.answer)
            self.url = f"http://127.0.0.1:{self.server.port}"

        def answer(self, request):
            self.requests.append((request.path, dict(request.parameters)))
            return self.answers.get(request.path, success([]))

    made = Upstream()
    with contextlib.closing(made.server):
        yield made


@pytest.fixture
def source(upstream):
    return PrometheusSource(f"{upstream.url}/", 15.0)


@pytest.mark.parametrize("path", ["query", "query_range", "labels", "series", "label/namespace/values"])
def test_questions_for_figures_are_let_through(source, upstream, path):
    assert source.ask(path, {"query": ["up"], "match[]": ["a", "b"], "evil": ["x"]}).status == 200
    assert upstream.requests == [(f"/api/v1/{path}", {"query": ["up"], "match[]": ["a", "b"]})]


@pytest.mark.parametrize("path", [
    "status/config", "admin/tsdb/delete_series", "targets", "query/../status/config", "label/../values", "write", "",
    "label/a/b/values", "query ", "label/x/values/..", "query?x=",
])  # fmt: skip
def test_nothing_else_is(source, upstream, path):
    assert source.ask(path, {}).status == 403
    assert upstream.requests == []


def test_what_prometheus_refuses_is_passed_on_with_its_reason(source, upstream):
    body = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error"}).encode()
    upstream.answers["/api/v1/query"] = Answer(400, "application/json", body)
    assert source.ask("query", {"query": ["("]}) == Answer(400, "application/json", body)


def test_a_redirect_leads_nowhere(source, upstream):
    upstream.answers["/api/v1/query"] = Answer(302, "text/plain", b"", {"Location": f"{upstream.url}/elsewhere"})
    answer = source.ask("query", {})
    assert (answer.status, "no Prometheus answers there" in json.loads(answer.body)["error"]) == (502, True)
    assert [path for path, _ in upstream.requests] == ["/api/v1/query"]


def test_an_answer_that_is_no_prometheus_is_not_shown(source, upstream):
    upstream.answers["/api/v1/query"] = Answer(200, "text/html", b"<script>")
    answer = source.ask("query", {})
    assert (answer.status, b"<script>" in answer.body) == (502, False)


def test_an_answer_without_end_is_cut(source, monkeypatch):
    monkeypatch.setattr(prometheus_source, "MOST_BYTES", 10)
    assert source.ask("query", {}).status == 502


def test_a_prometheus_that_is_not_there_is_told(upstream, source):
    upstream.server.close()
    answer = source.ask("query", {})
    assert (answer.status, "Prometheus does not answer" in json.loads(answer.body)["error"]) == (502, True)
    upstream.server = HttpServer(upstream.answer)  # for the fixture to close


def test_its_password_is_not_shown():
    assert PrometheusSource("https://me:secret@host:9090", 15.0).about().what == "Prometheus at host:9090"


@pytest.mark.parametrize(
    "address",
    ["", "localhost:9090", "ftp://x", "http://", "http://x/?a=1", "file:///etc/passwd", "http://x:70000", "http://x:y"],
)
def test_an_address_that_is_none_is_refused_with_what_to_write(address):
    with pytest.raises(ValueError, match=r"is no address of a Prometheus; write one as in http://"):
        PrometheusSource(address, 15.0)


def test_a_server_that_is_closed_twice_closes_nothing_of_others():
    server = HttpServer(lambda request: Answer(200, "text/plain", b""))
    server.close()
    pipes = [os.pipe() for _ in range(8)]  # they get the numbers that have become free
    server.close()
    for read, write in pipes:
        os.write(write, b"x")
        assert os.read(read, 2) == b"x", "and nothing that the server would have written"
        os.close(read)
        os.close(write)
