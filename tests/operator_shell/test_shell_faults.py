"""The API server away, frozen or forgetful: running jobs are left alone, and what happened meanwhile is caught up."""

import asyncio

import pytest

from wattrain_operator.cluster.client import TRAINING_JOBS


def is_true(status, kind):
    return any(c["type"] == kind and c["status"] == "True" for c in status.get("conditions", ()))


async def until_running(cluster, until, name):
    async def pods_there():
        return len(await cluster.pods()) == 2

    await until(pods_there, "two pods")
    for pod in await cluster.pods():
        await cluster.run_pod(pod)

    async def running():
        return is_true(await cluster.status(name), "Running")

    await until(running, "Running")


async def until_refused(shell, until):
    """Until the operator itself has asked in vain three times."""
    before = unanswered(shell)

    async def noticed():
        return unanswered(shell) >= before + 3

    await until(noticed, "three requests without an answer", seconds=60)


def unanswered(shell):
    return sum(n for (_, _, code), n in shell.client.requests.items() if code == 0 or code >= 500)


async def complete(cluster, until, shell, name):
    for pod in await cluster.pods():
        await cluster.end_pod(pod, 0, {"version": 1, "exitCode": 0, "step": 7})

    async def over():
        return is_true(await cluster.status(name), "Complete")

    await until(over, "Complete", seconds=60)
    status = await cluster.status(name)
    assert (status["attempt"], status["restartCount"]) == (1, 0)
    assert shell.outcomes["crash"] == 0


def test_an_api_server_that_is_killed_for_a_while_restarts_no_job(scenario, until, own_plane):
    async def story(cluster):
        async with cluster.operator(resync_seconds=1.0) as shell:
            await cluster.apply("one")
            await until_running(cluster, until, "one")
            own_plane.kill("kube-apiserver")
            try:
                await until_refused(shell, until)
            finally:
                own_plane.start("kube-apiserver")  # in this thread: it ends with the one that started it
            await complete(cluster, until, shell, "one")

    scenario(story)


def test_a_job_changes_while_etcd_is_frozen_as_soon_as_it_thaws(scenario, until, own_plane):
    async def story(cluster):
        async with cluster.operator(resync_seconds=1.0):
            await cluster.apply("one")
            await until_running(cluster, until, "one")
            with own_plane.frozen("etcd"):
                frozen = asyncio.create_task(cluster.apply("two"))
                done, _ = await asyncio.wait({frozen}, timeout=5)
                assert not done
            await frozen

            async def both():
                return len(await cluster.pods()) == 4

            await until(both, "the pods of the second job", seconds=60)
            ours = [p for p in await cluster.pods() if p["metadata"]["labels"]["wattrain.dev/job"] == "one"]
            assert len(ours) == 2
            status = await cluster.status("one")
            assert (status["attempt"], status["restartCount"], status["state"]) == (1, 0, "Running")

    scenario(story)


@pytest.mark.parametrize("lost", ["deleted", "failed"])
def test_a_worker_that_is_lost_brings_the_group_back_as_another_attempt(scenario, until, lost):
    async def story(cluster):
        async with cluster.operator() as shell:
            await cluster.apply("one")
            await until_running(cluster, until, "one")
            victim = (await cluster.pods())[1]
            if lost == "deleted":
                await cluster.delete_pod(victim)
            else:
                await cluster.end_pod(victim, 1, {"version": 1, "exitCode": 1, "step": 3})

            async def next_attempt():
                attempts = {p["metadata"]["labels"]["wattrain.dev/attempt"] for p in await cluster.pods()}
                return attempts == {"2"} and len(await cluster.pods()) == 2

            await until(next_attempt, "a second attempt, whole, and nothing of the first")
            status = await cluster.status("one")
            assert (status["attempt"], status["restartCount"]) == (2, 1)
            assert status["restarts"][0]["counted"] == (lost == "failed")
            assert shell.outcomes["crash"] == 0

    scenario(story)


def test_a_job_is_suspended_resumed_and_at_last_removed_by_its_ttl(scenario, until):
    async def story(cluster):
        async with cluster.operator() as shell:
            await cluster.apply("one", {"script": {"command": ["x"]}, "image": "i:1", "workers": {"replicas": 2}})
            await until_running(cluster, until, "one")

            async def change(spec):
                job = await cluster.job("one")
                await cluster.client.update(TRAINING_JOBS, {**job, "spec": {**job["spec"], **spec}})

            await change({"suspend": True})

            async def suspended():
                return is_true(await cluster.status("one"), "Suspended") and not await cluster.pods()

            await until(suspended, "Suspended, without pods")
            await change({"suspend": False})
            await until_running(cluster, until, "one")
            await change({"policy": {"ttlSecondsAfterFinished": 0}})
            for pod in await cluster.pods():
                await cluster.end_pod(pod)

            async def gone():
                return shell.cache.count("TrainingJob") == 0 and not await cluster.pods()

            await until(gone, "nothing is left")
            assert shell.outcomes["crash"] == 0

    scenario(story)
