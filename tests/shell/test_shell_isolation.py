"""What belongs to somebody else: other namespaces, other owners, and names that are taken."""

import pytest

from wattrain_operator.cluster.kube.resources import NETWORK_POLICIES, PODS, SERVICES

from .conftest import until
from .stage import Stage, job_keys
from .wide import neighbour, operator_of

CONTAINER = {
    "name": "c",
    "image": "i",
    "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}  # fmt: skip


@pytest.fixture
def elsewhere(own_or_shared):
    """A namespace of somebody else."""
    with own_or_shared.namespace() as name:
        yield name


async def stranger(cluster, name, job, owner=None, **metadata):
    """A pod that somebody made by hand, with the labels of a job's own."""
    labels = {"wattrain.dev/job": job, "wattrain.dev/role": "worker", "wattrain.dev/attempt": "1"}
    owners = [] if owner is None else [{**owner, "controller": True}]
    metadata = {"name": name, "labels": labels, "ownerReferences": owners, **metadata}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [CONTAINER]}}
    return await cluster.client.create(PODS, cluster.namespace, body)


def owner_of(body):
    return {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", **names_of(body)}


def names_of(body):
    return {field: body["metadata"][field] for field in ("name", "uid")}


async def until_seen(shell, cluster, name, phase):
    """Until the operator knows the pod `name` of that namespace in `phase`, and has thought about it."""

    async def seen():
        pod = shell.cache._stores["Pod"].objects.get((cluster.namespace, name))
        return pod is not None and pod["status"]["phase"] == phase and not len(shell.queue)

    await until(seen, f"the operator has seen {name} {phase}")


def test_a_pod_in_another_namespace_cannot_pass_for_a_worker_whatever_it_says_of_itself(scenario, elsewhere):
    """It fails in the way that ends a job for good, under the name and with the owner of a worker."""

    async def main(cluster):
        theirs = neighbour(cluster, elsewhere)
        async with operator_of(cluster, cluster.namespace, elsewhere) as shell:
            victim = Stage(cluster, "victim")
            await victim.apply()
            await victim.run()
            before = await cluster.job("victim")
            forged = await stranger(
                theirs, "victim-1-0", "victim", owner_of(victim.body), finalizers=["wattrain.dev/test"]
            )
            try:
                left = {"version": 1, "exitCode": 64, "cause": {"reason": "BadSpec", "exitCode": 64}}
                await theirs.end_pod(forged, 64, left)
                await until_seen(shell, theirs, "victim-1-0", "Failed")
                await shell.resync()
                for key in job_keys(shell):
                    shell.queue.add(key)

                async def idle():
                    return not len(shell.queue) and not shell.queue._in_work

                await until(idle, "nothing to do")
                assert await cluster.job("victim") == before
            finally:
                await theirs.client.merge(PODS, elsewhere, "victim-1-0", {"metadata": {"finalizers": None}})
            await victim.succeed()
            await victim.until_true("Complete")
            assert shell.outcomes["crash"] == 0

    scenario(main)


def test_an_operator_of_one_namespace_does_nothing_in_another(scenario, elsewhere):
    async def main(cluster):
        theirs = neighbour(cluster, elsewhere)
        async with cluster.operator(resync_seconds=1.0) as shell:
            await theirs.apply("not-ours")
            forged = await stranger(theirs, "ours-1-0", "ours")
            stage = Stage(cluster, "ours")
            await stage.apply()
            await stage.run()
            await stage.succeed()
            await stage.until_true("Complete")
            assert await theirs.status("not-ours") == {}
            assert [pod["metadata"]["uid"] for pod in await theirs.pods()] == [forged["metadata"]["uid"]]
            assert await theirs.services() == []
            assert {key.namespace for key in job_keys(shell)} == {cluster.namespace}
            assert shell.outcomes["crash"] == 0

    scenario(main)


@pytest.mark.parametrize("owner", ["nobody", "another kind"])
def test_a_pod_with_the_labels_of_a_job_and_without_its_uid_is_neither_adopted_nor_deleted(scenario, owner):
    async def main(cluster):
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "theirs"}, "spec": {"clusterIP": "None"}}
        made = await cluster.client.create(SERVICES, cluster.namespace, service)
        reference = {"apiVersion": "v1", "kind": "Service", **names_of(made)} if owner == "another kind" else None
        forged = await stranger(cluster, "one-2-0", "one", reference)
        async with cluster.operator() as shell:
            stage = Stage(cluster, "one")
            await stage.apply()

            async def three():
                return len(await stage.pods()) == 3

            await until(three, "two workers beside the stranger")
            for pod in await stage.pods():
                await cluster.run_pod(pod)
            await stage.until_true("Running")
            await cluster.end_pod(forged, 64)  # which would end the job, were it one of its own
            await until_seen(shell, cluster, "one-2-0", "Failed")
            for pod in (await stage.pods())[:2]:
                await cluster.end_pod(pod)
            await stage.until_true("Complete")
            await stage.until_pods(1)
            (left,) = await cluster.pods()
            assert left["metadata"]["uid"] == forged["metadata"]["uid"]
            assert (left["metadata"].get("ownerReferences") or []) == (forged["metadata"].get("ownerReferences") or [])
            assert shell.outcomes["crash"] == 0

    scenario(main)


@pytest.mark.parametrize("resource", [SERVICES, NETWORK_POLICIES], ids=lambda resource: resource.plural)
def test_an_object_of_somebody_else_under_a_name_of_ours_is_left_alone_and_told(scenario, resource):
    async def main(cluster):
        kind, spec = {"services": ("Service", {"clusterIP": "None"})}.get(
            resource.plural, ("NetworkPolicy", {"podSelector": {}})
        )
        version = f"{resource.group}/{resource.version}".removeprefix("/")
        body = {"apiVersion": version, "kind": kind, "metadata": {"name": "mine"}, "spec": spec}
        theirs = await cluster.client.create(resource, cluster.namespace, body)
        async with cluster.operator() as shell:
            stage = Stage(cluster, "mine")
            await stage.apply()
            await stage.until_reason("Running", "NameTaken")
            assert f"{kind} mine is there already" in (await stage.condition("Running"))["message"]
            assert await stage.pods() == []
            assert await cluster.client.get(resource, cluster.namespace, "mine") == theirs
            await cluster.client.delete(resource, cluster.namespace, "mine", theirs["metadata"]["uid"])
            await stage.until_whole(1, seconds=60)
            assert shell.outcomes["crash"] == 0

    scenario(main)
