"""What every pod is held to, whatever its job asks for: Pod Security `restricted` and no access to the API."""

from __future__ import annotations

from wattrain_api.workers import Workers
from wattrain_operator.cluster.objects.identity import Json


def pod_security(workers: Workers) -> Json:
    """Fields of a pod's `spec`. The group of the volumes is the user's own, so that it can write to them."""
    user = workers.run_as_user
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",  # a claim with a million files is not walked at every start
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def container_security() -> Json:
    """`securityContext` of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
