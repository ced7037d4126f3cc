"""All watches of the operator."""

from __future__ import annotations

from collections.abc import Callable

from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.kopfwatch import KopfWatch
from wattrain_operator.cluster.kube.podwatch import PodWatch
from wattrain_operator.cluster.kube.watch_protocol import Watch


def watches(client: Client, namespaces: tuple[str, ...], took_signals: Callable[[], None]) -> list[Watch]:
    """One for jobs and domains, one for pods in each of `namespaces` (empty: one for all)."""
    return [
        KopfWatch(client.configuration, namespaces, took_signals),
        *(PodWatch(client, namespace) for namespace in namespaces or ("",)),
    ]
