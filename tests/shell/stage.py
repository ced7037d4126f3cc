"""A job on the stage: what its user, its workers and the cluster do to it, in short steps that wait for each other.

Nothing here knows of an operator: it may die and come back at any moment, and the play goes on.
"""

import contextlib
import sys
from typing import Any

from wattrain_operator.cluster.kube.apierrors import NotFoundError
from wattrain_operator.cluster.kube.cache import JobKey
from wattrain_operator.cluster.kube.resources import NETWORK_POLICIES, PODS, SERVICES, TRAINING_JOBS
from wattrain_operator.cluster.shell import Shell

from .conftest import SPEC, Cluster, Died, until

Json = dict[str, Any]


def say(figure: str) -> None:
    """Tell a figure that nothing is asserted of; `pytest -rP` shows it."""
    sys.stdout.write(f"{figure}\n")


def is_true(status: Json, kind: str) -> bool:
    """Whether the condition `kind` holds."""
    return any(c["type"] == kind and c["status"] == "True" for c in status.get("conditions", ()))


def job_keys(shell: Shell) -> list[JobKey]:
    """What names the jobs that `shell` knows of."""
    return [JobKey(body["metadata"]["namespace"], body["metadata"]["name"]) for body in shell.cache.jobs()]


class Stage:
    """The job `name` in the namespace of `cluster`."""

    def __init__(self, cluster: Cluster, name: str, replicas: int = 2) -> None:
        self.cluster, self.name, self.replicas = cluster, name, replicas
        self.body: Json = {}

    # --- What a user does --------------------------------------------------------------------------------------
    async def apply(self, **spec: Any) -> None:
        """Create the job: two workers of a recipe, but for what `spec` says."""
        workers = {"workers": {"replicas": self.replicas}}
        self.body = await self.cluster.apply(self.name, {**SPEC, **workers, **spec})

    async def change(self, **spec: Any) -> None:
        """As `kubectl patch` does."""
        await self.cluster.client.merge(TRAINING_JOBS, self.cluster.namespace, self.name, {"spec": spec})

    async def delete(self) -> None:
        """As `kubectl delete` does."""
        await self.cluster.delete_job(self.body)

    # --- What its workers do -----------------------------------------------------------------------------------
    async def run(self, attempt: int = 1) -> None:
        """The group of `attempt` becomes whole, runs, and the job says so."""
        await self.until_whole(attempt)
        for pod in await self.pods(attempt):
            await self.cluster.run_pod(pod)
        await self.until_true("Running")

    async def succeed(self, attempt: int = 1, *, sidecar: bool = False) -> None:
        """All workers end well. `sidecar`: beside each goes on what admission has put there."""
        for pod in await self.pods(attempt):
            await self.cluster.end_pod(pod, 0, {"version": 1, "exitCode": 0, "step": 7}, sidecar=sidecar)

    async def fail(self, attempt: int = 1, rank: int = 1, exit_code: int = 1) -> None:
        """One worker fails; each attempt fails at another step."""
        cause = {"reason": "ProgramFailed", "exitCode": exit_code, "rank": rank, "step": attempt, "lastLine": "oh no"}
        left = {"version": 1, "exitCode": exit_code, "step": attempt, "cause": cause}
        await self.cluster.end_pod((await self.pods(attempt))[rank], exit_code, left)

    async def lose(self, attempt: int = 1, rank: int = 1) -> None:
        """Somebody deletes a worker."""
        await self.cluster.delete_pod((await self.pods(attempt))[rank])

    async def set_finalizers(self, pod: str, finalizers: list[str] | None) -> None:
        """Somebody wants to see the end of a pod; None: they have."""
        await self.cluster.client.merge(PODS, self.cluster.namespace, pod, {"metadata": {"finalizers": finalizers}})

    # --- What is there -----------------------------------------------------------------------------------------
    async def pods(self, attempt: int | None = None) -> list[Json]:
        """The job's pods (of `attempt`, if given), in the order of their names."""
        wanted = {"wattrain.dev/job": self.name} | ({"wattrain.dev/attempt": str(attempt)} if attempt else {})
        found = [p for p in await self.cluster.pods() if wanted.items() <= (p["metadata"].get("labels") or {}).items()]
        return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))

    async def workers(self) -> list[Json]:
        """Its pods that train, in the order of their names."""
        return [pod for pod in await self.pods() if pod["metadata"]["labels"]["wattrain.dev/role"] == "worker"]

    async def status(self) -> Json:
        """The job's status."""
        return await self.cluster.status(self.name)

    async def condition(self, kind: str) -> Json:
        """The condition `kind`; empty where there is none yet."""
        conditions = (await self.status()).get("conditions", ())
        return next((c for c in conditions if c["type"] == kind), {})

    async def until_whole(self, attempt: int, seconds: float = 30) -> None:
        """Wait for all workers of `attempt`, and none of any other."""

        async def whole() -> bool:
            labels = [p["metadata"]["labels"] for p in await self.pods()]
            # A preparation that goes has the attempt of the group that comes.
            members = [(each["wattrain.dev/role"], each["wattrain.dev/attempt"]) for each in labels]
            return members == [("worker", str(attempt))] * self.replicas

        await until(whole, f"{self.name}: attempt {attempt} is whole, and alone", seconds)

    async def until_true(self, kind: str, seconds: float = 30) -> None:
        """Wait for a condition."""

        async def holds() -> bool:
            return is_true(await self.status(), kind)

        await until(holds, f"{self.name}: {kind}", seconds)

    async def until_reason(self, kind: str, reason: str, seconds: float = 30) -> None:
        """Wait for the reason of a condition."""

        async def holds() -> bool:
            return (await self.condition(kind)).get("reason") == reason

        await until(holds, f"{self.name}: {kind} for the reason {reason}", seconds)

    async def until_pods(self, count: int) -> None:
        """Wait until the job has so many pods."""

        async def so_many() -> bool:
            return len(await self.pods()) == count

        await until(so_many, f"{self.name}: {count} pods")

    async def until_cpus(self, limit: str) -> None:
        """Wait until all pods of the job may use so many CPUs, and request no more."""

        async def holds() -> bool:
            resources = [pod["spec"]["containers"][0]["resources"] for pod in await self.pods()]
            return all(r["limits"]["cpu"] == limit == r["requests"]["cpu"] for r in resources)

        await until(holds, f"{self.name}: pods with {limit} CPUs")

    async def until_any_pod(self) -> None:
        """Wait for the first one."""

        async def one() -> bool:
            return bool(await self.pods())

        await until(one, f"{self.name}: a pod")

    async def until_nothing_left(self) -> None:
        """Wait until neither the job nor anything of its own is there."""

        async def nothing() -> bool:
            return not await self.left_over()

        # The cluster's garbage collector looks for new kinds, as ours is in a new cluster, every 30 s.
        await until(nothing, f"{self.name}: nothing is left", seconds=90)

    async def left_over(self) -> list[str]:
        """Kind and name of all that is there of the job, without the job's own name."""
        found = [f"Pod {pod['metadata']['name']} {pod['status']['phase']}" for pod in await self.pods()]
        for resource in (SERVICES, NETWORK_POLICIES, TRAINING_JOBS):
            with contextlib.suppress(NotFoundError):
                await self.cluster.client.get(resource, self.cluster.namespace, self.name)
                found.append(resource.plural)
        return [text.replace(self.name, "") for text in found]


async def until_at_rest(shell: Any) -> None:
    """Until the operator has nothing more to do, even where it looks at everything anew; or is dead."""

    async def idle() -> bool:
        working = len(shell.queue) or shell.queue._in_work or len(shell.events) or len(shell.listed_at) < 3
        return bool(shell.client.dead.is_set() or not working)

    written = None
    while written != shell.client.written and not shell.client.dead.is_set():
        await until(idle, "nothing to do")
        written = list(shell.client.written)
        with contextlib.suppress(Died):  # its last write has just been answered
            await shell.resync()
        for key in job_keys(shell):
            shell.queue.add(key)
        await until(idle, "nothing to do")
