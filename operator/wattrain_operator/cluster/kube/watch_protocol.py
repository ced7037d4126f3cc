"""What every watch is to the operator, whatever carries it."""

from __future__ import annotations

from typing import Protocol

from wattrain_operator.cluster.kube.resources import Json, Kind


class Sink(Protocol):
    """Takes in what watches see."""

    def take(self, kind: Kind, body: Json, deleted: bool) -> None:
        """An object as it is now, or as it was when it was deleted."""

    def take_list(self, kind: Kind, items: list[Json], version: int, namespace: str) -> None:
        """All objects of a kind in `namespace` (empty: everywhere) as of `version`."""


class Watch(Protocol):
    """A source of what happens to objects."""

    async def run(self, sink: Sink) -> None:
        """Pass on what happens until cancelled, over every error of the API server. What `sink` raises is logged."""
