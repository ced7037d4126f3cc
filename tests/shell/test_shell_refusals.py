"""What happens when the cluster does not let the operator create what a job needs: quotas, names that are taken."""

import pytest

from wattrain_operator.cluster.kube.resources import PODS, Resource

from .stage import Stage

QUOTAS = Resource("", "v1", "resourcequotas")
LIMIT_RANGES = Resource("", "v1", "limitranges")
LARGE = {"limits": {"cpu": "3", "memory": "1Gi"}}
HOPELESS = {
    "a quota that demands limits": (
        QUOTAS, {"hard": {"limits.memory": "9Gi"}}, {"resources": {"limits": {"cpu": "1"}}}, "CreationRefused",
        "give them in workers.resources",
    ),
    "a quota smaller than the group": (
        QUOTAS, {"hard": {"requests.cpu": "5"}}, {"resources": LARGE}, "QuotaExceeded",
        "2 workers need 2 x requests.cpu=3, more than the whole quota set has (5)",
    ),
    "a LimitRange": (
        LIMIT_RANGES, {"limits": [{"type": "Container", "max": {"cpu": "2"}}]}, {"resources": LARGE},
        "CreationRefused", "change workers.resources",
    ),
    "a PriorityClass that is not there": (
        None, {}, {"priorityClassName": "urgent"}, "CreationRefused", "workers.priorityClassName",
    ),
    "half a device": (
        None, {}, {"resources": {"limits": {"example.com/fpga": "500m"}}}, "CreationRefused",
        "change workers.resources",
    ),
}  # fmt: skip


def running(status):
    return next((c for c in status.get("conditions", ()) if c["type"] == "Running"), {})


async def set_quota(cluster, pods):
    body = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few", "namespace": cluster.namespace}}
    body["spec"] = {"hard": {"pods": str(pods)}}
    return await cluster.client.create(QUOTAS, cluster.namespace, body)


async def until_counted(cluster, until):
    async def counted():
        quota = await cluster.client.get(QUOTAS, cluster.namespace, "few")
        return "pods" in (quota.get("status") or {}).get("used", {})

    await until(counted, "the quota counts")


def test_a_group_that_a_quota_cuts_is_taken_back_whole_and_comes_when_the_quota_allows(scenario, until):
    async def story(cluster):
        await set_quota(cluster, 3)
        await until_counted(cluster, until)
        async with cluster.operator() as shell:
            stage = Stage(cluster, "big", replicas=4)
            await stage.apply()
            await stage.until_reason("Running", "QuotaExceeded")
            status = await stage.status()
            assert "raise the quota" in running(status)["message"]
            assert status["message"] == running(status)["message"]

            async def taken_back():
                return not await cluster.pods() and not len(shell.queue)

            await until(taken_back, "no part of the group is left")

            async def told():
                return [e["type"] for e in await cluster.events() if e["reason"] == "QuotaExceeded"] == ["Warning"]

            await until(told, "one warning")
            quota = await cluster.client.get(QUOTAS, cluster.namespace, "few")
            await cluster.client.update(QUOTAS, {**quota, "spec": {"hard": {"pods": "4"}}})
            await stage.until_whole(1, seconds=60)
            await stage.until_reason("Running", "WorkersStarting")
            status = await stage.status()
            assert (status["attempt"], status["restartCount"]) == (1, 0)
            assert shell.outcomes["crash"] == 0

    scenario(story)


@pytest.mark.parametrize("what", HOPELESS)
def test_a_job_whose_own_spec_is_refused_fails_and_names_the_field_to_change(scenario, until, what):
    resource, spec, workers, reason, remedy = HOPELESS[what]

    async def story(cluster):
        if resource is not None:
            kind = {QUOTAS: "ResourceQuota", LIMIT_RANGES: "LimitRange"}[resource]
            body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "set", "namespace": cluster.namespace}}
            await cluster.client.create(resource, cluster.namespace, {**body, "spec": spec})

        async def in_force():
            quotas = (await cluster.client.list_all(QUOTAS, cluster.namespace))[0]
            return all((quota.get("status") or {}).get("used") for quota in quotas)

        await until(in_force, "the quota counts")
        async with cluster.operator() as shell:
            stage = Stage(cluster, "hopeless")
            await stage.apply(workers={"replicas": 2, **workers}, policy={"startDeadlineSeconds": 2})
            await stage.until_reason("Failed", reason)
            status = await stage.status()
            assert remedy in status["message"], status["message"]
            assert status["state"] == "Failed"
            await stage.until_pods(0)
            assert shell.outcomes["crash"] == 0

    scenario(story)


def test_a_pod_of_somebody_else_under_a_name_of_ours_is_left_alone_and_told(scenario, until):
    async def story(cluster):
        container = {"name": "c", "image": "i", "securityContext": {"allowPrivilegeEscalation": False}}
        container["securityContext"] |= {"capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
        container["securityContext"]["seccompProfile"] = {"type": "RuntimeDefault"}
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "mine-1-1", "labels": {"wattrain.dev/job": "mine"}},
        }
        theirs = await cluster.client.create(PODS, cluster.namespace, body | {"spec": {"containers": [container]}})
        async with cluster.operator() as shell:
            await cluster.apply("mine")

            async def told():
                return running(await cluster.status("mine")).get("reason") == "NameTaken"

            await until(told, "the condition NameTaken")
            assert "mine-1-1" in running(await cluster.status("mine"))["message"]

            async def alone():
                return [p["metadata"]["uid"] for p in await cluster.pods()] == [theirs["metadata"]["uid"]]

            await until(alone, "only the other pod is left")
            await cluster.delete_pod(theirs)

            async def whole():
                pods = await cluster.pods()
                return len(pods) == 2 and all(p["metadata"].get("ownerReferences") for p in pods)

            await until(whole, "both pods of the job", seconds=60)
            assert shell.outcomes["crash"] == 0

    scenario(story)
