"""The way to the cluster that a command takes; what goes wrong on it is said in sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from wattrain_operator.cluster.kube.apierrors import ApiError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.kubeconfig import load_way
from wattrain_operator.cluster.kube.login import NoClusterError
from wattrain_operator.local.refused import Refused
from wattrain_operator.remote.sentences import refused_by


@dataclass(frozen=True)
class Place:
    """Where a person works. What is empty the kubeconfig says."""

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""


@dataclass(frozen=True)
class Connection:
    """A way to the API server, and the namespace to work in."""

    client: Client
    namespace: str


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Connection]:
    """The connection to `place`. Refused where there is none, and for every ApiError inside of the block."""
    try:
        way = await load_way(place.kubeconfig, place.context)
    except NoClusterError as error:
        raise Refused(str(error)) from None
    client = Client(way.configuration, user_agent="wattrain")
    try:
        yield Connection(client, place.namespace or way.namespace)
    except ApiError as error:
        raise refused_by(error, way.configuration.host) from None
    finally:
        await client.close()
