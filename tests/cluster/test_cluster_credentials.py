"""A job may name the Secrets and the account that its user could use in a pod, and no others: by the chart's policy, on
a real API server."""

from __future__ import annotations

import uuid

import pytest
import yaml
from harness.daemon import wait_for

POLICY = "manifests/rbac/credentials.yaml"
GROUP = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}"
SECRET = {"secretKeyRef": {"name": "s3", "key": "k"}}
NAMED = {
    "env": ({"env": [{"name": "A", "valueFrom": SECRET}]}, "names a Secret"),
    "envFrom": ({"envFrom": [{"secretRef": {"name": "s3"}}]}, "names a Secret"),
    "secret": ({"volumes": [{"mountPath": "/a", "secret": "s3"}]}, "names a Secret"),
    "projected": ({"volumes": [{"mountPath": "/a", "projected": [{"secret": "s3"}]}]}, "names a Secret"),
    "account": ({"serviceAccountName": "trainer"}, "names an account"),
}
JOBS = {"apiGroups": ["wattrain.dev"], "resources": ["trainingjobs"], "verbs": ["create"]}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
THE_SECRET = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s3"], "verbs": ["get"]}
THE_ACCOUNT = {
    "apiGroups": [""],
    "resources": ["serviceaccounts"],
    "resourceNames": ["trainer"],
    "verbs": ["impersonate"],
}


@pytest.fixture(scope="module")
def policy(cluster, request):
    """The policy in force, under a name of its own."""
    name = f"credentials-{uuid.uuid4().hex[:8]}"
    text = (request.config.rootpath / POLICY).read_text(encoding="utf-8").replace("wattrain-operator-secrets", name)
    assert cluster.kubectl("apply", "--filename=-", text=text).returncode == 0
    yield name
    cluster.kubectl("delete", "--filename=-", "--wait=false", text=text)


@pytest.fixture
def user(cluster, namespace, policy):
    """Makes a user with `rules` in the namespace; returns what applies a job as that user, without keeping it."""

    def with_rights(*rules):
        account = f"user-{uuid.uuid4().hex[:8]}"
        role = {"metadata": {"name": account}, "rules": [JOBS, *rules]}
        with cluster.api() as api:
            api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": account}})
            api.create(f"{GROUP.format(namespace)}/roles", role)
            api.create(f"{GROUP.format(namespace)}/rolebindings", {
                "metadata": {"name": account},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
                "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
            })  # fmt: skip
        kubeconfig = cluster.kubeconfig_of(namespace, account)

        def apply(workers):
            body = {
                "apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob",
                "metadata": {"name": "x", "namespace": namespace},
                "spec": {"script": {"command": ["true"]}, "workers": workers},
            }  # fmt: skip
            return cluster.kubectl(
                "create", "--dry-run=server", "--filename=-", text=yaml.safe_dump(body), kubeconfig=kubeconfig
            )

        wait_for(lambda: apply({}).returncode == 0, seconds=30, what="its rights")
        return apply

    return with_rights


def refused(apply, what):
    workers, told = NAMED[what]
    done = apply(workers)
    return done.returncode != 0 and told in done.stderr


def test_who_may_only_create_jobs_may_name_no_secret_and_no_account(user):
    apply = user()
    wait_for(lambda: refused(apply, "env"), seconds=60, what="the policy to be in force")
    assert [what for what in NAMED if not refused(apply, what)] == []
    maps = [{"mountPath": "/a", "configMap": "m"}, {"mountPath": "/b", "projected": [{"configMap": "m"}]}]
    plain = apply({"volumes": maps, "env": [{"name": "A", "value": "x"}]})
    assert plain.returncode == 0, plain.stderr


@pytest.mark.parametrize(("rules", "allowed"), [
    ([PODS], set(NAMED)), ([THE_SECRET], set(NAMED) - {"account"}), ([THE_ACCOUNT], {"account"}),
])  # fmt: skip
def test_who_could_use_them_in_a_pod_may_name_them_in_a_job(user, rules, allowed):
    bystander, apply = user(), user(*rules)
    wait_for(lambda: refused(bystander, "env"), seconds=60, what="the policy to be in force")
    assert {what for what in NAMED if apply(NAMED[what][0]).returncode == 0} == allowed
