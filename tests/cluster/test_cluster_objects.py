"""What the operator makes of jobs, before a real API server that enforces Pod Security `restricted`."""

import copy
from datetime import UTC, datetime

import pytest
from harness.job_pods import Settings

from wattrain_api import names
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.objects import child_of, network_policy_of, pod_of, service_of
from wattrain_operator.core.observed import CreateChild
from wattrain_operator.core.roles import Role

PODS, SERVICES = "/api/v1/namespaces/{}/pods", "/api/v1/namespaces/{}/services"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"
RECIPE = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 2}}
SCRIPT = {"script": {"command": ["python", "train.py"], "args": ["--text", "a $(B) $$ \u00e9\u4e2d\n\t\"'"]}}
EVERYTHING = {
    "image": "theirs:2",
    "storage": {"claim": "disk"},
    "workers": {
        "replicas": 3, "runAsUser": 1000, "schedulerName": "other",
        "nodeSelector": {"zone": "a"}, "imagePullSecrets": ["pull"],
        "resources": {"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": 1, "memory": "1Gi"}},
        "env": [{"name": "A", "value": "$(B) $$"}, {"name": "WATTRAIN_JOB", "value": "x"}],
        "volumes": [
            {"claim": "disk", "mountPath": "/all"}, {"claim": "books", "mountPath": "/books", "readOnly": True},
            {"emptyDir": "1Gi", "mountPath": "/tmp"}, {"configMap": "settings", "mountPath": "/settings"},
        ],
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}, {"operator": "Exists"}],
        "topologySpread": [{"topologyKey": "kubernetes.io/hostname", "maxSkew": 2}],
    },
}  # fmt: skip
JOBS = {
    "a recipe": ("digits", RECIPE),
    "a recipe on a claim, with its data on another": (
        "digits",
        {**RECIPE, "storage": {"claim": "disk"}, "data": {"source": {"claim": {"name": "in", "path": "a.csv"}}}},
    ),
    "a script with everything": ("digits", {**SCRIPT, **EVERYTHING}),
    "the longest names": ("9" + "x" * 46, {**RECIPE, "storage": {"claim": "c" * 63}}),
    "long variables": (
        "digits", {**SCRIPT, "workers": {"env": [{"name": f"V{i}", "value": "x" * 9000} for i in range(40)]}}
    ),
}  # fmt: skip


@pytest.fixture
def api(cluster):
    with cluster.api() as connection:
        yield connection


@pytest.fixture
def tried(api, namespace):
    """What the API server says to a creation that it does not carry out, strict about fields that it does not know."""
    return lambda path, body: api.request(
        "POST", f"{path.format(namespace)}?dryRun=All&fieldValidation=Strict", body
    )  # fmt: skip


def job_of(namespace, name, spec):
    metadata = {"name": name, "namespace": namespace, "uid": "6f1f3a52-0f25-4dd4-bc0c-1d1d5f3f8f6e"}
    return TrainingJob.model_validate({"metadata": metadata, "spec": spec})


def child(job, role=Role.WORKER, attempt=1234, worker=0):
    made = names.child_name(job.metadata.name, role, attempt, worker)
    return CreateChild(made, role, attempt, worker, job.spec.workers.replicas, 2)


@pytest.mark.parametrize("which", JOBS)
def test_its_pods_its_service_and_its_policy_are_taken(tried, namespace, which):
    job = job_of(namespace, *JOBS[which])
    made = [
        (SERVICES, service_of(job)),
        (POLICIES, network_policy_of(job)),
        (PODS, pod_of(job, child(job), Settings())),
        (PODS, pod_of(job, child(job, Role.PREPARE), Settings())),
    ]
    for path, body in made:
        reply = tried(path, body)
        assert reply.status == 201, reply.message


def test_the_namespace_would_refuse_a_pod_that_breaks_a_rule(tried, namespace):
    job = job_of(namespace, *JOBS["a recipe"])
    pod = pod_of(job, child(job), Settings())
    root = copy.deepcopy(pod)
    root["spec"]["securityContext"]["runAsNonRoot"] = False
    root["spec"]["containers"][0]["securityContext"].pop("runAsNonRoot")
    assert "violates PodSecurity" in tried(PODS, root).message
    misspelt = copy.deepcopy(pod)
    misspelt["spec"]["hostName"] = "x"
    assert "unknown field" in tried(PODS, misspelt).message


def test_what_the_api_server_shows_of_a_new_pod_is_the_child_that_was_asked_for(api, namespace):
    job = job_of(namespace, *JOBS["a recipe"])
    pod = pod_of(job, child(job, worker=7), Settings())
    del pod["metadata"]["ownerReferences"]  # its job is not there: the garbage collector would take it away
    api.create(PODS.format(namespace), pod)
    seen = child_of(api.get(f"{PODS.format(namespace)}/digits-1234-7"), datetime.now(UTC))
    assert (seen.role, seen.attempt, seen.worker, seen.phase, seen.ended) == ("worker", 1234, 7, "Pending", False)
    assert seen.terminating_seconds is None
