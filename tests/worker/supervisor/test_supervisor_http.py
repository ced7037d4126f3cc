"""What is served, in this process: pages, refusals, metrics."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import metrics
from wattrain_worker.power import Reading
from wattrain_worker.supervisor.exposition import Exposition
from wattrain_worker.supervisor.group import Coordinator
from wattrain_worker.supervisor.server import Server
from wattrain_worker.supervisor.state import State

TOKEN = "secret of the attempt"
READING = Reading("gpu", "GPU-1", "nvml", 250.0, 1000.0, 990.0, 1010.0)


class Client:
    def __init__(self, port: int) -> None:
        self.port = port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()


@pytest.fixture
def state() -> State:
    return State("training", 0, lambda _: None)


@pytest.fixture
def client(state: State) -> Iterator[Client]:
    yield from serve(state, Coordinator(2, 0, lambda: 20_000).exchange)


@pytest.fixture
def member_client(state: State) -> Iterator[Client]:
    yield from serve(state, None)


def serve(state: State, exchange: Any) -> Iterator[Client]:
    def progress() -> dict[str, Any]:
        return {**state.progress(), "generation": 2, "ranksRunning": 1}

    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    server = Server(listening, Exposition(state, progress, lambda: [READING]).text, progress, exchange, TOKEN)
    server.start()
    yield Client(port)
    server.stop()


MESSAGE = json.dumps({"worker": 1, "generation": 0, "state": "waiting", "report": {}}).encode()


def test_a_member_with_the_token_is_answered(client: Client) -> None:
    status, body = client.ask("POST", "/v1/group", MESSAGE, X_Wattrain_Token=TOKEN)
    assert (status, json.loads(body)) == (200, {"action": "wait", "generation": 0, "workers": 2})


@pytest.mark.parametrize("headers", [{}, {"X_Wattrain_Token": ""}, {"X_Wattrain_Token": "wrong"}])
def test_a_member_without_the_token_is_refused(client: Client, headers: dict[str, str]) -> None:
    assert client.ask("POST", "/v1/group", MESSAGE, **headers)[0] == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"worker": 7}', b"[" * 60_000, b"\xff"])
def test_a_message_that_makes_no_sense_is_refused(client: Client, body: bytes) -> None:
    assert client.ask("POST", "/v1/group", body, X_Wattrain_Token=TOKEN)[0] == 400


def test_a_message_that_is_too_long_is_refused(client: Client) -> None:
    assert client.ask("POST", "/v1/group", b"", X_Wattrain_Token=TOKEN, Content_Length="65537")[0] == 413
    assert client.ask("POST", "/v1/group", b"", X_Wattrain_Token=TOKEN, Content_Length="-1")[0] == 411


def test_only_worker_0_decides(member_client: Client) -> None:
    assert member_client.ask("POST", "/v1/group", MESSAGE, X_Wattrain_Token=TOKEN)[0] == 404


def test_pages_that_are_not_there_name_those_that_are(client: Client) -> None:
    assert client.ask("GET", "/") == (404, "there is /healthz, /metrics, /v1/progress\n")
    assert client.ask("GET", "/healthz") == (200, "ok\n")
    assert client.ask("POST", "/metrics", b"")[0] == 404


def full(state: State) -> None:
    state.ingest(
        {"rank": 0, "step": 5, "epoch": 1, "loss": 0.5, "learningRate": 0.1, "gradientNorm": 2.0, "samples": 64,
         "stepSeconds": 0.02, "dataWaitSeconds": 0.25, "validation": {"loss": 0.4, "accuracy": 0.9},
         "checkpoint": {"step": 4, "seconds": 0.5, "blockedSeconds": 0.125, "bytes": 1000}}
    )  # fmt: skip


def test_every_metric_is_one_of_the_api_and_all_of_them_are_there(client: Client, state: State) -> None:
    full(state)
    families = {f.name: f for f in text_string_to_metric_families(client.ask("GET", "/metrics")[1])}
    expected = {m.name.removesuffix("_total") if m.type == "counter" else m.name: m for m in metrics.WORKER_METRICS}
    assert families.keys() == expected.keys()
    for name, metric in expected.items():
        assert (families[name].type, families[name].documentation) == (metric.type, metric.help)
        assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in families[name].samples)


def test_metrics_have_the_reported_values(client: Client, state: State) -> None:
    full(state)
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
    assert metrics.LOSS.name not in names
    assert metrics.CHECKPOINT_STEP.name not in names
