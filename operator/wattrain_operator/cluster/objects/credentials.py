"""What a job names that gives its pods rights or secrets: an account, Secrets.

Whoever may create TrainingJobs need not be allowed to use them. An admission policy checks it, with the rights of the
user who creates the job; where there is none, and nobody has said that all users are trusted, such jobs are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from wattrain_api.workers import Workers
from wattrain_operator.cluster.objects.identity import UnbuildableError

Credentials = Literal["allowed", "refused"]


def check_credentials(workers: Workers, credentials: Credentials) -> None:
    """UnbuildableError where `workers` name an account or a Secret and may not."""
    field = next(_fields(workers), "") if credentials == "refused" else ""
    if field:
        raise UnbuildableError(
            f"spec.workers.{field}: jobs may not name Secrets or service accounts in this cluster; remove it, or ask "
            "who runs the cluster for worker.credentials: Checked, a value of the chart"
        )


def _fields(workers: Workers) -> Iterator[str]:
    if workers.service_account_name:
        yield "serviceAccountName"
    for index, variable in enumerate(workers.env):
        if variable.value_from is not None and variable.value_from.secret_key_ref is not None:
            yield f"env[{index}].valueFrom.secretKeyRef"
    for index, source in enumerate(workers.env_from):
        if source.secret_ref is not None:
            yield f"envFrom[{index}].secretRef"
    for index, volume in enumerate(workers.volumes):
        if volume.secret is not None:
            yield f"volumes[{index}].secret"
        for part, projection in enumerate(volume.projected or ()):
            if projection.secret is not None:
                yield f"volumes[{index}].projected[{part}].secret"
