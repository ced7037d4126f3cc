"""What a job names in its cluster, as its script finds it in a real pod."""

PRINTS = """
import os, pathlib
print("key", os.environ["KEY"], "all", os.environ["S3_key"], "node", os.environ["NODE"])
print("file", pathlib.Path("/keys/key").read_text(), "map", pathlib.Path("/all/url").read_text())
print("token", len(pathlib.Path("/all/token").read_text()) > 100)
print("account", os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"))
import time; time.sleep(600)
"""


def names_all(spec):
    for part in ("recipe", "data", "training", "checkpoint"):
        spec.pop(part, None)
    spec["script"] = {"command": ["python", "-c", PRINTS]}
    token = {"serviceAccountToken": {"audience": "sts.example.com"}}
    spec["workers"] = {
        "env": [
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3.example", "key": "key"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
        "envFrom": [{"prefix": "S3_", "secretRef": {"name": "s3.example"}}],
        "volumes": [
            {"mountPath": "/keys", "secret": "s3.example"},
            {"mountPath": "/all", "projected": [{"configMap": "site"}, token]},
        ],
        "serviceAccountName": "trainer",
        "labels": {"team": "vision"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]}
        ]}}},
    }  # fmt: skip


def test_a_script_finds_the_secrets_and_the_token_that_its_job_names(apply, real_node, place):
    for words in (
        ["secret", "generic", "s3.example", "--from-literal=key=open"],
        ["configmap", "site", "--from-literal=url=here"],
        ["serviceaccount", "trainer"],
    ):
        assert real_node.cluster.kubectl(f"--namespace={place}", "create", *words).returncode == 0
    job = apply("digits-mlp.yaml", names_all, name="names")
    job.waits(lambda status: status.get("state") == "Running", "to run")
    (pod,) = job.pods()
    said = job.kubectl("logs", pod["metadata"]["name"])
    for line in (
        f"key open all open node {pod['spec']['nodeName']}",
        "file open map here",
        "token True",
        "account True",
    ):
        assert line in said, said
    assert job.kubectl("get", "pods", "--selector=team=vision", "--output=name").split() == [
        f"pod/{pod['metadata']['name']}"
    ]
