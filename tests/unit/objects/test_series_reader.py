"""Series of carbon intensity that the operator reads from ConfigMaps, and what it says of them. All are made by us."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any, cast

import pytest

from wattrain_api.powerdomain import CarbonIntensity, ConfigMapSeries, PowerDomainSpec
from wattrain_operator.cluster.kube.apierrors import ForbiddenError, NotFoundError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.series_reader import READ_SECONDS, RETRY_SECONDS, SeriesReader
from wattrain_operator.core.domains import Domain
from wattrain_operator.core.observed import NO_SERIES, CarbonView

GRID = CarbonIntensity(config_map=ConfigMapSeries(name="grid", namespace="power"))
DOMAIN = Domain("hall", PowerDomainSpec(carbon=GRID))
ENTRIES = [{"location": "MADE-UP", "timestamp": "2026-12-01T12:00:00Z", "duration": 60, "value": 300}]


class Server:
    """An API server with one ConfigMap, or an error."""

    def __init__(self, answer: Any) -> None:
        self.answer, self.asked = answer, 0

    async def get(self, _resource: object, namespace: str, name: str) -> Any:
        assert (namespace, name) == ("power", "grid")
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Reading:
    """Sources with a clock of their own, read once at a time."""

    def __init__(self, answer: Any) -> None:
        self.server, self.now = Server(answer), 0.0
        self.changed: list[str] = []
        self.sources = SeriesReader(cast(Client, self.server), self.changed.append, lambda: self.now)

    def read(self, seconds: float = 0.0) -> CarbonView:
        self.now += seconds
        self.sources.view(DOMAIN)

        async def once() -> None:
            running = asyncio.create_task(self.sources.run())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            running.cancel()

        asyncio.run(once())
        return self.sources.view(DOMAIN)


def binary(content: bytes) -> dict[str, Any]:
    return {"binaryData": {"data": base64.b64encode(content).decode()}}


def test_a_configmap_is_awaited_then_read_and_again_after_its_interval() -> None:
    reading = Reading(binary(json.dumps(ENTRIES).encode()))
    assert reading.sources.view(DOMAIN).awaited
    view = reading.read()
    assert view.series is not None
    assert (view.series.zone, view.problem, reading.changed) == ("MADE-UP", "", ["hall"])
    reading.read(READ_SECONDS - 1)
    assert reading.server.asked == 1
    reading.server.answer = NotFoundError(404, "NotFound", "gone")
    failed = reading.read(1)
    assert (failed.series, failed.problem) == (view.series, "there is no ConfigMap power/grid; create it")
    reading.server.answer = {"data": {"data": "time,gramsPerKWh\n2026-12-01T13:00:00Z,200\n"}}
    newer = reading.read(RETRY_SECONDS)
    assert (newer.problem, reading.server.asked) == ("", 3)
    assert newer.series is not None
    assert newer.series.intervals[-1].grams_per_kwh == 200


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (ForbiddenError(403, "Forbidden", "no"), "may not be read; name it in carbon.configMaps of the chart"),
        ({"data": {"other": ""}}, "it has no key data; write carbon.configMap.key"),
        ({"binaryData": {"data": "!"}}, "key data is no base64"),
        (binary(b"[{}]"), "ConfigMap power/grid: entry 1: "),
    ],
)
def test_a_configmap_that_cannot_be_read_is_told_of_with_a_remedy(answer: Any, sentence: str) -> None:
    view = Reading(answer).read()
    assert (view.series, view.awaited) == (None, False)
    assert sentence in view.problem


def test_a_domain_without_a_series_is_never_asked_for() -> None:
    reading = Reading(ForbiddenError(403, "Forbidden", "no"))
    assert reading.sources.view(Domain("plain", PowerDomainSpec())) == NO_SERIES
    assert reading.sources.view(Domain("broken", None)) == NO_SERIES
    assert reading.server.asked == 0


@pytest.mark.parametrize("answer", [RuntimeError("a defect"), [], None])
def test_a_defect_in_reading_is_told_and_ends_nothing_else(answer: Any) -> None:
    reading = Reading(answer)
    assert "for a defect" in reading.read().problem
    reading.server.answer = binary(json.dumps(ENTRIES).encode())
    assert reading.read(RETRY_SECONDS).series is not None


def test_a_duration_beyond_every_calendar_is_told_as_what_is_wrong_with_the_series() -> None:
    entries = json.dumps([{**ENTRIES[0], "duration": "1e300:0:0"}]).encode()
    assert "beyond every calendar" in Reading(binary(entries)).read().problem
