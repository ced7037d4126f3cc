"""Pods of the operator's making on a real node: a plain script in an image that has a Python and nothing of ours.

The image is the operator's own, which has no torch: the script speaks to its peers through plain sockets instead.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from harness.daemon import wait_for
from harness.fixtures import shown_or_skipped
from harness.job_pods import Settings
from harness.node_cluster import NodeCluster
from harness.node_images import provide

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.objects import child_of, pod_of, service_of
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role

PODS = "/api/v1/namespaces/{}/pods"
SCRIPT = """
import os, pathlib, socket, sys, time
rank, peers = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]) - 1
address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    server = socket.create_server(("", address[1]))
    for _ in range(peers):
        server.accept()[0].sendall(b"hello")
else:
    for _ in range(300):
        try:
            print("rank 0 says", socket.create_connection(address).recv(5).decode(), flush=True)
            break
        except OSError:
            time.sleep(0.1)
for place in (os.environ["WATTRAIN_CHECKPOINT_DIR"], "/dev/shm", "/tmp", os.environ["HOME"]):
    pathlib.Path(place).mkdir(parents=True, exist_ok=True)
    (pathlib.Path(place) / f"of-{rank}").write_text("x")
try:
    pathlib.Path("/of-me").write_text("x")
except OSError as error:
    print("the root is", error.strerror)
print("user", os.getuid(), "on", os.environ["WATTRAIN_NODE"], "token", os.path.exists("/var/run/secrets"))
print("step=5 loss=0.5", flush=True)
sys.exit(int(os.environ.get("EXIT", "0")) if rank == 1 else 0)
"""


@pytest.fixture(scope="module")
def image(real_node, pytestconfig):
    """The operator's image, known to the node."""
    if not isinstance(real_node, NodeCluster):
        pytest.skip("NOT TESTED: pods of a foreign image on a cluster that exists; its nodes do not have our image")
    with shown_or_skipped(pytestconfig):
        return provide(real_node, "operator")


@pytest.fixture
def run(real_node, image):
    """Runs the workers of a job with `spec`, and answers its children and logs when all have ended."""
    with real_node.cluster.namespace() as namespace, real_node.cluster.api() as api:

        def started(**spec):
            script = {
                "command": ["python3", "-c", SCRIPT],
                "metricPatterns": {"step": "step=(.)", "loss": "loss=([0-9.]+)"},
            }
            job = TrainingJob.model_validate({
                "metadata": {"name": "talk", "namespace": namespace, "uid": "6f1f3a52-0f25-4dd4-bc0c-1d1d5f3f8f6e"},
                "spec": {"image": image, "script": script, **spec},
            })  # fmt: skip
            api.create(f"/api/v1/namespaces/{namespace}/services", without_owner(service_of(job)))
            paths = []
            for rank in range(job.spec.workers.replicas):
                name = names.child_name("talk", "worker", 1, rank)
                child = CreateChild(name, Role.WORKER, 1, rank, job.spec.workers.replicas, 0)
                settings = Settings("wattrain.dev/worker:none", image, "Never")
                api.create(PODS.format(namespace), without_owner(pod_of(job, child, settings)))
                paths.append(f"{PODS.format(namespace)}/{name}")
            for path in paths:
                over = api.waits_for(path, lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"))
                wait_for(over, seconds=120, what=f"{path} to end")
            children = [child_of(api.get(path), datetime.now(UTC)) for path in paths]
            logs = [
                real_node.cluster.kubectl("logs", path.rpartition("/")[2], f"--namespace={namespace}").stdout
                for path in paths
            ]
            return children, logs

        started.namespace = namespace
        yield started


def without_owner(made):
    """There is no job here: the garbage collector would remove what belongs to one that it does not find."""
    made["metadata"].pop("ownerReferences")
    return made


def test_workers_find_each_other_by_name_and_leave_their_last_word(run):
    children, logs = run(workers={"replicas": 2, "resources": {"limits": {"memory": "256Mi"}}})
    assert [(c.phase, c.worker, c.termination.exit_code) for c in children] == [
        ("Succeeded", 0, 0),
        ("Succeeded", 1, 0),
    ], logs
    assert (children[0].termination.step, children[0].termination.failure) == (5, None)
    assert all(child.termination.energy[0].joules > 0 for child in children)
    assert "rank 0 says hello" in logs[1]
    for log in logs:
        assert "the root is Read-only file system" in log
        assert "user 65532 on" in log
        assert "token False" in log


def test_a_script_that_fails_says_where_and_how(run):
    children, logs = run(workers={"replicas": 2, "env": [{"name": "EXIT", "value": "9"}]})
    failures = [child.termination.failure for child in children if child.phase == "Failed"]
    assert failures, logs
    assert {(f.reason, f.exit_code, f.worker) for f in failures} == {("ProgramFailed", 9, 1)}
    assert all(f.node and f.last_line == "step=5 loss=0.5" for f in failures)


def test_what_is_written_to_a_claim_is_there_afterwards_in_a_directory_of_the_job(run, real_node):
    folder = real_node.provide_claim(run.namespace, "disk")
    children, logs = run(storage={"claim": "disk"})
    assert [child.phase for child in children] == ["Succeeded"], logs
    assert (folder / "talk/checkpoints/of-0").read_text() == "x"
