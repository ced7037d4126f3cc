"""The operator's service account with the rights that the chart gives it, for an operator that is not in a pod."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from harness.api import Api
from harness.cluster import Cluster
from harness.daemon import wait_for
from harness.helm import Helm
from harness.rights import OPERATOR

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
_PLURALS = {
    "Role": "roles", "RoleBinding": "rolebindings", "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
}  # fmt: skip
Object = dict[str, Any]


@contextmanager
def operator_account(cluster: Cluster, namespace: str, helm: Helm) -> Iterator[Path]:
    """A kubeconfig of the account in `namespace`, which is all that it watches; with every right that is optional.

    What is in no namespace is removed afterwards. Everything else goes with the namespace.
    """
    values = {"watchNamespaces": [namespace], "reach": "proxy", "crds": {"enabled": False}}
    objects = [o for o in helm.render(values, namespace=namespace) if o["kind"] in (*_PLURALS, "ServiceAccount")]
    with ExitStack() as stack:
        with cluster.api() as api:
            for made in objects:
                collection = _collection(made)
                api.create(collection, made)
                if made["kind"].startswith("Cluster"):
                    stack.callback(_delete, cluster, f"{collection}/{made['metadata']['name']}")
            _wait_for_rights(api, objects, namespace)
        yield cluster.kubeconfig_of(namespace, OPERATOR)


def installed_operators(cluster: Cluster) -> list[str]:
    """Namespaces in which the chart or manifests/ has installed an operator."""
    labels = "app.kubernetes.io/name=wattrain,app.kubernetes.io/component=operator"
    with cluster.api() as api:
        found = api.get(f"/apis/apps/v1/deployments?labelSelector={labels}")["items"]
    return [deployment["metadata"]["namespace"] for deployment in found]


def _collection(made: Object) -> str:
    kind, namespace = made["kind"], made["metadata"].get("namespace")
    if kind == "ServiceAccount":
        return f"/api/v1/namespaces/{namespace}/serviceaccounts"
    return f"{_RBAC}/{f'namespaces/{namespace}/' if namespace else ''}{_PLURALS[kind]}"


def _delete(cluster: Cluster, path: str) -> None:
    with cluster.api() as api:
        api.delete(path)


def _wait_for_rights(api: Api, objects: list[Object], namespace: str) -> None:
    """The API server hears of new roles a moment later. One right of each role that is bound shows that it has."""
    bound = {(o["roleRef"]["kind"], o["roleRef"]["name"]) for o in objects if o["kind"].endswith("Binding")}
    for role in objects:
        if (role["kind"], role["metadata"]["name"]) in bound:
            rule = role["rules"][0]
            what = {"group": rule["apiGroups"][0], "resource": rule["resources"][0], "verb": rule["verbs"][0]}
            where = {"namespace": role["metadata"]["namespace"]} if role["kind"] == "Role" else {}
            asks = {"user": f"system:serviceaccount:{namespace}:{OPERATOR}", "resourceAttributes": {**what, **where}}
            wait_for(partial(_is_allowed, api, asks), seconds=20, what=f"{role['metadata']['name']} to be in force")


def _is_allowed(api: Api, asks: Object) -> bool:
    return bool(api.create(_REVIEWS, {"spec": asks})["status"]["allowed"])
