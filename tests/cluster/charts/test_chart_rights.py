"""What the operator may do: the same in the chart, in manifests/ and in docs/kubernetes.md, and nothing dangerous."""

FORBIDDEN = {
    "secrets", "configmaps", "nodes", "namespaces", "serviceaccounts", "serviceaccounts/token", "pods/exec",
    "pods/attach", "pods/log", "pods/eviction", "pods/ephemeralcontainers", "roles", "rolebindings", "clusterroles",
    "clusterrolebindings", "customresourcedefinitions", "deployments", "*",
}  # fmt: skip


def granted(roles):
    """Verbs by (API group, resource), of all rules of `roles`."""
    verbs = {}
    for role in roles:
        for rule in role["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    verbs.setdefault((group, resource), set()).update(rule["verbs"])
    return verbs


def roles_of(objects):
    """The operator's roles: those that a binding names."""
    bound = {(o["roleRef"]["kind"], o["roleRef"]["name"]) for o in objects if o["kind"].endswith("RoleBinding")}
    return [o for o in objects if (o["kind"], o["metadata"]["name"]) in bound]


def of_kind(objects, *kinds):
    return [o for o in objects if o["kind"] in kinds]


def test_the_rights_are_those_that_the_documentation_explains(helm, documented_rights):
    proxy = {("", "pods/proxy"): documented_rights[("", "pods/proxy")]}
    assert granted(roles_of(helm.render({"reach": "proxy"}))) == documented_rights
    assert granted(roles_of(helm.render())) | proxy == documented_rights
    assert ("", "pods/proxy") not in granted(roles_of(helm.render()))


def test_helm_and_kustomize_grant_the_same(helm, kustomize):
    by_chart, by_manifests = helm.render(), kustomize("manifests")
    assert granted(roles_of(by_chart)) == granted(roles_of(by_manifests))
    kinds = ("ClusterRole", "Role")

    def rules(objects):
        return {o["metadata"]["name"]: o["rules"] for o in of_kind(objects, *kinds)}

    assert rules(by_chart) == rules(by_manifests)


def test_nothing_is_granted_that_would_let_the_operator_read_secrets_or_raise_rights(documented_rights):
    assert {resource for _, resource in documented_rights} & FORBIDDEN == set()
    assert {verb for verbs in documented_rights.values() for verb in verbs} <= {
        "get", "list", "watch", "create", "update", "patch", "delete"
    }  # fmt: skip
    assert "patch" not in documented_rights[("wattrain.dev", "trainingjobs/status")]
    assert documented_rights[("wattrain.dev", "powerdomains")] == {"get", "list", "watch"}


def test_only_the_operators_own_account_is_bound(helm, kustomize):
    for objects in (helm.render({"watchNamespaces": ["a", "b"]}), kustomize("manifests")):
        (account,) = of_kind(objects, "ServiceAccount")
        bindings = of_kind(objects, "RoleBinding", "ClusterRoleBinding")
        assert bindings
        for binding in bindings:
            assert binding["subjects"] == [
                {
                    "kind": "ServiceAccount",
                    "name": account["metadata"]["name"],
                    "namespace": account["metadata"]["namespace"],
                }
            ]
        (deployment,) = of_kind(objects, "Deployment")
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]


def test_an_operator_of_some_namespaces_has_rights_there_alone(helm, documented_rights):
    objects = helm.render({"watchNamespaces": ["team-a", "team-b"]})
    (cluster,) = [role for role in roles_of(objects) if role["kind"] == "ClusterRole"]
    assert granted([cluster]) == {
        ("wattrain.dev", "powerdomains"): {"get", "list", "watch"},
        ("wattrain.dev", "powerdomains/status"): {"update"},
    }
    for namespace in ("team-a", "team-b"):
        (role,) = [o for o in of_kind(objects, "Role") if o["metadata"]["namespace"] == namespace]
        everywhere = [("wattrain.dev", "powerdomains"), ("wattrain.dev", "powerdomains/status")]
        everywhere += [("coordination.k8s.io", "leases"), ("", "pods/proxy")]
        assert granted([role]) == {key: verbs for key, verbs in documented_rights.items() if key not in everywhere}
        (binding,) = [o for o in of_kind(objects, "RoleBinding") if o["metadata"]["namespace"] == namespace]
        assert binding["roleRef"]["name"] == role["metadata"]["name"]
    namespaces = {o["metadata"].get("namespace") for o in objects} - {None}
    assert namespaces == {"wattrain-system", "team-a", "team-b"}


def test_two_operators_of_some_namespaces_share_a_cluster(helm):
    def names(namespace):
        values = {"watchNamespaces": [namespace], "crds": {"enabled": False}}
        objects = helm.render(values, namespace=namespace)
        return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects}

    assert names("team-a") & names("team-b") == set()


def test_the_lease_is_the_only_one_it_may_read_or_change(helm):
    objects = helm.render(release="other")
    (role,) = [o for o in roles_of(objects) if o["kind"] == "Role"]
    limited = [rule for rule in role["rules"] if set(rule["verbs"]) != {"create"}]
    (deployment,) = of_kind(objects, "Deployment")
    (lease,) = [
        variable["value"]
        for variable in deployment["spec"]["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "WATTRAIN_OPERATOR_LEASE_NAME"
    ]
    assert [rule["resourceNames"] for rule in limited] == [[lease]]
    assert role["metadata"]["namespace"] == deployment["metadata"]["namespace"]


def test_without_network_policies_there_is_no_right_to_make_them(helm):
    rights = granted(roles_of(helm.render({"worker": {"networkPolicy": False}})))
    assert [resource for group, resource in rights if group == "networking.k8s.io"] == []


def test_roles_are_left_out_where_somebody_else_makes_them(helm):
    kinds = {o["kind"] for o in helm.render({"rbac": {"create": False, "aggregate": False}})}
    assert kinds.isdisjoint({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


def test_people_get_rights_to_jobs_alone_and_viewers_change_nothing(helm):
    objects = helm.render()
    people = [o for o in of_kind(objects, "ClusterRole") if o not in roles_of(objects)]
    assert {group for group, _ in granted(people)} == {"wattrain.dev"}
    viewers = [o for o in people if "rbac.authorization.k8s.io/aggregate-to-view" in o["metadata"]["labels"]]
    assert len(viewers) == 1
    assert set().union(*granted(viewers).values()) == {"get", "list", "watch"}
    assert "trainingjobs/status" not in {resource for _, resource in granted(people)}
    assert of_kind(helm.render({"rbac": {"aggregate": False}}), "ClusterRole") == roles_of(objects)[:1]
