"""What a job names in its cluster, and how its pods refer to it: Secrets, ConfigMaps, accounts, neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest
from harness.job_pods import Settings, make_child, make_job

from wattrain_operator.cluster.objects import UnbuildableError, pod_of
from wattrain_operator.core.roles import Role

SECRET = {"secretKeyRef": {"name": "s3.example", "key": "access-key"}}


def container(pod):
    return pod["spec"]["containers"][0]


def variable(pod, name):
    [found] = [v for v in container(pod)["env"] if v["name"] == name]
    return found


@pytest.mark.parametrize("role", [Role.WORKER, Role.PREPARE])
def test_a_variable_comes_from_a_secret_a_config_map_or_a_field(pod_for, role):
    env = [
        {"name": "KEY", "valueFrom": SECRET},
        {"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "site", "key": "url", "optional": True}}},
        {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
    ]
    pod = pod_for(role, workers={"env": env})
    assert variable(pod, "KEY") == {
        "name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3.example", "key": "access-key", "optional": False}}
    }  # fmt: skip
    assert variable(pod, "URL")["valueFrom"]["configMapKeyRef"] == {"name": "site", "key": "url", "optional": True}
    assert variable(pod, "TEAM")["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.labels['team']"}}


def test_a_variable_from_a_secret_wins_over_defaults_and_loses_to_what_wattrain_says(pod_for):
    names = ["HOME", "OMP_WAIT_POLICY", "WATTRAIN_ROLE", "WATTRAIN_NODE"]
    pod = pod_for(workers={"env": [{"name": name, "valueFrom": SECRET} for name in names]})
    home, omp, role, node = (variable(pod, name) for name in names)
    assert "secretKeyRef" in home["valueFrom"]
    assert "secretKeyRef" in omp["valueFrom"]
    assert role["value"] == "worker"
    assert node["valueFrom"]["fieldRef"]["fieldPath"] == "spec.nodeName"


@pytest.mark.parametrize("last", ["value", "valueFrom"])
def test_of_a_variable_that_is_given_twice_the_last_counts(pod_for, last):
    both = [{"name": "X", "value": "1"}, {"name": "X", "valueFrom": SECRET}]
    pod = pod_for(workers={"env": both if last == "valueFrom" else both[::-1]})
    assert set(variable(pod, "X")) == {"name", last}


def test_all_entries_of_a_secret_or_a_config_map_become_variables(pod_for):
    sources = [{"prefix": "S3_", "secretRef": {"name": "s3"}}, {"configMapRef": {"name": "site", "optional": True}}]
    assert container(pod_for(workers={"envFrom": sources}))["envFrom"] == [
        {"prefix": "S3_", "secretRef": {"name": "s3", "optional": False}},
        {"prefix": "", "configMapRef": {"name": "site", "optional": True}},
    ]
    assert "envFrom" not in container(pod_for())


def test_secrets_and_projections_are_mounted_read_only(pod_for):
    token = {"audience": "sts.example.com", "expirationSeconds": 900}
    volumes = [
        {"mountPath": "/keys", "secret": "s3.example"},
        {"mountPath": "/all", "projected": [{"secret": "a"}, {"configMap": "b"}, {"serviceAccountToken": token}]},
    ]
    pod = pod_for(workers={"volumes": volumes, "serviceAccountName": "trainer"})
    sources = {v["name"]: v for v in pod["spec"]["volumes"]}
    mounts = {m["mountPath"]: m for m in container(pod)["volumeMounts"]}
    assert sources[mounts["/keys"]["name"]]["secret"] == {"secretName": "s3.example"}
    assert sources[mounts["/all"]["name"]]["projected"] == {"sources": [
        {"secret": {"name": "a"}}, {"configMap": {"name": "b"}},
        {"serviceAccountToken": {"audience": "sts.example.com", "expirationSeconds": 900, "path": "token"}},
    ]}  # fmt: skip
    assert mounts["/keys"]["readOnly"] is mounts["/all"]["readOnly"] is True


def test_a_token_is_mounted_only_where_the_job_names_an_account(pod_for):
    spec = pod_for(workers={"serviceAccountName": "trainer"})["spec"]
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("trainer", True)
    without = pod_for()["spec"]
    assert "serviceAccountName" not in without
    assert without["automountServiceAccountToken"] is False


def test_labels_and_annotations_are_added_and_change_none_of_ours(pod_for):
    said = {"labels": {"team": "vision"}, "annotations": {"sidecar.istio.io/inject": "false"}}
    with_them, without = pod_for(workers=said)["metadata"], pod_for()["metadata"]
    assert with_them["labels"] == {"team": "vision"} | without["labels"]
    assert with_them["annotations"] == {"sidecar.istio.io/inject": "false"} | without["annotations"]
    assert without["annotations"]["kubectl.kubernetes.io/default-container"] == "worker"


@pytest.mark.parametrize("said", [
    {"labels": {"wattrain.dev/attempt": "7"}}, {"labels": {"app.kubernetes.io/name": "x"}}, {"labels": {"a b": "x"}},
    {"labels": {"a": "x/y"}}, {"annotations": {"wattrain.dev/directive": "{}"}},
    {"annotations": {"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"}},
    {"annotations": {"a\n": "x"}},
])  # fmt: skip
def test_what_is_ours_or_could_loosen_a_pod_is_no_label_and_no_annotation_of_a_users(said):
    with pytest.raises(ValueError, match=r"labels: keys|annotations: keys"):
        make_job(workers=said)


def test_affinity_is_as_in_a_pod_without_what_was_not_said(pod_for):
    arch = {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"team": "vision"}}}
    affinity = {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [arch]}]}
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": apart}]
        },
    }
    assert pod_for(workers={"affinity": affinity})["spec"]["affinity"] == affinity
    assert "affinity" not in pod_for()["spec"]
    everybody = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"topologyKey": "zone", "labelSelector": {}}
    ]}}  # fmt: skip
    assert pod_for(workers={"affinity": everybody})["spec"]["affinity"] == everybody


@pytest.mark.parametrize(("field", "workers"), [
    ("serviceAccountName", {"serviceAccountName": "trainer"}),
    ("env[1].valueFrom.secretKeyRef", {"env": [{"name": "A"}, {"name": "B", "valueFrom": SECRET}]}),
    ("envFrom[0].secretRef", {"envFrom": [{"secretRef": {"name": "s3"}}]}),
    ("volumes[0].secret", {"volumes": [{"mountPath": "/a", "secret": "s3"}]}),
    ("volumes[0].projected[1].secret",
     {"volumes": [{"mountPath": "/a", "projected": [{"configMap": "a"}, {"secret": "s3"}]}]}),
])  # fmt: skip
def test_where_nobody_checks_them_a_job_that_names_an_account_or_a_secret_is_refused(field, workers):
    job, refused = make_job(workers=workers), replace(Settings(), credentials="refused")
    with pytest.raises(UnbuildableError) as caught:
        pod_of(job, make_child(job), refused)
    assert str(caught.value).startswith(f"spec.workers.{field}: ")
    maps = {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}}]}
    assert pod_of(make_job(workers=maps), make_child(job), refused)


@pytest.mark.parametrize("name", ["registry.example.com", "0.data"])
def test_names_of_objects_may_have_dots(pod_for, name):
    workers = {"imagePullSecrets": [name], "volumes": [{"mountPath": "/a", "claim": name}]}
    pod = pod_for(workers=workers, storage={"claim": name})
    assert pod["spec"]["imagePullSecrets"] == [{"name": name}]
    claims = [v["persistentVolumeClaim"]["claimName"] for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v]
    assert claims == [name]
