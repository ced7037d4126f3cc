"""What is served, in this process: pages, refusals, metrics."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import metrics
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Checkpoint, Evaluation, PowerReading, Progress, RankReport
from wattrain_api.kept_connection import KeptConnection
from wattrain_worker.supervisor import server
from wattrain_worker.supervisor.coordinator import Coordinator
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.server import Server
from wattrain_worker.supervisor.step_count import StepCount
from wattrain_worker.supervisor.worker_exposition import metrics_text

TOKEN = "secret of the attempt"
READING = PowerReading("gpu", "nvml", 1000.0, 990.0, 1010.0, 250.0, "GPU-1")


class Client:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def reports() -> RankReports:
    steps = StepCount(is_script=False, first_attempt=True)
    return RankReports(Phase.TRAINING, 0, lambda _: None, steps)


@pytest.fixture
def client(reports: RankReports) -> Iterator[Client]:
    yield from serve(reports, Coordinator(2, 0, lambda: 20_000).exchange)


@pytest.fixture
def member_client(reports: RankReports) -> Iterator[Client]:
    yield from serve(reports, None)


def serve(reports: RankReports, exchange: Any) -> Iterator[Client]:
    def progress() -> Progress:
        return replace(reports.progress(), generation=2, ranks_running=1, power=(READING,))

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    serving = Server(listening, lambda: metrics_text(progress()), progress, exchange, TOKEN)
    serving.start()
    yield Client(port)
    serving.stop()


MESSAGE = json.dumps({"worker": 1, "generation": 0, "state": "waiting", "report": {"step": 0}}).encode()


def test_a_member_with_the_token_is_answered(client: Client) -> None:
    status, body = client.ask("POST", "/v1/group", MESSAGE, X_Wattrain_Token=TOKEN)
    assert (status, json.loads(body)) == (
        200,
        {
            "action": "wait",
            "generation": 0,
            "workers": 2,
            "countedElsewhere": [],
        },
    )


@pytest.mark.parametrize("headers", [{}, {"X_Wattrain_Token": ""}, {"X_Wattrain_Token": "wrong"}])
def test_a_member_without_the_token_is_refused(client: Client, headers: dict[str, str]) -> None:
    assert client.ask("POST", "/v1/group", MESSAGE, **headers)[0] == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"worker": 7}', b"[" * 60_000, b"\xff"])
def test_a_message_that_makes_no_sense_is_refused(client: Client, body: bytes) -> None:
    assert client.ask("POST", "/v1/group", body, X_Wattrain_Token=TOKEN)[0] == 400


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"worker": "0", "state": "running", "report": {"step": 1}}, "worker is '0'"),
        ({"worker": 0, "state": "asleep", "report": {"step": 1}}, "state is 'asleep'"),
        ({"worker": 0, "state": "running"}, "report is None"),
        ({"worker": 5, "state": "running", "report": {"step": 1}}, "worker is 5"),
        ({"worker": 0, "state": "failed", "report": {"step": 1}, "failure": {"exitCode": 0}}, "failure is "),
    ],
)
def test_what_makes_no_sense_is_named(client: Client, message: dict[str, Any], named: str) -> None:
    status, body = client.ask("POST", "/v1/group", json.dumps(message).encode(), X_Wattrain_Token=TOKEN)
    assert (status, body[: len(named)]) == (400, named)


def test_a_message_that_is_too_long_is_refused(client: Client) -> None:
    assert client.ask("POST", "/v1/group", b"", X_Wattrain_Token=TOKEN, Content_Length="65537")[0] == 413
    assert client.ask("POST", "/v1/group", b"", X_Wattrain_Token=TOKEN, Content_Length="-1")[0] == 411


def test_whoever_asks_again_needs_no_new_connection(client: Client) -> None:
    with closing(KeptConnection("127.0.0.1", client.port, 10)) as connection:
        ports = set()
        for _ in range(3):
            assert connection.ask("GET", "/healthz") == (200, b"ok\n")
            status, _ = connection.ask("POST", "/v1/group", MESSAGE, {"X-Wattrain-Token": TOKEN})
            assert status == 200
            assert connection._http.sock is not None
            ports.add(connection._http.sock.getsockname()[1])
        assert len(ports) == 1


def test_what_has_not_been_read_of_a_refused_message_is_no_next_request(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as connection:
        connection.sendall(b"POST /v1/group HTTP/1.1\r\nContent-Length: 65537\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
        answered = b""
        while part := connection.recv(4096):
            answered += part
    assert answered.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close" in answered


def test_no_more_connections_are_kept_than_there_may_be_threads(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_MOST_KEPT", 1)
    with (
        closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)) as first,
        closing(http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)) as second,
    ):
        kept = []
        for connection in (first, second):
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            kept.append(connection.sock is not None)
    assert kept == [True, False]


def test_the_end_of_the_server_ends_the_connections_that_were_kept(reports: RankReports) -> None:
    for client in serve(reports, None):
        connection = KeptConnection("127.0.0.1", client.port, 10)
        assert connection.ask("GET", "/healthz")[0] == 200
    with closing(connection), pytest.raises(ConnectionRefusedError):
        connection.ask("GET", "/healthz")


def test_only_worker_0_decides(member_client: Client) -> None:
    assert member_client.ask("POST", "/v1/group", MESSAGE, X_Wattrain_Token=TOKEN)[0] == 404


def test_pages_that_are_not_there_name_those_that_are(client: Client) -> None:
    assert client.ask("GET", "/") == (404, "there is /healthz, /metrics, /v1/progress\n")
    assert client.ask("GET", "/healthz") == (200, "ok\n")
    assert client.ask("POST", "/metrics", b"")[0] == 404


def test_every_metric_is_one_of_the_api_and_all_of_them_are_there(
    client: Client, reports: RankReports, filled: Callable[..., Any]
) -> None:
    reports.ingest(filled(RankReport, rank=0))
    families = {f.name: f for f in text_string_to_metric_families(client.ask("GET", "/metrics")[1])}
    expected = {exported.name.removesuffix("_total"): exported for exported in metrics.exported_of(metrics.WORKER)}
    assert families.keys() == expected.keys(), (
        "supervisor/rank_reports.py must take each from the field of RankReport; serve() above fills in what the "
        "supervisor itself adds"
    )
    for name, exported in expected.items():
        assert (families[name].type, families[name].documentation) == (exported.metric.type, exported.metric.help)
        assert all(set(sample.labels) - {"le"} == set(exported.labels) for sample in families[name].samples)


def test_metrics_have_the_reported_values(client: Client, reports: RankReports) -> None:
    checkpoint = Checkpoint(4, seconds=0.5, blocked_seconds=0.125, bytes=1000)
    validation = Evaluation(5, 0.4, 0.9)
    reports.ingest(
        RankReport(
            rank=0,
            step=5,
            loss=0.5,
            samples=64,
            step_seconds=0.02,
            validation=validation,
            checkpoint=checkpoint,
        )
    )
    text = client.ask("GET", "/metrics")[1]
    values = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples if "le" not in s.labels}
    assert values["wattrain_worker_loss"] == 0.5
    assert values["wattrain_worker_samples_total"] == 64
    assert values["wattrain_worker_checkpoint_blocked_seconds_total"] == 0.125
    assert values["wattrain_worker_validation_accuracy_ratio"] == 0.9
    assert (values["wattrain_worker_generation"], values["wattrain_worker_ranks_running"]) == (2, 1)
    assert values["wattrain_worker_energy_joules_total"] == 1000.0
    assert (values["wattrain_worker_step_duration_seconds_count"], values["wattrain_worker_power_watts"]) == (1, 250.0)


def test_what_nobody_has_reported_is_absent_rather_than_zero(client: Client) -> None:
    text = client.ask("GET", "/metrics")[1]
    names = {family.name for family in text_string_to_metric_families(text)}
    assert "wattrain_worker_loss" not in names
    assert "wattrain_worker_checkpoint_step" not in names


def test_a_worker_that_has_ended_draws_nothing_and_keeps_its_joules() -> None:
    shown = metrics_text(Progress(power=(READING,)), has_ended=True).decode()
    values = {line.partition("{")[0]: line.rpartition(" ")[2] for line in shown.splitlines()}
    assert values["wattrain_worker_power_watts"] == "0.0"
    assert float(values["wattrain_worker_energy_joules_total"]) == READING.joules > 0
