"""What admission does to pods: refuses them, or makes others of them. The operator tells the one, and bears the other.

Policies are for the whole cluster; these match one namespace each.
"""

import contextlib

import pytest
from harness.daemon import wait_for

from wattrain_operator.cluster.kube.resources import Resource

from .stage import Stage, until_at_rest
from .test_shell_isolation import CONTAINER

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
LIMIT_RANGES = Resource("", "v1", "limitranges")
PROBE = {"metadata": {"name": "probe", "labels": {"probe": "yes"}}, "spec": {"containers": [CONTAINER]}}


@pytest.fixture
def policy(own_or_shared, namespace):
    """Makes policies of either kind for new pods of the namespace, in force before it returns."""
    with own_or_shared.api() as api, contextlib.ExitStack() as stack:

        def make(kind, spec, binding, in_force):
            rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
            here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
            spec = {"failurePolicy": "Fail", "matchConstraints": {**here, "resourceRules": rules}, **spec}
            metadata = {"name": f"{namespace}.wattrain.dev"}
            for plural, body in (
                (f"{kind.lower()}admissionpolicies", spec),
                (f"{kind.lower()}admissionpolicybindings", {"policyName": metadata["name"], **binding}),
            ):
                api.create(f"{ADMISSION}/{plural}", {"metadata": metadata, "spec": body})
                stack.callback(api.delete, f"{ADMISSION}/{plural}/{metadata['name']}")
            path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
            wait_for(lambda: in_force(api.request("POST", path, PROBE)), seconds=30, what="the policy to be in force")

        yield make


def validating(policy, expression, message):
    spec = {"validations": [{"expression": expression, "message": message}]}
    policy("Validating", spec, {"validationActions": ["Deny"]}, lambda reply: message in reply.message)


def mutating(policy, patches, in_force):
    made = ", ".join(f"JSONPatch{{op: 'add', path: '{path}', value: {value}}}" for path, value in patches.items())
    mutation = {"patchType": "JSONPatch", "jsonPatch": {"expression": f"[{made}]"}}
    policy("Mutating", {"reinvocationPolicy": "Never", "mutations": [mutation]}, {}, in_force)


async def refused(stage):
    """Create the job, wait until it says that its pods are refused, and return how."""
    await stage.apply()
    await stage.until_reason("Running", "CreationRefused")
    return (await stage.condition("Running"))["message"]


def test_pods_that_a_policy_refuses_are_told_with_its_own_words(scenario, policy):
    validating(policy, "false", "no pods before the audit is over")

    async def main(cluster):
        async with cluster.operator() as shell:
            stage = Stage(cluster, "one")
            message = await refused(stage)
            assert "no pods before the audit is over" in message
            assert "Pod one-1-0" in message
            assert await stage.pods() == []
            status = await stage.status()
            assert (status["attempt"], status["restartCount"], status["message"]) == (1, 0, message)
            assert shell.outcomes["crash"] == 0

    scenario(main)


def test_a_group_of_which_a_policy_refuses_one_worker_is_taken_back_whole(scenario, policy):
    validating(
        policy, "!has(object.metadata.labels.probe) && !object.metadata.name.endsWith('-3')", "this name is unlucky"
    )

    async def main(cluster):
        async with cluster.operator() as shell:
            stage = Stage(cluster, "one", replicas=4)
            assert "this name is unlucky" in await refused(stage)
            await stage.until_pods(0)
            assert (await stage.status())["restartCount"] == 0
            assert shell.outcomes["crash"] == 0

    scenario(main)


def test_pods_of_which_a_policy_makes_what_pod_security_refuses_name_that_as_the_remedy(scenario, policy):
    """Pods of the operator's own making pass `restricted`; so somebody else has to spoil them."""
    mutating(policy, {"/spec/hostIPC": "true"}, lambda reply: "violates PodSecurity" in reply.message)

    async def main(cluster):
        async with cluster.operator() as shell:
            stage = Stage(cluster, "one")
            message = await refused(stage)
            assert "violates PodSecurity" in message
            assert "Pod Security level allows" in message
            assert await stage.pods() == []
            assert shell.outcomes["crash"] == 0

    scenario(main)


def test_what_a_policy_changes_in_pods_is_not_fought_with(scenario, policy):
    patches = {
        "/metadata/labels/touched": "'yes'", "/spec/terminationGracePeriodSeconds": "7",
        "/spec/containers/0/image": "'mirror.example/worker:1'",
    }  # fmt: skip
    mutating(policy, patches, lambda reply: reply.body.get("spec", {}).get("terminationGracePeriodSeconds") == 7)

    async def main(cluster):
        async with cluster.operator() as shell:
            stage = Stage(cluster, "one")
            await stage.apply()
            await stage.run()
            assert {pod["metadata"]["labels"]["touched"] for pod in await stage.pods()} == {"yes"}
            await assert_left_alone(shell, stage)

    scenario(main)


def test_what_a_limit_range_adds_to_pods_is_not_fought_with(scenario):
    async def main(cluster):
        limits = [{"type": "Container", "default": {"cpu": "2"}, "defaultRequest": {"cpu": "100m", "memory": "64Mi"}}]
        body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "usual"}, "spec": {"limits": limits}}
        await cluster.client.create(LIMIT_RANGES, cluster.namespace, body)
        async with cluster.operator() as shell:
            stage = Stage(cluster, "one")
            await stage.apply()
            await stage.run()
            wanted = {"limits": {"cpu": "2"}, "requests": {"cpu": "100m", "memory": "64Mi"}}
            assert [pod["spec"]["containers"][0]["resources"] for pod in await stage.pods()] == [wanted] * 2
            await assert_left_alone(shell, stage)

    scenario(main)


async def assert_left_alone(shell, stage):
    """At rest nothing is written, however often the operator looks; the pods stay, and the job completes."""
    await until_at_rest(shell)
    before, uids = list(shell.client.written), [pod["metadata"]["uid"] for pod in await stage.pods()]
    for _ in range(3):
        await until_at_rest(shell)
    assert shell.client.written == before
    assert [pod["metadata"]["uid"] for pod in await stage.pods()] == uids
    await stage.succeed()
    await stage.until_true("Complete")
    assert shell.outcomes["crash"] == 0
