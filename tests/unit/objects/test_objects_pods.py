"""Where each typed field of a job lands in its pods."""

from __future__ import annotations

import hashlib
import json

import pytest

from wattrain_operator.cluster.objects import UnbuildableError, address_of
from wattrain_operator.core.roles import Role

SCRIPT = {"command": ["python3.12", "train.py"], "args": ["--epochs", "3"]}
UID = "6f1f3a52-0f25-4dd4-bc0c-1d1d5f3f8f6e"


def environment(pod):
    [container] = pod["spec"]["containers"]
    return {v["name"]: v.get("value") or _source(v["valueFrom"]) for v in container["env"]}


def _source(told):
    return told["fieldRef"]["fieldPath"] if "fieldRef" in told else told["resourceFieldRef"]["resource"]


def mounts(pod):
    [container] = pod["spec"]["containers"]
    return {m["mountPath"]: m for m in container["volumeMounts"]}


def volume_at(pod, path):
    name = mounts(pod)[path]["name"]
    return next(
        {k: v for k, v in volume.items() if k != "name"} for volume in pod["spec"]["volumes"] if volume["name"] == name
    )


PLACED = {
    "nodeSelector": ({"nodeSelector": {"zone": "a"}}, {"zone": "a"}),
    "priorityClassName": ({"priorityClassName": "high"}, "high"),
    "schedulerName": ({"schedulerName": "volcano"}, "volcano"),
    "imagePullSecrets": ({"imagePullSecrets": ["pull"]}, [{"name": "pull"}]),
    "topologySpreadConstraints": (
        {"topologySpread": [{"topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule"}]},
        [
            {
                "topologyKey": "zone", "maxSkew": 2, "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {
                    "wattrain.dev/job": "digits", "wattrain.dev/role": "worker", "wattrain.dev/attempt": "1",
                }},
            }
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("field", PLACED)
def test_placement_lands_in_the_pod_and_is_absent_where_nothing_was_said(pod_for, field):
    workers, expected = PLACED[field]
    assert pod_for(workers=workers)["spec"][field] == expected
    assert field not in pod_for()["spec"]


def test_the_user_and_the_group_are_65532_or_what_the_job_says(pod_for):
    said = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
    assert said.items() <= pod_for(workers={"runAsUser": 1000})["spec"]["securityContext"].items()
    assert pod_for()["spec"]["securityContext"]["runAsUser"] == 65532


def test_a_lost_node_is_waited_for_half_a_minute_unless_the_job_says_otherwise(pod_for):
    ours = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
    keys = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]
    assert pod_for()["spec"]["tolerations"] == [{"key": key, **ours} for key in keys]
    theirs = {"key": keys[1], "operator": "Exists"}
    assert pod_for(workers={"tolerations": [theirs]})["spec"]["tolerations"] == [theirs, {"key": keys[0], **ours}]
    everything = {"operator": "Exists"}
    assert pod_for(workers={"tolerations": [everything]})["spec"]["tolerations"] == [everything]


