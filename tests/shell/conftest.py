"""The operator's shell in this process, against a real API server, with the rights that the chart gives it.

Pods have no node: a test plays their life. `scenario` and `namespace` are of the control plane that all test processes
share (or of the cluster of $KUBECONFIG), and of `own_plane` in a test that asks for that one.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from wattrain_operator.cluster.kube.apierrors import NotFoundError
from wattrain_operator.cluster.kube.client import WRITES, Client
from wattrain_operator.cluster.kube.resources import EVENTS, PODS, SERVICES, TRAINING_JOBS, Resource
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.cluster.shell import Shell

Json = dict[str, Any]
NOWHERE = {"wattrain.dev/test": "nowhere"}
"""Labels that no node has: so nobody but the test plays the life of a pod, on a cluster with nodes too."""
SPEC: Json = {
    "recipe": {"name": "logistic-regression"},
    "data": {"source": {"builtin": "digits"}},
    "training": {"epochs": 1, "batchSize": 32},
    "workers": {"replicas": 2},
}


class Died(BaseException):
    """The operator's process has ended: nothing catches it."""


class MortalClient(Client):
    """A client whose process dies as soon as its `lives`-th write has been answered."""

    def __init__(self, configuration: Configuration, lives: int | None = None) -> None:
        super().__init__(configuration)
        self.lives = lives
        self.written: list[str] = []
        self.dead = asyncio.Event()

    async def _send(self, verb: str, resource: Resource, path: str, body: Any, timeout_seconds: float) -> bytes:
        if self.dead.is_set():
            raise Died
        answer = await super()._send(verb, resource, path, body, timeout_seconds)
        if verb in WRITES:
            self.written.append(f"{verb} {resource.plural}")
            if self.lives is not None and len(self.written) >= self.lives:
                self.dead.set()
        if self.dead.is_set():
            raise Died
        return answer


