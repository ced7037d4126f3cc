"""Where the page has its figures from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from wattrain_operator.dashboard.http_server import Answer

API = "/api/v1/"
"""Of Prometheus; a source answers what is below it."""
JSON_TYPE = "application/json"


@dataclass(frozen=True)
class TimedEvent:
    """A line of events.jsonl."""

    time: str
    type: str
    reason: str
    message: str


@dataclass(frozen=True)
class JobStory:
    """What is known of a job beside its figures."""

    namespace: str
    name: str
    state: str
    message: str
    events: tuple[TimedEvent, ...]
    has_receipt: bool
    silent_since: float | None = None
    """When the last was heard of a job that ended without a word, as by kill -9, in seconds since 1970.
    None: it goes on, or has said how it ended."""
    resumes: str = ""
    """How such a job is gone on with."""


@dataclass(frozen=True)
class About:
    """What the page has to know before it asks for anything."""

    kind: Literal["prometheus", "runs"]
    what: str
    """For the reader: the address of a Prometheus, or directories."""
    scrape_seconds: float
    """How often a figure is taken."""
    start: float | None = None
    """When the runs began, in seconds since 1970; None: the page looks back from now."""
    end: float | None = None
    """When they ended, or were last heard of; None: one still runs."""
    jobs: tuple[JobStory, ...] = ()


class Source(Protocol):
    """Answers the requests of the page."""

    def about(self) -> About:
        """What it is, now."""

    def ask(self, path: str, parameters: Mapping[str, Sequence[str]]) -> Answer:
        """The answer of Prometheus' HTTP API to `path` below `API`."""

    def receipt(self, namespace: str, name: str) -> bytes | None:
        """receipt.html of a job; None: there is none."""


def about_as_json(about: About) -> bytes:
    """`about` for the page."""
    return json.dumps(asdict(about)).encode()


def success(data: object) -> Answer:
    """An answer in the shape of Prometheus' HTTP API."""
    return Answer(200, JSON_TYPE, json.dumps({"status": "success", "data": data}).encode())


def failure(status: int, kind: str, why: str) -> Answer:
    """The same for what cannot be answered; `kind` is a word for programs."""
    return Answer(status, JSON_TYPE, json.dumps({"status": "error", "errorType": kind, "error": why}).encode())
