"""Pods into which an admission policy has put a container that never ends, as service meshes and log shippers do."""

import json

import pytest
from harness.daemon import wait_for

POLICIES = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings"
INJECT = """
[JSONPatch{op: "add", path: "/spec/containers/0", value: Object.spec.containers{
  name: "mesh-proxy", image: object.spec.containers[0].image,
  command: ["python", "-c", "import time; time.sleep(100000)"],
  securityContext: Object.spec.containers.securityContext{
    allowPrivilegeEscalation: false, runAsNonRoot: true,
    capabilities: Object.spec.containers.securityContext.capabilities{drop: ["ALL"]}}}}]
"""


@pytest.fixture
def injects(real_node, place):
    """Every pod of the namespace gets the container mesh-proxy, before its own."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": place}}
    spec = {
        "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
        "reinvocationPolicy": "Never",
        "failurePolicy": "Fail",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": INJECT}}],
    }
    with real_node.cluster.api() as api:
        api.create(POLICIES, {"metadata": {"name": place}, "spec": spec})
        api.create(BINDINGS, {"metadata": {"name": place}, "spec": {"policyName": place}})
        wait_for(lambda: injected(api, place), seconds=60, what="the policy to be in force")
    yield
    with real_node.cluster.api() as api:
        api.delete(f"{BINDINGS}/{place}")
        api.delete(f"{POLICIES}/{place}")


def injected(api, place):
    """Whether a pod that is created now, without being kept, gets the container."""
    container = {"name": "x", "image": "x", "securityContext": {
        "allowPrivilegeEscalation": False, "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }}  # fmt: skip
    body = {"metadata": {"name": "trial"}, "spec": {
        "containers": [container], "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }}  # fmt: skip
    made = api.create(f"/api/v1/namespaces/{place}/pods?dryRun=All", body)
    return [c["name"] for c in made["spec"]["containers"]] == ["mesh-proxy", "x"]


def on_the_claim(spec):
    spec["storage"] = {"claim": "training"}
    spec["workers"] = {"replicas": 2}


def test_a_job_beside_sidecars_trains_once_and_completes(apply, claim, injects):
    job = apply("digits-mlp.yaml", on_the_claim, folder=claim)
    status = job.completes()
    assert (status["attempt"], status["restartCount"]) == (1, 0)
    wait_for(lambda: job.pods() == [], seconds=120, what="the pods to go, though their sidecars would not end")


def test_a_job_completes_though_its_operator_is_away_while_only_the_sidecars_go_on(
    apply, claim, injects, installed, real_node
):
    job = apply("digits-mlp.yaml", on_the_claim, name="unseen", folder=claim)
    job.waits(lambda status: status.get("state") == "Running", "to run")
    scale(real_node, installed, 0)
    try:
        wait_for(lambda: all(own_ended(pod) for pod in job.pods()), seconds=200, what="both workers to be done")
    finally:
        scale(real_node, installed, 1)
    status = job.completes()
    assert (status["attempt"], status["restartCount"]) == (1, 0)
    wait_for(lambda: job.pods() == [], seconds=120, what="the pods to go")


def own_ended(pod):
    states = {c["name"]: c["state"] for c in pod["status"].get("containerStatuses", ())}
    return "terminated" in states.get("worker", states.get("prepare", {}))


def scale(real_node, installed, replicas):
    done = real_node.cluster.kubectl(
        f"--namespace={installed['namespace']}", "get", "deployments", "--output=json"
    ).stdout
    (name,) = [d["metadata"]["name"] for d in json.loads(done)["items"]]
    place = f"--namespace={installed['namespace']}"
    assert real_node.cluster.kubectl(place, "scale", f"deployment/{name}", f"--replicas={replicas}").returncode == 0

    def scaled():
        shown = real_node.cluster.kubectl(place, "get", f"deployment/{name}", "--output=json").stdout
        return json.loads(shown)["status"].get("readyReplicas", 0) == replicas

    wait_for(scaled, seconds=60, what=f"{replicas} operators")
