"""What every pod is held to, whatever its job asks for: Pod Security `restricted`, and no access to the API but that of
an account which the job names."""

from __future__ import annotations

from wattrain_api.workers import Workers
from wattrain_operator.cluster.objects.identity import Json


def pod_security(workers: Workers) -> Json:
    """Fields of a pod's `spec`. The group of the volumes is the user's own, so that it can write to them."""
    user, account = workers.run_as_user, workers.service_account_name
    return {
        **({"serviceAccountName": account} if account else {}),
        "automountServiceAccountToken": bool(account),
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
