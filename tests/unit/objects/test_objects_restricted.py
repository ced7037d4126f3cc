"""Whatever a job asks for, its pods pass Pod Security `restricted`, and are told what they must be told."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattrain_operator.core.roles import Role

# The rules of `restricted`, which include those of `baseline`, as Kubernetes documents them.
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"
}  # fmt: skip


def violations(pod: Any) -> list[str]:
    """What `restricted` would refuse `pod` for; empty: it passes."""
    spec = pod["spec"]
    return [*_of_pod(spec), *(v for c in _containers(spec) for v in _of_container(c, spec.get("securityContext", {})))]


def _containers(spec: Any) -> list[Any]:
    return [*spec["containers"], *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())]


def _of_pod(spec: Any) -> Iterator[str]:
    yield from (field for field in ("hostNetwork", "hostPID", "hostIPC") if spec.get(field))
    for volume in spec.get("volumes", ()):
        kinds = set(volume) - {"name"}
        if len(kinds) != 1 or not kinds <= VOLUMES:
            yield f"volume {volume['name']}: {kinds}"
    security = spec.get("securityContext", {})
    kernel = ("seLinuxOptions", "sysctls", "appArmorProfile", "windowsOptions")
    yield from (f"pod {field}" for field in kernel if field in security)
    if security.get("runAsUser") == 0:
        yield "pod runAsUser 0"


def _of_container(container: Any, pod: Any) -> Iterator[str]:
    own, name = container.get("securityContext", {}), container["name"]
    effective = {**pod, **own}
    if effective.get("privileged"):
        yield f"{name}: privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities"
    if effective.get("runAsNonRoot") is not True or effective.get("runAsUser") == 0:
        yield f"{name}: runs as root"
    if effective.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield f"{name}: seccompProfile"
    if own.get("procMount", "Default") != "Default" or {"seLinuxOptions", "windowsOptions"} & set(own):
        yield f"{name}: procMount or options of the kernel"
    if any(port.get("hostPort") for port in container.get("ports", ())):
        yield f"{name}: hostPort"
    probes = [container.get(kind, {}) for kind in ("readinessProbe", "livenessProbe", "startupProbe")]
    if any(probe.get(kind, {}).get("host") for probe in probes for kind in ("httpGet", "tcpSocket")):
        yield f"{name}: host of a probe"


LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=63)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VOLUME = st.one_of(
    st.fixed_dictionaries({"claim": LABELS}, optional={"readOnly": st.booleans()}),
    st.fixed_dictionaries({"emptyDir": st.sampled_from(["1Gi", "500M"])}, optional={"readOnly": st.booleans()}),
    st.fixed_dictionaries({"configMap": LABELS}),
    st.fixed_dictionaries({"secret": LABELS}),
    st.fixed_dictionaries(
        {
            "projected": st.lists(
                st.fixed_dictionaries({"secret": LABELS}) | st.fixed_dictionaries({"configMap": LABELS}),
                min_size=1,
                max_size=2,
            )
        }
    ),
)
WORKERS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.integers(1, 1024),
        "env": st.lists(
            st.fixed_dictionaries({"name": st.from_regex("[A-Z_]{1,20}", fullmatch=True), "value": ANY_TEXT}),
            max_size=5,
        ),
        "volumes": st.lists(VOLUME, max_size=4).map(
            lambda found: [{**volume, "mountPath": f"/mnt/{i}"} for i, volume in enumerate(found)]
        ),
        "envFrom": st.lists(st.fixed_dictionaries({"secretRef": st.fixed_dictionaries({"name": LABELS})}), max_size=2),
        "labels": st.dictionaries(LABELS, LABELS, max_size=3),
        "annotations": st.dictionaries(LABELS, ANY_TEXT, max_size=3),
        "serviceAccountName": LABELS,
        "nodeSelector": st.dictionaries(LABELS, LABELS, max_size=3),
        "tolerations": st.lists(st.fixed_dictionaries({"key": LABELS, "operator": st.just("Exists")}), max_size=3),
        "topologySpread": st.lists(st.fixed_dictionaries({"topologyKey": LABELS}), max_size=2),
        "priorityClassName": LABELS,
        "schedulerName": LABELS,
        "imagePullSecrets": st.lists(LABELS, max_size=2),
        "runAsUser": st.integers(1, 2**31 - 1),
        "resources": st.fixed_dictionaries(
            {"limits": st.dictionaries(st.sampled_from(["cpu", "memory", "nvidia.com/gpu"]), st.just("1"), max_size=3)}
        ),
    },
)
SCRIPT = st.fixed_dictionaries(
    {"command": st.lists(ANY_TEXT, min_size=1, max_size=3), "args": st.lists(ANY_TEXT, max_size=3)}
)
STORAGE = st.sampled_from([{}, {"claim": "disk"}, {"ephemeral": {"size": "1Gi"}}])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.from_regex(r"[a-z0-9]([-a-z0-9]{0,45}[a-z0-9])?", fullmatch=True), workers=WORKERS, storage=STORAGE,
    script=st.none() | SCRIPT, image=st.sampled_from(["", "theirs:2"]), role=st.sampled_from(list(Role)),
)  # fmt: skip
def test_every_job_becomes_pods_that_pass_restricted(pod_for, name, workers, storage, script, image, role):
    spec = {"workers": workers, "storage": storage, "image": image} | ({} if script is None else {"script": script})
    pod = pod_for(role, attempt=3, worker=0, name=name, **spec)
    assert violations(pod) == []
    assert pod["spec"]["automountServiceAccountToken"] is ("serviceAccountName" in workers)
    _names_are_sound(pod)
    told = json.loads(pod["metadata"]["annotations"]["wattrain.dev/spec"])
    assert told.get("script", {}).get("command") == (None if script is None else script["command"])
    environment = {e["name"]: e.get("value", "") for c in pod["spec"]["containers"] for e in c["env"]}
    for variable in workers.get("env", ()):
        last = [v["value"] for v in workers["env"] if v["name"] == variable["name"]][-1]
        assert as_a_kubelet_reads(environment[variable["name"]]) == last


def _names_are_sound(pod: Any) -> None:
    """What the API server would refuse by its form alone."""
    spec, label = pod["spec"], re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
    volumes = [volume["name"] for volume in spec["volumes"]]
    assert len(volumes) == len(set(volumes))
    assert all(label.fullmatch(name) for name in [*volumes, spec["hostname"], spec["subdomain"]])
    assert re.fullmatch("[a-z].*", spec["subdomain"])  # it names a Service
    for container in [*spec["containers"], *spec.get("initContainers", ())]:
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(paths) == len(set(paths))
        assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes)
        variables = [variable["name"] for variable in container.get("env", ())]
        assert len(variables) == len(set(variables))
    assert all(len(value) <= 63 for value in pod["metadata"]["labels"].values())


def as_a_kubelet_reads(value: str) -> str:
    """`value` after a kubelet has replaced `$$` by `$`; a reference to another variable is none of ours."""
    assert not re.search(r"(?<!\$)(\$\$)*\$\(", value)
    return value.replace("$$", "$")


BREACHES = {
    "hostNetwork": lambda spec: spec.update(hostNetwork=True),
    "volume": lambda spec: spec["volumes"].append({"name": "root", "hostPath": {"path": "/"}}),
    "runs as root": lambda spec: spec["securityContext"].update(runAsUser=0),
    "allowPrivilegeEscalation": lambda spec: spec["containers"][0]["securityContext"].pop("allowPrivilegeEscalation"),
    "capabilities": lambda spec: spec["containers"][0]["securityContext"].pop("capabilities"),
    "privileged": lambda spec: spec["containers"][0]["securityContext"].update(privileged=True),
    "hostPort": lambda spec: spec["containers"][0]["ports"][0].update(hostPort=80),
    "supervisor: ": lambda spec: spec["initContainers"][0].pop("securityContext"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_pod_that_breaks_a_rule_is_found(pod_for, breach):
    pod = copy.deepcopy(pod_for(script={"command": ["python", "train.py"]}, image="theirs:2"))
    assert violations(pod) == []
    BREACHES[breach](pod["spec"])
    assert any(breach in violation for violation in violations(pod)), violations(pod)
