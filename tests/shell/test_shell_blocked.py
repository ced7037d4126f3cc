"""What keeps workers from starting, or from going, and is told after some seconds."""

from wattrain_operator.cluster.kube.resources import PODS, Resource
from wattrain_operator.core import blocked

from .stage import Stage

OLD_EVENTS = Resource("", "v1", "events")
"""As kubelets write them."""


async def until_told(stage, until, *words, seconds=30):
    async def told():
        message = (await stage.status()).get("message", "")
        return all(word in message for word in words)

    await until(told, f"the message of {stage.name} has {words}", seconds)


def test_a_scheduler_that_nobody_runs_is_told(scenario, until, monkeypatch):
    monkeypatch.setattr(blocked, "OVERLOOKED_PATIENCE_SECONDS", 1.0)

    async def story(cluster):
        async with cluster.operator():
            stage = Stage(cluster, "unscheduled")
            await stage.apply(workers={"replicas": 2, "schedulerName": "volcano"})
            await until_told(stage, until, "cannot start (NotScheduled)", "volcano", "workers.schedulerName")

    scenario(story)


async def play_a_kubelet_that_cannot_mount(cluster, stage):
    """Each pod waits, and says nothing of it; its events do. They come again, as a kubelet tries again."""
    for pod in await stage.pods(1):
        waits = {"name": "worker", "image": "i", "imageID": "", "restartCount": 0, "ready": False,
                 "state": {"waiting": {"reason": "ContainerCreating"}}}  # fmt: skip
        on_node = {"type": "PodScheduled", "status": "True"}
        await cluster.set_pod(pod, {"phase": "Pending", "conditions": [on_node], "containerStatuses": [waits]})
        body = {
            "metadata": {"name": f"{pod['metadata']['name']}.1", "namespace": cluster.namespace},
            "involvedObject": {
                "apiVersion": "v1", "kind": "Pod", "namespace": cluster.namespace, "name": pod["metadata"]["name"],
                "uid": pod["metadata"]["uid"],
            },
            "type": "Warning", "reason": "FailedMount", "message": 'MountVolume.SetUp: configmap "own" not found',
            "firstTimestamp": "2100-01-01T00:00:00Z", "lastTimestamp": "2100-01-01T00:00:00Z", "count": 3,
            "source": {"component": "kubelet"},
        }  # fmt: skip
        await cluster.client.create(OLD_EVENTS, cluster.namespace, body)


def test_a_volume_that_cannot_be_mounted_is_told_from_the_events_of_the_pod(scenario, until):
    async def story(cluster):
        async with cluster.operator() as shell:
            stage = Stage(cluster, "unmounted")
            await stage.apply(workers={"replicas": 2, "schedulerName": "nobody"})  # who would write to the pods, too
            await stage.until_whole(1)
            assert shell.client.requests["list", "events", 200] == 0
            await play_a_kubelet_that_cannot_mount(cluster, stage)
            await until_told(stage, until, "cannot start (FailedMount)", 'configmap "own" not found')

            async def one_warning():
                told = [e["note"] for e in await cluster.events() if e["reason"] == "WorkerCannotStart"]
                return len([note for note in told if "FailedMount" in note]) == 1

            await until(one_warning, "one event of the mount")
            assert 1 <= shell.client.requests["list", "events", 200] <= 2
            await stage.run()
            assert (await stage.condition("Running"))["status"] == "True"

    scenario(story)


def test_a_foreign_finalizer_of_a_worker_that_has_ended_is_told_and_the_job_goes_on_without_it(scenario, until):
    async def story(cluster):
        async with cluster.operator():
            stage = Stage(cluster, "kept")
            await stage.apply(policy={"maxRestarts": 2})
            await stage.run()
            pod, _ = await stage.pods(1)
            name = pod["metadata"]["name"]
            keep = {"metadata": {"finalizers": ["example.com/audit"]}}
            await cluster.client.merge(PODS, cluster.namespace, name, keep)
            await stage.fail(1)
            await until_told(stage, until, f"{name} has ended and cannot go (example.com/audit)")
            assert await stage.pods(2) == []
            await cluster.client.merge(PODS, cluster.namespace, name, {"metadata": {"finalizers": None}})
            await stage.until_whole(2, seconds=60)
            await stage.run(2)

    scenario(story)
