"""The operator, told what the chart tells it and with the rights that the chart gives it, against a real API server."""

import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
import yaml
from harness import rights
from harness.daemon import die_with_parent, wait_for

from wattrain_api.names import LABEL_JOB

pytest.importorskip(
    "kopf", reason="the operator is NOT run, for kopf is not installed: pip install --editable '.[dev]'"
)

JOBS = "/apis/wattrain.dev/v1alpha1/namespaces/{}/trainingjobs"
PODS = f"/api/v1/namespaces/{{}}/pods?labelSelector={LABEL_JOB}"


@contextmanager
def running(own_plane, api, namespace, folder):
    """The operator as the Deployment in `namespace` describes it and under its account, but as a process out here."""
    deployment = api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/wattrain-operator")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    told = {variable["name"]: variable.get("value", "") for variable in container["env"]}
    told |= {f"WATTRAIN_OPERATOR_{port}_PORT": "0" for port in ("METRICS", "HEALTH")}
    told |= {"WATTRAIN_OPERATOR_NAMESPACE": namespace}  # which a pod knows from its account
    told |= {"KUBECONFIG": str(own_plane.kubeconfig_of(namespace, "wattrain-operator"))}
    command, log = [sys.executable, "-m", "wattrain_operator.cluster"], folder / "operator.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=os.environ | told, stdout=output, stderr=output, preexec_fn=die_with_parent
        )
        try:
            yield lambda: process.poll() is None or pytest.fail(log.read_text(encoding="utf-8"))
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            finally:
                process.kill()


@pytest.mark.parametrize("everywhere", [True, False], ids=["all namespaces", "one namespace"])
def test_the_operator_asks_for_what_it_is_granted_and_for_nothing_else(
    everywhere, install, new_namespace, own_plane, api, root, tmp_path
):
    home, namespace = new_namespace(), new_namespace()
    install("install", home, *(() if everywhere else ("--set", f"watchNamespaces={{{namespace}}}")))
    account = f"system:serviceaccount:{home}:wattrain-operator"
    job = yaml.safe_load((root / "examples" / "digits-mlp.yaml").read_text(encoding="utf-8"))
    name, workers = job["metadata"]["name"], job["spec"]["workers"]["replicas"]

    with running(own_plane, api, home, tmp_path) as lives:
        api.create(JOBS.format(namespace), job)
        pods = PODS.format(namespace)
        wait_for(lambda: lives() and len(api.get(pods)["items"]) == workers, seconds=60, what="the job's pods")
        assert api.exists(f"/api/v1/namespaces/{namespace}/services/{name}")
        assert api.exists(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/{name}")
        api.patch(f"{JOBS.format(namespace)}/{name}", {"spec": {"suspend": True}})
        wait_for(lambda: lives() and api.get(pods)["items"] == [], seconds=60, what="the job's pods to be gone")

    use = rights.use_of(own_plane.audit_events(account))
    assert list(rights.differences(use, whole=False)) == []
    assert {("", "pods", "delete"), ("wattrain.dev", "trainingjobs/status", "update")} <= use.asked
    kinds = [("wattrain.dev", "trainingjobs"), ("wattrain.dev", "powerdomains"), ("", "pods")]
    assert use.asked >= {(*kind, verb) for kind in kinds for verb in ("list", "watch")}