def test_devices_are_for_the_workers_alone(pod_for):
    amounts = {"limits": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"}, "requests": {"cpu": "500m"}}
    worker = pod_for(workers={"resources": amounts}, script=SCRIPT, image="theirs:2")["spec"]
    without = {"limits": {"cpu": "4", "memory": "8Gi"}, "requests": {"cpu": "500m"}}
    assert worker["containers"][0]["resources"] == amounts
    assert worker["initContainers"][0]["resources"] == without
    assert pod_for(Role.PREPARE, workers={"resources": amounts})["spec"]["containers"][0]["resources"] == without


def test_a_worker_requests_what_the_operator_says_where_its_job_says_nothing(pod_for):
    def asked(resources, image="theirs:2"):
        spec = pod_for(workers={"resources": resources}, script=SCRIPT, image=image)["spec"]
        worker, bringer = spec["containers"][0]["resources"], spec["initContainers"][0]["resources"]
        assert worker == bringer
        return worker["requests"]

    assert asked({}) == {"cpu": "100m", "memory": "512Mi"}
    assert asked({"requests": {"cpu": "3"}}) == {"cpu": "3", "memory": "512Mi"}
    assert asked({"limits": {"cpu": "10m"}}) == {"memory": "512Mi"}, "Kubernetes takes the limit for the request"
    assert asked({"limits": {"cpu": "10m", "memory": "1Mi"}}) == {}


@pytest.mark.parametrize(
    ("workers", "visible"),
    [
        ({}, "void"),
        ({"resources": {"limits": {"cpu": "1"}}}, "void"),
        ({"resources": {"limits": {"amd.com/gpu": "1"}}}, "void"),
        ({"resources": {"limits": {"nvidia.com/gpu": "1"}}}, None),
        ({"resources": {"limits": {"nvidia.com/mig-1g.10gb": "1"}}}, None),
        ({"env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}, "all"),
    ],
)
def test_a_pod_that_asks_for_no_gpu_of_nvidias_gets_none(pod_for, workers, visible):
    assert environment(pod_for(workers=workers)).get("NVIDIA_VISIBLE_DEVICES") == visible


def test_data_is_prepared_without_gpus(pod_for):
    workers = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    pod = pod_for(role=Role.PREPARE, workers=workers, storage={"claim": "training"})
    assert environment(pod)["NVIDIA_VISIBLE_DEVICES"] == "void"


def test_the_supervisor_is_told_what_the_kubelet_knows_of_its_requests(pod_for):
    [container] = pod_for()["spec"]["containers"]
    told = {v["name"]: v["valueFrom"]["resourceFieldRef"] for v in container["env"] if "resourceFieldRef" in str(v)}
    assert told == {
        "WATTRAIN_CPU_REQUEST_MILLICPUS": {"resource": "requests.cpu", "divisor": "1m"},
        "WATTRAIN_MEMORY_REQUEST": {"resource": "requests.memory", "divisor": "1"},
    }


def test_the_supervisor_is_told_who_and_where_it_is(pod_for):
    told = environment(pod_for(attempt=3, worker=1, workers={"replicas": 2, "resources": {"limits": {"cpu": "1500m"}}}))
    expected = {
        "WATTRAIN_JOB": "digits", "WATTRAIN_NAMESPACE": "team", "WATTRAIN_ROLE": "worker",
        "WATTRAIN_ATTEMPT": "3", "WATTRAIN_WORKER_INDEX": "1", "WATTRAIN_WORKERS": "2", "WATTRAIN_RESTARTS_LEFT": "2",
        "WATTRAIN_COORDINATOR": "digits-3-0.digits.team.svc:9400",
        "WATTRAIN_GROUP_TOKEN": hashlib.sha256(f"{UID}/3".encode()).hexdigest(),
        "WATTRAIN_HOST_ADDRESS": "status.podIP", "WATTRAIN_NODE": "spec.nodeName", "WATTRAIN_CPU_SCOPE": "cgroup",
        "WATTRAIN_CHILD_UID": "metadata.uid",
        "WATTRAIN_CPU_LIMIT": "1.500", "WATTRAIN_TERMINATION_FILE": "/dev/termination-log",
        "WATTRAIN_DATA_DIR": "/wattrain/digits/data", "WATTRAIN_MODEL_DIR": "/wattrain/digits/model",
    }  # fmt: skip
    assert expected.items() <= told.items()


def test_ranks_have_ended_before_the_pod_is_killed(pod_for):
    pod = pod_for()
    assert int(environment(pod)["WATTRAIN_GRACE_SECONDS"]) + 5 < pod["spec"]["terminationGracePeriodSeconds"]


def test_the_supervisor_finds_the_spec_in_the_file_that_it_is_told_of(pod_for):
    pod = pod_for(workers={"replicas": 2, "env": [{"name": "SECRET", "value": "x"}]})
    path = environment(pod)["WATTRAIN_SPEC"]
    directory, _, file = path.rpartition("/")
    shown = {i["path"]: i["fieldRef"]["fieldPath"] for i in volume_at(pod, directory)["downwardAPI"]["items"]}
    assert shown[file] == "metadata.annotations['wattrain.dev/spec']"
    told = json.loads(pod["metadata"]["annotations"]["wattrain.dev/spec"])
    assert told["recipe"]["name"] == "mlp"
    assert told["workers"] == {"replicas": 2, "processesPerWorker": 1, "launcher": "native"}
    assert not told.keys() & {"suspend", "policy", "energy", "queue", "inference"}  # which no worker reads


def test_worker_0_finds_directives_in_a_file_that_shows_an_annotation_of_its_pod(pod_for):
    pod = pod_for(workers={"replicas": 2})
    directory, _, file = environment(pod)["WATTRAIN_DIRECTIVE_FILE"].rpartition("/")
    shown = {i["path"]: i["fieldRef"]["fieldPath"] for i in volume_at(pod, directory)["downwardAPI"]["items"]}
    assert shown[file] == "metadata.annotations['wattrain.dev/directive']"
    assert "WATTRAIN_DIRECTIVE_FILE" not in environment(pod_for(workers={"replicas": 2}, worker=1))


def test_a_variable_of_the_user_says_what_it_says_and_cannot_replace_wattrains(pod_for):
    env = [
        {"name": "GREETING", "value": "$(HOME) costs $5 or $$"}, {"name": "HOME", "value": "/mnt"},
        {"name": "WATTRAIN_JOB_UID", "value": "another"}, {"name": "WATTRAIN_NODE", "value": "mars"},
        {"name": "WATTRAIN_CHILD_UID", "value": "another's"},
    ]  # fmt: skip
    told = environment(pod_for(workers={"env": env}))
    assert told["GREETING"] == "$$(HOME) costs $$5 or $$$$"
    assert (told["HOME"], told["WATTRAIN_JOB_UID"], told["WATTRAIN_NODE"]) == ("/mnt", UID, "spec.nodeName")
    assert told["WATTRAIN_CHILD_UID"] == "metadata.uid"


def test_a_claim_holds_a_directory_for_each_job(pod_for):
    pod = pod_for(storage={"claim": "disk"})
    assert mounts(pod)["/wattrain/digits"]["subPath"] == "digits"
    assert volume_at(pod, "/wattrain/digits") == {"persistentVolumeClaim": {"claimName": "disk", "readOnly": False}}
    assert "WATTRAIN_PREPARE" not in environment(pod)


def test_without_a_claim_each_worker_prepares_its_own_data(pod_for):
    pod = pod_for(storage={"ephemeral": {"size": "3Gi"}})
    assert volume_at(pod, "/wattrain/digits") == {"emptyDir": {"sizeLimit": "3Gi"}}
    assert environment(pod)["WATTRAIN_PREPARE"] == "own"
    assert "WATTRAIN_PREPARE" not in environment(pod_for(script=SCRIPT))


@pytest.mark.parametrize("claim", ["texts", "models"])
def test_the_claim_of_an_initial_model_is_mounted_once_beside_that_of_the_data(pod_for, claim):
    initial = {"initialModel": {"claim": {"name": claim, "path": "topics-bert"}}}
    pod = pod_for(
        recipe={"name": "bert-classifier"},
        data={"source": {"claim": {"name": "texts", "path": "a.jsonl"}}, "label": "kind"},
        training={"epochs": 1, **initial},
    )
    [container] = pod["spec"]["containers"]
    mounted = [m["mountPath"] for m in container["volumeMounts"] if m["mountPath"].startswith("/data/")]
    assert mounted == sorted({"/data/texts", f"/data/{claim}"}, reverse=True)
    assert volume_at(pod, f"/data/{claim}") == {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}


def test_one_claim_is_one_volume_however_often_it_is_mounted(pod_for):
    pod = pod_for(
        storage={"claim": "disk"},
        data={"source": {"claim": {"name": "disk", "path": "a.csv"}}},
        workers={
            "volumes": [
                {"claim": "disk", "mountPath": "/all"},
                {"claim": "books", "mountPath": "/books", "readOnly": True},
            ]
        },
    )
    claims = [v["persistentVolumeClaim"] for v in pod["spec"]["volumes"] if "persistentVolumeClaim" in v]
    assert claims == [{"claimName": "disk", "readOnly": False}, {"claimName": "books", "readOnly": True}]
    assert len({mounts(pod)[path]["name"] for path in ("/wattrain/digits", "/data/disk", "/all")}) == 1
    assert mounts(pod)["/data/disk"]["readOnly"] is True


def test_other_volumes_of_the_user_are_mounted(pod_for):
    pod = pod_for(workers={"volumes": [
        {"emptyDir": "2Gi", "mountPath": "/cache"}, {"configMap": "settings", "mountPath": "/settings"},
    ]})  # fmt: skip
    assert volume_at(pod, "/cache") == {"emptyDir": {"sizeLimit": "2Gi"}}
    assert volume_at(pod, "/settings") == {"configMap": {"name": "settings"}}
    assert mounts(pod)["/settings"]["readOnly"] is True


def test_the_user_may_bring_a_larger_tmp(pod_for):
    pod = pod_for(workers={"volumes": [{"claim": "scratch", "mountPath": "/tmp/"}]})
    assert volume_at(pod, "/tmp")["persistentVolumeClaim"]["claimName"] == "scratch"
    assert volume_at(pod_for(), "/tmp") == {"emptyDir": {}}
    assert volume_at(pod_for(), "/dev/shm") == {"emptyDir": {"medium": "Memory"}}


@pytest.mark.parametrize(
    "path", ["/wattrain", "/wattrain/digits/model", "/etc", "/etc/wattrain/", "/dev", "//", "/mnt/../etc"]
)
def test_a_volume_where_wattrain_mounts_its_own_is_refused(pod_for, path):
    with pytest.raises(UnbuildableError, match=r"spec\.workers\.volumes\[0\]\.mountPath: .* choose another path"):
        pod_for(workers={"volumes": [{"emptyDir": "1Gi", "mountPath": path}]})


def test_our_own_image_has_the_supervisor_in_place(pod_for):
    for spec in ({}, {"image": "derived:1"}, {"script": SCRIPT}, {"script": SCRIPT, "image": "wattrain/worker:1"}):
        pod = pod_for(**spec)["spec"]
        assert "initContainers" not in pod
        assert pod["containers"][0]["command"] == ["wattrain-worker"]


@pytest.mark.parametrize(
    ("command", "python"),
    [
        ("python3.12", "python3.12"),
        ("/opt/conda/bin/python", "/opt/conda/bin/python"),
        ("./train.sh", "python3"),
    ],
)
def test_a_foreign_image_gets_the_supervisor_and_runs_it_in_the_scripts_own_python(pod_for, command, python):
    pod = pod_for(script={"command": [command, "x"]}, image="theirs:2")["spec"]
    [init], [container] = pod["initContainers"], pod["containers"]
    assert (init["image"], container["image"]) == ("wattrain/supervisor:1", "theirs:2")
    assert init["command"][-1] == container["command"][-1]
    assert container["command"][0] == python
    shared = {m["name"]: m["mountPath"] for m in init["volumeMounts"]}
    assert shared["supervisor"] == mounts({"spec": pod})["/wattrain-supervisor"]["mountPath"]


def test_data_for_a_script_is_prepared_in_the_worker_image(pod_for):
    data = {"source": {"builtin": "digits"}}
    spec = {"script": SCRIPT, "image": "theirs:2", "data": data}
    [prepare] = pod_for(Role.PREPARE, storage={"claim": "disk"}, **spec)["spec"]["containers"]
    assert (prepare["image"], prepare["command"]) == ("wattrain/worker:1", ["wattrain-worker"])
    with pytest.raises(UnbuildableError, match=r"spec\.storage: .* give storage\.claim"):
        pod_for(**spec)


def test_a_spec_too_long_for_a_pod_is_refused_by_its_longest_part(pod_for):
    script = {"command": ["python", "train.py"], "args": ["x" * 4096] * 80}
    with pytest.raises(
        UnbuildableError, match=r"spec\.script: the spec has 3\d{5} bytes, .* 262144; shorten spec\.script"
    ):
        pod_for(script=script)


def test_a_prometheus_that_goes_by_annotations_finds_the_metrics_unless_the_user_says_otherwise(pod_for):
    annotations = pod_for()["metadata"]["annotations"]
    told = {key: value for key, value in annotations.items() if key.startswith("prometheus.io/")}
    assert told == {"prometheus.io/scrape": "true", "prometheus.io/port": "9400", "prometheus.io/path": "/metrics"}
    mine = pod_for(workers={"annotations": {"prometheus.io/scrape": "false"}})["metadata"]["annotations"]
    assert (mine["prometheus.io/scrape"], mine["prometheus.io/port"]) == ("false", "9400")


def test_long_variables_of_the_user_are_no_part_of_what_must_fit(pod_for):
    env = [{"name": f"V{i}", "value": "x" * 32_000} for i in range(20)]
    assert len(pod_for(workers={"env": env})["metadata"]["annotations"]["wattrain.dev/spec"]) < 10_000


def test_labels_and_the_owner_let_people_and_the_garbage_collector_find_it(pod_for):
    metadata = pod_for(Role.PREPARE, attempt=2)["metadata"]
    assert metadata["name"] == "digits-prepare-2"
    assert metadata["labels"] == {
        "app.kubernetes.io/name": "wattrain", "app.kubernetes.io/instance": "digits",
        "app.kubernetes.io/component": "prepare", "app.kubernetes.io/managed-by": "wattrain",
        "wattrain.dev/job": "digits", "wattrain.dev/role": "prepare", "wattrain.dev/attempt": "2",
        "wattrain.dev/worker-index": "0",
    }  # fmt: skip
    [owner] = metadata["ownerReferences"]
    assert (owner["uid"], owner["controller"], owner["blockOwnerDeletion"]) == (UID, True, False)


def test_prometheus_and_the_kubelet_find_the_port(pod_for):
    [container] = pod_for()["spec"]["containers"]
    assert (container["name"], container["ports"]) == (
        "worker",
        [{"name": "metrics", "containerPort": 9400, "protocol": "TCP"}],
    )
    assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 9400}


def test_the_model_on_a_claim_has_an_address_that_a_person_outside_can_follow(pod_for, job_of):
    claimed = {"storage": {"claim": "training"}}
    path = environment(pod_for(**claimed))["WATTRAIN_MODEL_DIR"]
    assert address_of(job_of(**claimed), path) == "claim://training/digits/model"
    assert address_of(job_of(**claimed), "/elsewhere") == "/elsewhere"
    assert address_of(job_of(), path) == path


def test_event_files_for_tensorboard_need_a_claim(pod_for):
    tracking = {"tensorBoard": {}}
    with pytest.raises(UnbuildableError, match=r"spec\.tracking\.tensorBoard: .*; give storage\.claim"):
        pod_for(tracking=tracking)
    pod = pod_for(tracking=tracking, storage={"claim": "training"})
    assert json.loads(pod["metadata"]["annotations"]["wattrain.dev/spec"])["tracking"] == tracking
    assert environment(pod)["WATTRAIN_METRICS_FILE"] == "/wattrain/digits/records/metrics.jsonl"
    assert environment(pod)["WATTRAIN_KEPT_LOG_FILE"] == "/wattrain/digits/records/worker-0.log"
