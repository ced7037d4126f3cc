"""Real Helm and kubectl install the operator on a real API server; nodes are not needed for that."""

import shutil

import pytest
from harness.daemon import wait_for
from harness.helm import MONITORING

JOBS = "/apis/wattrain.dev/v1alpha1/namespaces/{}/trainingjobs"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/wattrain-operator"
JOB = {
    "apiVersion": "wattrain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "digits"},
    "spec": {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}},
}


def serves_jobs(api):
    return api.request("GET", JOBS.format("default")).status == 200


def pods_of_operator(api, namespace):
    return api.get(f"/api/v1/namespaces/{namespace}/pods?labelSelector=app.kubernetes.io/component=operator")["items"]


def may(own_plane, api, account, namespace, verb, resource, name=""):
    """Whether the API server lets the service account `account` (as `namespace:name`) do that."""
    group, _, plural = resource.rpartition("/")
    plural, _, subresource = plural.partition(":")
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": plural}
    attributes |= {"subresource": subresource, "name": name}
    review = {"spec": {"user": f"system:serviceaccount:{account}", "resourceAttributes": attributes}}
    return api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)["status"]["allowed"]


def test_helm_installs_upgrades_and_removes_and_the_jobs_stay(install, new_namespace, own_plane, api):
    namespace = new_namespace()
    notes = install("install", namespace)
    assert "kubectl apply" in notes
    wait_for(lambda: serves_jobs(api), seconds=20, what="TrainingJobs to be served")
    # Controllers really make the pod, in a namespace where the API server refuses all that is not `restricted`.
    wait_for(lambda: pods_of_operator(api, namespace), seconds=30, what="the operator's pod")
    api.create(JOBS.format(namespace), JOB)

    install("upgrade", namespace, "--set", "replicas=2")
    wait_for(lambda: len(pods_of_operator(api, namespace)) == 2, seconds=30, what="the second pod")
    assert api.exists(f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/wattrain-operator")

    held = api.get(LEASE.format(namespace)) | {"spec": {"holderIdentity": "a pod", "leaseDurationSeconds": 15}}
    assert api.request("PUT", LEASE.format(namespace), held).status == 200
    install("upgrade", namespace, "--set", "replicas=1")
    assert api.get(LEASE.format(namespace))["spec"]["holderIdentity"] == "a pod"

    install("uninstall", namespace)
    assert api.get(f"{JOBS.format(namespace)}/digits")["spec"]["recipe"]["name"] == "mlp"
    assert not api.exists(LEASE.format(namespace))  # the next operator need not wait until it has run out
    install("install", namespace)


@pytest.fixture
def prometheus_operator(empty, api):
    """Brings the kinds of the Prometheus operator, without their schemas; they are gone afterwards."""
    group, version = MONITORING.split("/")
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    made = []

    def bring(kinds):
        for kind, plural in kinds.items():
            schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            spec = {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural}}
            api.create(path, {"metadata": {"name": f"{plural}.{group}"}, "spec": {**spec, "versions": [served]}})
            made.append(f"{plural}.{group}")
            wait_for(
                lambda plural=plural: api.request("GET", f"/apis/{MONITORING}/{plural}").status == 200,
                seconds=30,
                what=f"{plural} to be served",
            )

    yield bring
    for name in made:
        api.delete(f"{path}/{name}")


def test_monitors_and_rules_come_with_the_first_upgrade_after_the_prometheus_operator(
    prometheus_operator, install, new_namespace, api
):
    namespace = new_namespace()
    assert "Left out" in install("install", namespace)
    prometheus_operator({"PodMonitor": "podmonitors", "PrometheusRule": "prometheusrules"})
    assert "Left out" not in install("upgrade", namespace)
    found = {
        o["metadata"]["name"]
        for plural in ("podmonitors", "prometheusrules")
        for o in api.get(f"/apis/{MONITORING}/namespaces/{namespace}/{plural}")["items"]
    }
    assert found == {"wattrain-operator", "wattrain-workers", "wattrain"}


def test_a_lease_that_an_operator_made_before_the_chart_had_one_does_not_hinder_it(install, new_namespace, api):
    namespace = new_namespace()
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "wattrain-operator"}}
    api.create(LEASE.format(namespace).rpartition("/")[0], lease)
    install("install", namespace)


