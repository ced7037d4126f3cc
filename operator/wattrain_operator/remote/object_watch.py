"""Objects as they are and as they change, for as long as somebody looks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, NamedTuple

from wattrain_operator.cluster.kube.apierrors import ApiError, ExpiredError
from wattrain_operator.cluster.kube.backoff import Backoffs
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import Json, Resource

_BUSY: Final = (0, 408, 429, 500, 502, 503, 504)
"""HTTP statuses that pass: no answer, or one that asks to come again."""
_WORTH_TELLING_SECONDS: Final = 3.0


class Seen(NamedTuple):
    """An object as it is now, or as it was when it was deleted."""

    body: Json
    deleted: bool


@dataclass(frozen=True)
class Selection:
    """Which objects to look at."""

    resource: Resource
    namespace: str
    """Empty: of all namespaces."""
    labels: str = ""
    fields: str = ""


class Outage:
    """Whether the API server answers who looks; what was seen last may not be so any more while it does not."""

    def __init__(self) -> None:
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """For how long it has not answered; 0: it answers, or has been silent for less than three seconds."""
        seconds = 0.0 if self._since is None else time.monotonic() - self._since
        return seconds if seconds >= _WORTH_TELLING_SECONDS else 0.0

    def begin(self) -> None:
        """It does not answer, or has not for some time."""
        if self._since is None:
            self._since = time.monotonic()

    def end(self) -> None:
        """It answers."""
        self._since = None


async def changes(client: Client, of: Selection, outage: Outage | None = None) -> AsyncGenerator[list[Seen], None]:
    """First all objects that are there, be it none; then each as it changes. It goes on over outages of the API server
    once it has answered, and notes them in `outage`. ApiError where it does not at first, or refuses."""
    outage = outage or Outage()
    known: dict[tuple[str, str], Json] = {}
    version, answered, pauses = 0, False, iter(Backoffs())
    while True:
        heard = False
        try:
            if not version:
                items, version = await client.list_all(of.resource, of.namespace, of.labels, fields=of.fields)
                outage.end()
                found = {_key(item): item for item in items}
                gone = [Seen(known[key], deleted=True) for key in known.keys() - found.keys()]
                news = [Seen(item, deleted=False) for key, item in found.items() if _is_news(item, known.get(key))]
                known, answered = found, True
                yield [*gone, *news]
            async with aclosing(
                client.watch(of.resource, of.namespace, of.labels, version, fields=of.fields)
            ) as events:
                async for kind, body in events:
                    heard, version = True, int(body["metadata"]["resourceVersion"])
                    if kind == "BOOKMARK":
                        continue
                    deleted = kind == "DELETED"
                    known.pop(_key(body), None) if deleted else known.update({_key(body): body})
                    yield [Seen(body, deleted)]
        except ApiError as error:
            if not answered or not (isinstance(error, ExpiredError) or error.status in _BUSY):
                raise
            outage.begin()
            version = 0
        if heard:
            pauses = iter(Backoffs())
        await asyncio.sleep(next(pauses))


def _key(body: Json) -> tuple[str, str]:
    return str(body["metadata"].get("namespace") or ""), str(body["metadata"]["uid"])


def _is_news(body: Json, before: Json | None) -> bool:
    return before is None or before["metadata"]["resourceVersion"] != body["metadata"]["resourceVersion"]