class Cluster:
    """One namespace of the control plane, as a test sees it: with all rights, unlike the operator."""

    def __init__(self, configuration: Callable[[], Awaitable[Configuration]], client: Client, namespace: str) -> None:
        self.configuration, self.client, self.namespace = configuration, client, namespace
        """`configuration` makes the way to the API server that the operator takes, with its rights."""

    async def apply(self, name: str, spec: Json | None = None) -> Json:
        """Create a job, whose pods no node takes unless `spec` selects nodes itself."""
        body = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob"}
        chosen = spec or SPEC
        chosen = {**chosen, "workers": {"nodeSelector": NOWHERE, **chosen.get("workers", {})}}
        body |= {"metadata": {"name": name, "namespace": self.namespace}, "spec": chosen}
        return await self.client.create(TRAINING_JOBS, self.namespace, body)

    async def job(self, name: str) -> Json:
        return await self.client.get(TRAINING_JOBS, self.namespace, name)

    async def status(self, name: str) -> Json:
        return (await self.job(name)).get("status") or {}

    async def pods(self) -> list[Json]:
        return (await self.client.list_all(PODS, self.namespace))[0]

    async def events(self) -> list[Json]:
        found = (await self.client.list_all(EVENTS, self.namespace))[0]
        return [event for event in found if event["regarding"]["kind"] == "TrainingJob"]

    async def services(self) -> list[Json]:
        return (await self.client.list_all(SERVICES, self.namespace))[0]

    async def set_pod(self, pod: Json, status: Json) -> None:
        """Play the kubelet."""
        current = await self.client.get(PODS, self.namespace, pod["metadata"]["name"])
        del current["metadata"]["resourceVersion"]  # the scheduler writes too
        await self.client.update(PODS, {**current, "status": {**current.get("status", {}), **status}}, "status")

    async def run_pod(self, pod: Json) -> None:
        await self.set_pod(pod, {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]})

    async def end_pod(self, pod: Json, exit_code: int = 0, left: Json | None = None, *, sidecar: bool = False) -> None:
        """`sidecar`: a container that admission has put into the pod, beside its own, goes on."""
        ended = {"exitCode": exit_code, "message": json.dumps(left) if left else ""}
        statuses = [_container(pod["spec"]["containers"][0]["name"], {"terminated": ended})]
        if sidecar:
            statuses.insert(0, _container("mesh-proxy", {"running": {}}))
        phase = "Running" if sidecar else "Failed" if exit_code else "Succeeded"
        await self.set_pod(pod, {"phase": phase, "conditions": [], "containerStatuses": statuses})

    async def delete_pod(self, pod: Json) -> None:
        metadata = pod["metadata"]
        await self.client.delete(PODS, self.namespace, metadata["name"], metadata["uid"])

    async def delete_job(self, job: Json) -> None:
        await self.client.delete(TRAINING_JOBS, self.namespace, job["metadata"]["name"], job["metadata"]["uid"])

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Every pod runs as soon as it is there, and succeeds as soon as its whole group runs."""
        task = asyncio.create_task(self._play())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _play(self) -> None:
        while True:
            pods = [pod for pod in await self.pods() if not pod["metadata"].get("deletionTimestamp")]
            for pod in pods:
                with contextlib.suppress(NotFoundError):
                    await self._step(pod, pods)
            await asyncio.sleep(0.05)

    async def _step(self, pod: Json, pods: list[Json]) -> None:
        phase, job = pod["status"]["phase"], pod["metadata"]["labels"]["wattrain.dev/job"]
        if phase == "Pending":
            await self.run_pod(pod)
        elif phase == "Running" and await self._runs_or_is_over(job):
            await self.end_pod(pod, 0, {"version": 1, "exitCode": 0, "step": 7})

    async def _runs_or_is_over(self, job: str) -> bool:
        """Whether all workers of `job` run, or have. Its state says Starting until they tell a step: these do not."""
        told = (await self.status(job)).get("conditions") or ()
        return any(c["type"] in ("Running", "Complete") and c["status"] == "True" for c in told)

    @contextlib.asynccontextmanager
    async def operator(self, *, lives: int | None = None, **changes: Any) -> AsyncIterator[Shell]:
        """The operator at work in this namespace, with its watches; without election and servers."""
        client = MortalClient(await self.configuration(), lives)
        chosen = {"resync_seconds": 3600.0, "status_interval_seconds": 0.0, **changes}
        settings = OperatorSettings("worker:1", "worker:1", namespaces=(self.namespace,), **chosen)
        shell = Shell(client, settings, "test", lambda: not client.dead.is_set())
        working = asyncio.create_task(shell.run())
        self.watch(shell)
        try:
            yield shell
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await self.unwatch()
            await shell.close()
            await client.close()

    def watch(self, shell: Shell) -> None:
        """Start the watches, which begin with LISTs of their own."""
        self._watching = asyncio.create_task(shell.watch())

    async def unwatch(self) -> None:
        """End the watches."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)


def _container(name: str, state: Json) -> Json:
    return {"name": name, "image": "i", "imageID": "i", "restartCount": 0, "ready": False, "state": state}


@pytest.fixture
def scenario(own_or_shared, namespace, operator_kubeconfig) -> Callable[[Callable[[Cluster], Awaitable[None]]], None]:
    """Runs a coroutine function that gets a Cluster, in an event loop of its own."""

    async def configuration(kubeconfig: Path) -> Configuration:
        made = Configuration()
        await config.load_kube_config(config_file=str(kubeconfig), client_configuration=made)
        return made

    async def main(story: Callable[[Cluster], Awaitable[None]]) -> None:
        client = Client(await configuration(own_or_shared.kubeconfig))
        try:
            async with asyncio.timeout(240):
                await story(Cluster(lambda: configuration(operator_kubeconfig), client, namespace))
        finally:
            await client.close()
            await asyncio.sleep(0.2)  # aiohttp's connections end by TLS's rules after they are closed

    return lambda story: asyncio.run(main(story))


async def until(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 30) -> None:
    """Wait until `holds` answers yes."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"after {seconds:.0f} s still not: {what}"
        await asyncio.sleep(0.02)


@pytest.fixture(name="until")
def _until() -> Callable[..., Awaitable[None]]:
    return until
