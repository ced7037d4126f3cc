"""How the operator reaches the API server: inside a pod by its service account, elsewhere by a kubeconfig."""

from __future__ import annotations

import datetime
from typing import Any

import kopf
from kubernetes.aio import config as untyped_config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException

from wattrain_operator.cluster.kube.compat import authorization

config: Any = untyped_config
TOKEN_SECONDS = 600
"""How long kopf uses a token before it asks again; projected tokens change every hour."""


class NoClusterError(Exception):
    """There is neither a service account nor a usable kubeconfig."""


async def load_configuration() -> Configuration:
    """The way to the API server. A service account's token is read again as it changes."""
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
        return configuration
    except ConfigException:
        pass
    try:
        await config.load_kube_config(client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError, ValueError) as error:
        raise NoClusterError(
            f"no way to a cluster: not inside a pod, and no usable kubeconfig ({error}); set KUBECONFIG to one"
        ) from None
    return configuration


async def connection_info(configuration: Configuration) -> kopf.ConnectionInfo:
    """The same way, in kopf's words."""
    credential = await authorization(configuration)
    scheme, _, token = credential.partition(" ")
    now = datetime.datetime.now(datetime.UTC)
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert or None,
        ca_data=configuration.ca_cert_data or None,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file or None,
        private_key_path=configuration.key_file or None,
        scheme=scheme if token else None,
        token=token or scheme or None,
        expiration=now + datetime.timedelta(seconds=TOKEN_SECONDS) if credential else None,
    )
