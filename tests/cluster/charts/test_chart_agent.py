"""The node agent that the chart brings where it is wanted: an account of its own, and no more than it needs."""

import pytest

WANTED = {"agent": {"enabled": True}}


def of_agent(objects):
    return {o["kind"]: o for o in objects if o["metadata"]["name"].startswith("wattrain-agent")}


@pytest.fixture(scope="module")
def agent(helm):
    return of_agent(helm.render(WANTED))


def test_without_being_asked_the_chart_brings_no_agent_and_with_it_changes_nothing_else(helm, agent):
    plain, wanted = helm.render(), helm.render(WANTED)
    assert of_agent(plain) == {}
    assert set(agent) == {"DaemonSet", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"}
    assert [o for o in wanted if not o["metadata"]["name"].startswith("wattrain-agent")] == plain


def test_it_may_list_and_patch_pods_and_nothing_else(agent):
    assert agent["ClusterRole"]["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]}]
    account = agent["ServiceAccount"]["metadata"]
    subject = {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
    assert agent["ClusterRoleBinding"]["subjects"] == [subject]
    assert agent["ClusterRoleBinding"]["roleRef"]["name"] == agent["ClusterRole"]["metadata"]["name"]
    assert agent["DaemonSet"]["spec"]["template"]["spec"]["serviceAccountName"] == account["name"]


def test_its_pods_are_those_of_nodes_with_gpus_and_keep_their_state_on_the_node(agent):
    pod = agent["DaemonSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (pod["hostPID"], pod["nodeSelector"]) == (True, {"nvidia.com/gpu.present": "true"})
    assert container["command"] == ["python", "-P", "-m", "wattrain_worker.agent"]
    assert container["volumeMounts"] == [{"name": "state", "mountPath": "/var/lib/wattrain"}]
    assert pod["volumes"][0]["hostPath"] == {"path": "/var/lib/wattrain", "type": "DirectoryOrCreate"}
    assert "privileged" not in container["securityContext"]


def test_what_selects_the_agent_selects_no_operator(helm, agent):
    selector = agent["DaemonSet"]["spec"]["selector"]["matchLabels"]
    (operator,) = [o for o in helm.render(WANTED) if o["kind"] == "Deployment"]
    labels = operator["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= labels.items()
    assert selector.items() <= agent["DaemonSet"]["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(("key", "value"), [("enabled", "yes"), ("nodeSelector", ["gpu"]), ("image", "x")])
def test_a_bad_value_is_refused_by_name(helm, key, value):
    assert key in helm.refusal({"agent": {key: value}})
