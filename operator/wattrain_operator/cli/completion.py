"""What a shell offers when somebody presses Tab: names of jobs and contexts, where they can be had quickly."""

from __future__ import annotations

import asyncio
from typing import Final

import typer

_PATIENCE_SECONDS: Final = 1.0
"""A prompt that stands still for longer is worse than one that offers nothing."""


def complete_job(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the jobs in the namespace that is meant, as far as the cluster answers at once."""
    try:
        return [name for name in asyncio.run(_jobs(context)) if name.startswith(incomplete)]
    except Exception:  # whatever it is, a prompt is no place to say so
        return []


def complete_context(context: typer.Context, incomplete: str) -> list[str]:
    """Names of the contexts of the kubeconfig."""
    from wattrain_operator.cluster.kube.kubeconfig import contexts

    try:
        return [name for name in contexts(str(context.params.get("kubeconfig") or "")) if name.startswith(incomplete)]
    except Exception:  # as above
        return []


async def _jobs(context: typer.Context) -> list[str]:
    from wattrain_operator.cluster.kube.resources import TRAINING_JOBS
    from wattrain_operator.remote.connection import Place, connected

    given = {key: str(context.params.get(key) or "") for key in ("kubeconfig", "context", "namespace")}
    async with asyncio.timeout(_PATIENCE_SECONDS), connected(Place(**given)) as connection:
        jobs, _ = await connection.client.list_all(TRAINING_JOBS, connection.namespace)
    return sorted(job["metadata"]["name"] for job in jobs)
