"""Images of users, and what a worker may do at the API: nothing."""

import json
import re

import pytest
from harness.daemon import wait_for
from harness.node_cluster import NodeCluster

SCRIPT = "script/train_ddp.py"
LOOK = """
import json, pathlib, ssl, urllib.error, urllib.request
context = ssl._create_unverified_context()
answers = {}
for path in ("/api/v1/namespaces/%(namespace)s/pods", "/apis/wattrain.dev/v1alpha1/trainingjobs", "/api/v1/secrets"):
    try:
        urllib.request.urlopen("https://kubernetes.default.svc" + path, context=context, timeout=10)
        answers[path] = 200
    except urllib.error.HTTPError as error:
        answers[path] = error.code
print(json.dumps({"secrets": pathlib.Path("/var/run/secrets").exists(), "answers": answers}))
"""


@pytest.fixture
def torch_image(real_node, provided):
    """An image with torch, and nothing of ours."""
    if not isinstance(real_node, NodeCluster):
        pytest.skip("NOT TESTED on the cluster of $KUBECONFIG: a foreign image, for its nodes do not have ours")
    return provided("worker-dependencies")


def test_a_plain_script_trains_in_an_image_with_torch_and_nothing_of_ours(apply, real_node, place, torch_image):
    words = ("create", "configmap", "train-ddp", f"--from-file=examples/{SCRIPT}", f"--namespace={place}")
    created = real_node.cluster.kubectl(*words)
    assert created.returncode == 0, created.stderr
    job = apply("script-ddp.yaml", lambda spec: spec.update(image=torch_image))
    status = job.completes()
    assert (status["progress"]["step"], status["progress"]["phase"]) == (300, "done")
    assert 0 < status["progress"]["loss"] < 1
    assert status["energy"]["joules"] > 0
    assert [status["workers"][count] for count in ("desired", "ready", "failed")] == [2, 0, 0]


def test_a_job_whose_image_cannot_be_pulled_says_so_long_before_it_fails(apply):
    job = apply("digits-mlp.yaml", lambda spec: spec.update(image="nowhere.invalid/none:1"))
    status = job.waits(lambda status: "cannot start" in status.get("message", ""), "to say what is in the way")
    assert status["state"] == "Starting"
    assert re.match(r"digits-mlp-1-\d cannot start \(ImagePullBackOff\): .*nowhere\.invalid/none:1", status["message"])

    def told():
        return len(re.findall(r"Warning +WorkerCannotStart", job.kubectl("describe", "trainingjob", "digits-mlp")))

    wait_for(told, seconds=10, what="the event")
    assert told() == 1


def test_a_worker_can_do_nothing_at_the_api(apply, real_node, place):
    def sleeps(spec):
        del spec["recipe"], spec["data"], spec["training"], spec["checkpoint"]
        spec["script"] = {"command": ["python", "-c", "import time; time.sleep(600)"]}
        spec["workers"] = {"replicas": 1}

    job = apply("digits-mlp.yaml", sleeps)
    job.waits(lambda status: status.get("state") == "Running", "to run")
    (pod,) = job.pods()
    said = json.loads(job.kubectl("exec", pod["metadata"]["name"], "--", "python", "-c", LOOK % {"namespace": place}))
    assert said["secrets"] is False
    assert {401, 403} >= set(said["answers"].values())
    account = f"--as=system:serviceaccount:{place}:{pod['spec']['serviceAccountName']}"
    may = job.kubectl("auth", "can-i", "--list", "--no-headers", account, "--as-group=system:authenticated")
    resources = {line.split()[0] for line in may.splitlines() if not re.match(r"\s", line)}
    assert resources == {
        "selfsubjectreviews.authentication.k8s.io",
        "selfsubjectaccessreviews.authorization.k8s.io",
        "selfsubjectrulesreviews.authorization.k8s.io",
    }, may
