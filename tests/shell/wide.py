"""An operator of several namespaces, with all rights: what the chart's operator of the whole cluster is."""

import asyncio
import contextlib
import copy
from collections.abc import AsyncIterator
from typing import Any

from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell

from .conftest import Cluster


def neighbour(cluster: Cluster, namespace: str) -> Cluster:
    """Another namespace, as its user sees it."""
    return Cluster(cluster.configuration, cluster.client, namespace)


@contextlib.asynccontextmanager
async def operator_of(cluster: Cluster, *namespaces: str, **changes: Any) -> AsyncIterator[Shell]:
    """One operator at work in `namespaces`, without election and servers."""
    client = Client(copy.copy(cluster.client.configuration))
    chosen = {"resync_seconds": 3600.0, "status_interval_seconds": 0.0, **changes}
    shell = Shell(client, OperatorSettings("w:1", "w:1", namespaces=namespaces, **chosen), "test", lambda: True)
    tasks = [asyncio.create_task(shell.run()), asyncio.create_task(shell.watch())]
    try:
        yield shell
    finally:
        for task in tasks:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await shell.close()
        await client.close()