def test_a_release_takes_over_the_definitions_of_a_removed_one_only_where_told_to(
    install, new_namespace, helm, chart, own_plane
):
    before, after = new_namespace(), new_namespace()
    install("install", before)
    install("uninstall", before)
    where = ("--namespace", after, "--kubeconfig", own_plane.kubeconfig)
    refused = helm.run("install", "wattrain", chart, *where)
    assert refused.returncode != 0
    assert "CustomResourceDefinition" in refused.stderr
    install("install", after, "--take-ownership")


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="definitions are NOT applied, for there is no kubectl on PATH"
)
def test_definitions_that_somebody_applied_by_hand_are_given_back_to_helm_where_it_is_told_to(
    install, new_namespace, helm, chart, empty, api, root, tmp_path
):
    namespace = new_namespace()
    install("install", namespace)
    definition = (root / "manifests" / "crd" / "powerdomains.wattrain.dev.yaml").read_text(encoding="utf-8")
    by_hand = tmp_path / "by-hand.yaml"
    by_hand.write_text(definition.replace("What is known of a part", "What was known of a part"), encoding="utf-8")
    applied = empty.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(by_hand))
    assert applied.returncode == 0, applied.stderr
    where = ("--namespace", namespace, "--kubeconfig", empty.kubeconfig)
    refused = helm.run("upgrade", "wattrain", chart, *where)
    assert refused.returncode != 0
    assert "conflict" in refused.stderr
    install("upgrade", namespace, "--force-conflicts")
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/powerdomains.wattrain.dev"
    assert "What was known" not in str(api.get(path)["spec"])


def test_the_operators_account_may_do_its_work_and_no_more(install, new_namespace, own_plane, api):
    namespace = new_namespace()
    install("install", namespace, "--set", "reach=proxy")
    account = f"{namespace}:wattrain-operator"

    def allowed(verb, resource, name="", where="default"):
        return may(own_plane, api, account, where, verb, resource, name)

    assert allowed("watch", "wattrain.dev/trainingjobs")
    assert allowed("update", "wattrain.dev/trainingjobs:status")
    assert allowed("create", "pods")
    assert allowed("get", "pods:proxy")
    assert allowed("update", "coordination.k8s.io/leases", "wattrain-operator", namespace)
    assert not allowed("update", "wattrain.dev/trainingjobs")
    assert not allowed("get", "secrets")
    assert not allowed("create", "pods:exec")
    assert not allowed("update", "coordination.k8s.io/leases", "another", namespace)
    assert not allowed("create", "coordination.k8s.io/leases")
    assert not may(own_plane, api, f"{namespace}:default", namespace, "get", "wattrain.dev/trainingjobs")


def test_two_operators_of_a_namespace_each_keep_to_it(install, new_namespace, own_plane, api):
    mine, yours = new_namespace(), new_namespace()
    install("install", mine, "--set", f"watchNamespaces={{{mine}}}")
    install("install", yours, "--set", f"watchNamespaces={{{yours}}}", "--set", "crds.enabled=false")
    account = f"{mine}:wattrain-operator"
    assert may(own_plane, api, account, mine, "create", "pods")
    assert not may(own_plane, api, account, yours, "create", "pods")
    assert not may(own_plane, api, account, yours, "list", "wattrain.dev/trainingjobs")
    assert may(own_plane, api, account, "", "list", "wattrain.dev/powerdomains")


def test_who_may_edit_a_namespace_may_run_jobs_in_it_and_a_viewer_sees_them(install, new_namespace, own_plane, api):
    namespace = new_namespace()
    install("install", namespace)
    for role in ("edit", "view"):
        api.create(
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings",
            {
                "metadata": {"name": role},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": namespace}],
            },
        )
    jobs = "wattrain.dev/trainingjobs"
    for role, verb in (("edit", "create"), ("view", "watch")):
        wait_for(
            lambda role=role, verb=verb: may(own_plane, api, f"{namespace}:{role}", namespace, verb, jobs),
            seconds=30,
            what=f"the role {role} to include TrainingJobs",
        )
    assert not may(own_plane, api, f"{namespace}:view", namespace, "create", jobs)
    assert not may(own_plane, api, f"{namespace}:edit", namespace, "update", f"{jobs}:status")
    assert not may(own_plane, api, f"{namespace}:edit", "default", "create", jobs)


@pytest.mark.skipif(
    shutil.which("kubectl") is None, reason="manifests/ are NOT applied, for there is no kubectl on PATH"
)
def test_kubectl_applies_the_manifests_and_the_samples(empty, api, root):
    try:
        # Definitions are served a moment after they are there, so what needs them comes afterwards.
        applied = empty.kubectl("apply", "--server-side", "-k", str(root / "manifests"))
        assert applied.returncode == 0, applied.stderr
        wait_for(lambda: serves_jobs(api), seconds=20, what="TrainingJobs to be served")
        wait_for(lambda: pods_of_operator(api, "wattrain-system"), seconds=30, what="the operator's pod")
        samples = empty.kubectl("apply", "-k", str(root / "manifests" / "samples"))
        assert samples.returncode == 0, samples.stderr
        assert {o["metadata"]["name"] for o in api.get(JOBS.format("default"))["items"]} == {
            "digits-mlp",
            "digits-logistic-regression",
        }
    finally:
        empty.kubectl("delete", "--wait=false", "--ignore-not-found", "-k", str(root / "manifests"))
