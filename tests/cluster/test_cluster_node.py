"""A real node: pods are processes, they find each other by name, and nothing of it is left afterwards."""

import copy
from pathlib import Path

import pytest
from harness.daemon import wait_for
from harness.node_cluster import NodeCluster

PODS = "/api/v1/namespaces/{}/pods"
CONTAINER = {
    "name": "main",
    "securityContext": {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True,
    },
}  # fmt: skip
POD = {
    "restartPolicy": "Never",
    "terminationGracePeriodSeconds": 1,
    "automountServiceAccountToken": False,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
}


@pytest.fixture
def node(real_node) -> NodeCluster:
    if not isinstance(real_node, NodeCluster):
        pytest.skip("this tests the harness's own node, not a cluster that exists")
    return real_node


@pytest.fixture
def place(node):
    """A namespace of the node's cluster under Pod Security `restricted`."""
    with node.cluster.namespace() as name:
        yield name


@pytest.fixture
def run(node, place):
    """Starts a pod of the probe image with these arguments, and returns its path once it is in `phase`."""

    def started(name: str, *words: str, phase: str = "Running", labels=None, **more) -> str:
        container = copy.deepcopy(CONTAINER) | {"image": node.probe_image, "args": list(words)}
        mounts = more.pop("volumeMounts", [])
        spec = POD | {"containers": [container | {"volumeMounts": mounts}]} | more
        path = f"{PODS.format(place)}/{name}"
        with node.cluster.api() as api:
            api.create(PODS.format(place), {"metadata": {"name": name, "labels": labels or {}}, "spec": spec})
            in_phase = api.waits_for(path, lambda pod: pod["status"].get("phase") == phase)
            wait_for(in_phase, seconds=90, what=f"pod {name} to be {phase}")
        return path

    return started


def test_a_pod_under_pod_security_restricted_runs_and_its_logs_can_be_read(node, place, run):
    run("fails", "unheard", "of", phase="Failed")
    logs = node.cluster.kubectl("logs", "fails", f"--namespace={place}")
    assert (logs.returncode, logs.stdout) == (0, 'unknown command: ["unheard" "of"]\n')
    with node.cluster.api() as api:
        (status,) = api.get(f"{PODS.format(place)}/fails")["status"]["containerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 1


def test_pods_find_each_other_by_the_name_of_a_headless_service_and_through_a_cluster_address(node, place, run):
    services = f"/api/v1/namespaces/{place}/services"
    spec = {"selector": {"app": "server"}, "ports": [{"port": 8080}], "publishNotReadyAddresses": True}
    with node.cluster.api() as api:
        api.create(services, {"metadata": {"name": "group"}, "spec": spec | {"clusterIP": "None"}})
        api.create(services, {"metadata": {"name": "front"}, "spec": spec})
    run("server-0", "serve", ":8080", labels={"app": "server"}, hostname="server-0", subdomain="group")
    run("by-name", "fetch", f"http://server-0.group.{place}.svc.cluster.local:8080", phase="Succeeded")
    run("by-address", "fetch", "http://front:8080", phase="Succeeded")
    for reader in ("by-name", "by-address"):
        assert node.cluster.kubectl("logs", reader, f"--namespace={place}").stdout == "server-0\n"


def test_this_machine_and_the_api_server_reach_a_pod_by_its_address(node, place, run):
    path = run("server", "serve", ":8080")
    with node.cluster.api() as api:
        proxied = api.request("GET", f"{path.replace('/server', '/server:8080')}/proxy/")
    assert proxied.message == "server\n"


def test_a_pod_writes_to_a_claim_that_outlives_it(node, place, run):
    folder = node.provide_claim(place, "kept")
    volume = {"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}
    mount = {"name": "kept", "mountPath": "/kept"}
    path = run("writer", "write", "/kept/word", "hello", phase="Succeeded", volumes=[volume], volumeMounts=[mount])
    with node.cluster.api() as api:
        api.delete(path)
        wait_for(lambda: not api.exists(path), seconds=30, what="the pod to go")
    assert (folder / "word").read_text(encoding="utf-8") == "hello"


def test_a_pod_reaches_the_api_server_by_its_name(node, place, run):
    run("visitor", "fetch", "http://kubernetes.default:443", phase="Succeeded")
    said = node.cluster.kubectl("logs", "visitor", f"--namespace={place}").stdout
    assert said == "Client sent an HTTP request to an HTTPS server.\n"


def test_nothing_of_a_node_is_mounted_or_listed_outside_of_it(node, run):
    run("sleeper")
    assert str(node.folder) not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert not any(Path("/run/netns").glob("cni-*"))
