"""The API server away, etcd frozen, watches that expire: running jobs are left alone, what happened is caught up."""

import asyncio
import base64
import json
import time
import urllib.request

import pytest

from wattrain_operator.cluster.kube.apierrors import ApiError
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS

from .conftest import until
from .stage import Stage, is_true, job_keys, say


async def until_refused(shell):
    """Until the operator itself has asked in vain three times."""
    before = unanswered(shell)

    async def noticed():
        return unanswered(shell) >= before + 3

    await until(noticed, "three requests without an answer", seconds=60)


def unanswered(shell):
    return sum(n for (_, _, code), n in shell.client.requests.items() if code == 0 or code >= 500)


async def running_jobs(cluster, count):
    """So many jobs, all running."""
    stages = [Stage(cluster, f"job-{n}") for n in range(count)]
    for stage in stages:
        await stage.apply()
        await stage.run()
    return stages


async def pods_of(stages):
    return {pod["metadata"]["uid"] for stage in stages for pod in await stage.pods()}


async def assert_untouched(stages, uids):
    """No restart that nobody asked for, and the same pods as before."""
    for stage in stages:
        status = await stage.status()
        assert (status["attempt"], status["restartCount"], is_true(status, "Running")) == (1, 0, True)
    assert await pods_of(stages) == uids


async def until_working(cluster, since):
    """Until a new job has its pods; seconds since then."""
    new = Stage(cluster, "new")

    async def applied():
        try:
            await new.apply()
        except ApiError:  # an API server that has just started knows neither the roles nor our kinds at first
            return False
        return True

    await until(applied, "a new job is taken", seconds=60)
    await new.until_whole(1, seconds=60)
    return time.monotonic() - since


async def complete(stages):
    for stage in stages:
        await stage.succeed()
    for stage in stages:
        await stage.until_true("Complete", seconds=60)


@pytest.mark.parametrize("seconds", [5, 60])
def test_an_api_server_that_is_away_for_a_while_restarts_no_job(scenario, own_plane, seconds):
    async def main(cluster):
        async with cluster.operator(resync_seconds=1.0) as shell:
            stages = await running_jobs(cluster, 3)
            uids = await pods_of(stages)
            own_plane.kill("kube-apiserver")
            back_at = time.monotonic() + seconds
            try:
                await until_refused(shell)
                await asyncio.sleep(max(0.0, back_at - time.monotonic()))  # the outage that is the subject
            finally:
                own_plane.start("kube-apiserver")  # in this thread: it ends with the one that started it
            recovery_seconds = await until_working(cluster, time.monotonic())
            await assert_untouched(stages, uids)
            await complete(stages)
            assert shell.outcomes["crash"] == 0
            say(f"API server away for {seconds} s: a new job had its pods {recovery_seconds:.1f} s after its return")

    scenario(main)


def test_while_etcd_is_frozen_nothing_is_decided_and_afterwards_everything(scenario, own_plane):
    async def main(cluster):
        async with cluster.operator(resync_seconds=1.0) as shell:
            stages = await running_jobs(cluster, 3)
            uids = await pods_of(stages)
            late = Stage(cluster, "late")
            with own_plane.frozen("etcd"):
                applying = asyncio.create_task(late.apply())
                done, _ = await asyncio.wait({applying}, timeout=20)  # the outage that is the subject
                assert not done
            thawed_at = time.monotonic()
            await applying
            await late.until_whole(1, seconds=60)
            recovery_seconds = time.monotonic() - thawed_at
            await assert_untouched(stages, uids)
            await complete(stages)
            assert shell.outcomes["crash"] == 0
            say(f"etcd frozen for 20 s: the job of meanwhile had its pods {recovery_seconds:.1f} s after the thaw")

    scenario(main)


def test_a_watch_that_expired_with_deletions_in_between_leaves_phantoms_for_one_list_and_restarts_nothing_else(
    scenario, own_plane
):
    """While the API server is away its objects are deleted in etcd, whose history is then compacted."""

    async def main(cluster):
        async with cluster.operator(resync_seconds=5.0) as shell:
            stages = await running_jobs(cluster, 3)
            gone, bereft, kept = stages
            uids = await pods_of([kept])
            version = (await cluster.job(gone.name))["metadata"]["resourceVersion"]
            victims = [pod["metadata"]["name"] for pod in [*await gone.pods(), (await bereft.pods())[1]]]
            own_plane.kill("kube-apiserver")
            try:
                for name in victims:
                    delete(own_plane, f"/registry/pods/{cluster.namespace}/{name}")
                revision = delete(own_plane, f"/registry/wattrain.dev/trainingjobs/{cluster.namespace}/{gone.name}")
                etcd(own_plane, "kv/compaction", {"revision": revision})
                listed = dict(shell.listed_at)
            finally:
                own_plane.start("kube-apiserver")
            await until_expired(cluster, version)

            async def listed_once():
                return all(shell.listed_at[kind] > listed[kind] for kind in listed)

            await until(listed_once, "one LIST of everything", seconds=60)
            assert {key.name for key in job_keys(shell)} == {bereft.name, kept.name}
            assert shell.cache.pods(cluster.namespace, gone.body["metadata"]["uid"]) == []
            await bereft.run(attempt=2)
            status = await bereft.status()
            assert (status["restartCount"], status["restarts"][0]["counted"]) == (1, False)
            await assert_untouched([kept], uids)
            assert shell.outcomes["crash"] == 0

    scenario(main)


async def until_expired(cluster, version):
    """Until the API server, asked for what happened since `version`, says that it no longer knows."""
    path = f"{TRAINING_JOBS.path(cluster.namespace)}?watch=1&timeoutSeconds=1&resourceVersion={version}"

    async def expired():
        try:
            told = await cluster.client._send("list", TRAINING_JOBS, path, None, 10)
        except ApiError as error:
            return error.status == 410
        return any(json.loads(line)["object"].get("code") == 410 for line in told.splitlines())

    await until(expired, "410 Gone", seconds=60)


def delete(plane, key):
    """Delete an object behind the API server's back; the revision of that."""
    answer = etcd(plane, "kv/deleterange", {"key": base64.b64encode(key.encode()).decode()})
    assert answer["deleted"] == "1", key
    return answer["header"]["revision"]


def etcd(plane, method, body):
    """A request to etcd's gateway."""
    url = f"http://127.0.0.1:{plane.place.etcd_port}/v3/{method}"
    request = urllib.request.Request(url, json.dumps(body).encode())
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)
