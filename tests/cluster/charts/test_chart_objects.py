"""The objects that Helm and kustomize make."""

import re

import pytest
import yaml
from harness.helm import MONITORING_KINDS

from wattrain_api.load import load_files
from wattrain_api.support import unsupported

NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
EVERYTHING = {
    "replicas": 2,
    "reach": "proxy",
    "monitoring": {"podMonitors": {"labels": {"release": "p"}}, "rules": {"labels": {"release": "p"}}},
    "networkPolicy": {"apiServerPorts": [6443]},
    "imagePullSecrets": [{"name": "registry"}],
    "priorityClassName": "system-cluster-critical",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "control", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "notifications": {
        "url": "https://hooks.example.com/wattrain",
        "secretName": "notifications",
        "conditions": ["Failed"],
    },
    "otlp": {"endpoint": "http://collector.monitoring:4318", "headersSecretName": "otlp"},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "platform"},
    "serviceAccount": {"annotations": {"a": "b"}},
}


def one(objects, kind, part=""):
    (found,) = [o for o in objects if o["kind"] == kind and part in o["metadata"]["name"]]
    return found


def pod_of(objects):
    return one(objects, "Deployment")["spec"]["template"]["spec"]


def environment_of(pod):
    return {variable["name"]: variable.get("value", "") for variable in pod["containers"][0]["env"]}


def breaches_of_restricted(pod):
    """What the Pod Security Standard `restricted` forbids of `pod` (a pod's spec)."""
    pod_context = pod.get("securityContext", {})
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    for volume in pod.get("volumes", []):
        found += [f"volume {kind}" for kind in set(volume) - {"name"} - allowed]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        context = {**pod_context, **container.get("securityContext", {})}
        checks = {
            "privileged": not context.get("privileged", False),
            "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": context.get("runAsNonRoot") is True,
            "runAsUser": context.get("runAsUser") != 0,
            "seccompProfile": context.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "capabilities.drop": "ALL" in context.get("capabilities", {}).get("drop", []),
            "capabilities.add": set(context.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"},
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", [])),
        }
        found += [name for name, holds in checks.items() if not holds]
    return found


def test_the_operators_pod_passes_pod_security_restricted(helm, kustomize):
    for objects in (helm.render(), helm.render(EVERYTHING), kustomize("manifests")):
        assert breaches_of_restricted(pod_of(objects)) == []
        assert pod_of(objects)["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(
    ("values", "breach"),
    [
        ({"podSecurityContext": {"runAsNonRoot": False}}, "runAsNonRoot"),
        ({"podSecurityContext": {"runAsUser": 0}}, "runAsUser"),
        ({"podSecurityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccompProfile"),
        ({"securityContext": {"privileged": True}}, "privileged"),
        ({"securityContext": {"allowPrivilegeEscalation": True}}, "allowPrivilegeEscalation"),
        ({"securityContext": {"capabilities": {"drop": []}}}, "capabilities.drop"),
        ({"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "capabilities.add"),
    ],
)
def test_values_that_loosen_the_pod_are_seen_by_the_check(helm, values, breach):
    assert breaches_of_restricted(pod_of(helm.render(values))) == [breach]


def test_the_namespace_of_the_manifests_enforces_restricted(kustomize):
    labels = one(kustomize("manifests"), "Namespace")["metadata"]["labels"]
    assert labels == {"pod-security.kubernetes.io/enforce": "restricted"}


def test_helm_and_kustomize_run_the_same_pod_behind_the_same_policy(helm, kustomize):
    by_chart, by_manifests = helm.render(), kustomize("manifests")
    pods = [pod_of(objects) for objects in (by_chart, by_manifests)]
    spreads = [pod["topologySpreadConstraints"][0].pop("labelSelector")["matchLabels"] for pod in pods]
    assert spreads[0] == spreads[1] | {"app.kubernetes.io/instance": "wattrain"}  # kustomize knows no releases
    assert pods[0] == pods[1]
    policies = [one(objects, "NetworkPolicy")["spec"] for objects in (by_chart, by_manifests)]
    assert [policy.pop("podSelector") != {} for policy in policies] == [True, True]
    assert policies[0] == policies[1]
    deployments = [one(objects, "Deployment") for objects in (by_chart, by_manifests)]
    assert len({(d["metadata"]["namespace"], d["metadata"]["name"], d["spec"]["replicas"]) for d in deployments}) == 1


def test_helm_and_kustomize_define_what_the_models_say(helm, kustomize, root):
    generated = {}
    for file in (root / "manifests" / "crd").glob("*.wattrain.dev.yaml"):
        definition = yaml.safe_load(file.read_text(encoding="utf-8"))
        generated[definition["metadata"]["name"]] = definition["spec"]
    assert len(generated) == 2
    for objects in (helm.render(), kustomize("manifests"), kustomize("manifests/crd")):
        found = {o["metadata"]["name"]: o["spec"] for o in objects if o["kind"] == "CustomResourceDefinition"}
        assert found == generated


def test_definitions_stay_when_the_chart_goes_unless_told_otherwise(helm):
    def annotations(values):
        objects = helm.render({"crds": values})
        return [o["metadata"].get("annotations") for o in objects if o["kind"] == "CustomResourceDefinition"]

    assert annotations({}) == [{"helm.sh/resource-policy": "keep"}] * 2
    assert annotations({"keep": False}) == [None] * 2
    assert annotations({"enabled": False}) == []


def test_the_operator_understands_its_settings(helm, kustomize):
    settings = pytest.importorskip("wattrain_operator.cluster.settings", reason="the operator is not installed")
    values = {
        "watchNamespaces": ["team-a", "team-b"],
        "reach": "proxy",
        "worker": {
            "networkPolicy": False,
            "image": {"tag": "9", "pullPolicy": "Always"},
            "requests": {"cpu": 2, "memory": ""},
        },
    }
    read = settings.OperatorSettings.from_environment(environment_of(pod_of(helm.render(values, release="w"))))
    assert read.namespaces == ("team-a", "team-b")
    assert (read.reach, read.network_policy, read.image_pull_policy) == ("proxy", False, "Always")
    assert (read.worker_image, read.lease_name) == ("wattrain/worker:9", "w-wattrain-operator")
    assert (read.worker_cpu_request, read.worker_memory_request) == ("2", "")
    for objects in (helm.render(), kustomize("manifests")):
        read = settings.OperatorSettings.from_environment(environment_of(pod_of(objects)))
        assert (read.namespaces, read.reach, read.network_policy) == ((), "direct", True)
        assert (read.worker_cpu_request, read.worker_memory_request) == ("100m", "512Mi")
        assert read.credentials == "allowed"
        ports = {port["name"]: port["containerPort"] for port in pod_of(objects)["containers"][0]["ports"]}
        assert ports == {"metrics": read.metrics_port, "health": read.health_port}


@pytest.mark.parametrize(("value", "told", "policies"), [
    ("Checked", "allowed", 1), ("Trusted", "allowed", 0), ("Refused", "refused", 0),
])  # fmt: skip
def test_secrets_may_be_named_only_where_a_policy_checks_them_or_users_are_trusted(helm, value, told, policies):
    objects = helm.render({"worker": {"credentials": value}})
    assert environment_of(pod_of(objects))["WATTRAIN_OPERATOR_CREDENTIALS"] == told
    kinds = [o["kind"] for o in objects]
    assert kinds.count("ValidatingAdmissionPolicy") == kinds.count("ValidatingAdmissionPolicyBinding") == policies


def test_helm_and_kustomize_check_credentials_by_the_same_policy(helm, kustomize):
    by_chart, by_manifests = (one(o, "ValidatingAdmissionPolicy") for o in (helm.render(), kustomize("manifests")))
    assert by_chart["spec"] == by_manifests["spec"]
    for objects in (helm.render(), kustomize("manifests")):
        policy, binding = one(objects, "ValidatingAdmissionPolicy"), one(objects, "ValidatingAdmissionPolicyBinding")
        assert binding["spec"]["policyName"] == policy["metadata"]["name"]


def test_operators_of_some_namespaces_each_have_a_policy_of_their_own(helm):
    policy = one(helm.render({"watchNamespaces": ["team-a"]}, release="w"), "ValidatingAdmissionPolicy")
    assert re.fullmatch(r"w-wattrain-operator\.[a-z0-9.-]*[a-z0-9]-secrets", policy["metadata"]["name"])


def test_a_digest_wins_over_a_tag(helm):
    digest = f"sha256:{'0' * 64}"
    objects = helm.render({"image": {"tag": "9", "digest": digest}, "worker": {"image": {"repository": "a/b"}}})
    assert pod_of(objects)["containers"][0]["image"] == f"wattrain/operator@{digest}"
    told = environment_of(pod_of(objects))
    assert told["WATTRAIN_OPERATOR_WORKER_IMAGE"].startswith("a/b:")
    assert told["WATTRAIN_OPERATOR_SUPERVISOR_IMAGE"] == f"wattrain/operator@{digest}"


def test_every_selector_finds_the_operator_and_no_worker(helm, kustomize):
    for objects in (helm.render(EVERYTHING, knows=MONITORING_KINDS), kustomize("manifests")):
        deployment = one(objects, "Deployment")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        selectors = [deployment["spec"]["selector"], one(objects, "NetworkPolicy")["spec"]["podSelector"]]
        spreads = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        selectors += [spread["labelSelector"] for spread in spreads]
        selectors += [o["spec"]["selector"] for o in objects if o["kind"] == "PodDisruptionBudget"]
        selectors += [
            o["spec"]["selector"]
            for o in objects
            if o["kind"] == "PodMonitor" and "workers" not in o["metadata"]["name"]
        ]
        for selector in selectors:
            assert selector["matchLabels"].items() <= labels.items()
            assert selector["matchLabels"]["app.kubernetes.io/component"] == "operator"


def test_labels_of_the_user_are_added_and_replace_none(helm):
    mine = {"app.kubernetes.io/component": "mine", "team": "platform"}
    labels = one(helm.render({"podLabels": mine}), "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert (labels["app.kubernetes.io/component"], labels["team"]) == ("operator", "platform")


def test_a_budget_for_disruptions_comes_with_the_second_operator(helm):
    assert [o for o in helm.render() if o["kind"] == "PodDisruptionBudget"] == []
    two = helm.render({"replicas": 2})
    assert one(two, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert pod_of(two) == pod_of(helm.render()), "the first operator would be replaced for the second"


def test_the_probes_ask_the_health_port_which_no_pod_may_reach(helm):
    objects = helm.render()
    container = pod_of(objects)["containers"][0]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert [(p["path"], p["port"]) for p in probes] == [
        ("/healthz", "health"),
        ("/healthz", "health"),
        ("/readyz", "health"),
    ]
    rules = one(objects, "NetworkPolicy")["spec"]["ingress"]
    assert [port["port"] for rule in rules for port in rule["ports"]] == ["metrics"]


def test_an_operator_that_takes_minutes_to_start_is_not_killed_meanwhile(helm):
    probe = pod_of(helm.render())["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 300


def test_the_operators_policy_opens_what_it_needs_and_no_more(helm):
    values = {
        "networkPolicy": {"apiServerPorts": [6443], "metricsFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}
    }
    policy = one(helm.render(values), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"][0]["from"] == values["networkPolicy"]["metricsFrom"]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 6443, 9400}
    assert "egress" not in one(helm.render(), "NetworkPolicy")["spec"]
    assert [o for o in helm.render({"networkPolicy": {"enabled": False}}) if o["kind"] == "NetworkPolicy"] == []


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("https://hooks.example.com/wattrain", 443), ("http://hooks", 80), ("http://hooks.team:8080/x?token=a:1", 8080),
        ("https://user:pass@hooks.example.com:8443", 8443), ("http://[fd00::1]:9000/", 9000), ("http://[fd00::1]/", 80),
    ],
)  # fmt: skip
def test_the_operators_policy_lets_it_reach_the_receiver_of_notifications(helm, url, port):
    values = {"networkPolicy": {"apiServerPorts": [6443]}, "notifications": {"url": url}}
    policy = one(helm.render(values), "NetworkPolicy")["spec"]
    assert [each["port"] for each in policy["egress"][0]["ports"]] == [53, 53, 6443, port]


def test_the_receiver_of_notifications_is_named_to_the_operator_and_its_secret_only_by_reference(helm):
    told = {variable["name"]: variable for variable in pod_of(helm.render(EVERYTHING))["containers"][0]["env"]}
    prefix = "WATTRAIN_OPERATOR_NOTIFY_"
    assert told[f"{prefix}URL"]["value"] == "https://hooks.example.com/wattrain"
    assert told[f"{prefix}CONDITIONS"]["value"] == "Failed"
    assert told[f"{prefix}SECRET"]["valueFrom"] == {"secretKeyRef": {"name": "notifications", "key": "secret"}}
    assert [name for name in environment_of(pod_of(helm.render())) if name.startswith(prefix)] == []


def test_the_collector_is_named_to_the_operator_by_the_standard_variables(helm):
    told = {variable["name"]: variable for variable in pod_of(helm.render(EVERYTHING))["containers"][0]["env"]}
    prefix = "OTEL_EXPORTER_OTLP_"
    assert told[f"{prefix}ENDPOINT"]["value"] == "http://collector.monitoring:4318"
    assert told[f"{prefix}PROTOCOL"]["value"] == "http/protobuf"
    assert told[f"{prefix}HEADERS"]["valueFrom"] == {"secretKeyRef": {"name": "otlp", "key": "headers"}}
    assert [name for name in environment_of(pod_of(helm.render())) if name.startswith("OTEL_")] == []
    policy = one(helm.render(EVERYTHING), "NetworkPolicy")["spec"]
    assert [each["port"] for each in policy["egress"][0]["ports"]] == [53, 53, 6443, 443, 4318]


def test_a_secret_without_an_address_is_refused(helm):
    assert "otlp.endpoint" in helm.refusal({"otlp": {"headersSecretName": "otlp"}})
    assert "notifications.url" in helm.refusal({"notifications": {"secretName": "notifications"}})


@pytest.mark.parametrize("release", ["w", "wattrain", "a" * 53, "my-wattrain-of-" + "long" * 9])
def test_names_and_labels_are_short_enough_whatever_the_release_is_called(helm, release):
    for o in helm.render(EVERYTHING, knows=MONITORING_KINDS, release=release):
        if o["kind"] != "CustomResourceDefinition":
            assert NAME.fullmatch(o["metadata"]["name"]), o["metadata"]["name"]
        assert all(len(value) <= 63 for value in o["metadata"]["labels"].values())


def test_everything_is_in_the_releases_namespace(helm):
    objects = helm.render(EVERYTHING, knows=MONITORING_KINDS)
    assert {o["metadata"].get("namespace", "wattrain-system") for o in objects} == {"wattrain-system"}


def test_the_samples_are_jobs_that_this_version_runs(kustomize, tmp_path):
    files = {}
    for sample in kustomize("manifests/samples"):
        file = files[sample["metadata"]["name"]] = tmp_path / f"{sample['metadata']['name']}.yaml"
        file.write_text(yaml.safe_dump(sample), encoding="utf-8")
    domain = files.pop("default")
    assert len(files) == 2
    for name, file in files.items():
        loaded = load_files([file, domain])
        assert [job.metadata.name for job in loaded.jobs] == [name]
        assert unsupported(loaded.jobs[0].spec) == []


@pytest.mark.parametrize(("values", "namespace"), [({}, "default"), ({"watchNamespaces": ["a", "b"]}, "a")])
def test_the_notes_give_a_job_that_can_be_pasted(helm, tmp_path, values, namespace):
    notes = helm.notes(values)
    command, document = re.search(r"(kubectl apply .*) <<END\n(.*?)\n  END\n", notes, re.DOTALL).groups()
    assert command.split() == ["kubectl", "apply", "-n", namespace, "-f", "-"]
    file = tmp_path / "job.yaml"
    file.write_text(document, encoding="utf-8")
    [job] = load_files([file]).jobs
    assert unsupported(job.spec) == []
    assert f"get trainingjobs -n {namespace} --watch" in notes
    assert "deployment/wattrain-operator" in notes
    assert ("crds.enabled" in notes) is False
    assert "crds.enabled" in helm.notes(values | {"crds": {"enabled": False}})


def test_lint_has_nothing_to_say(helm, chart):
    result = helm.run("lint", "--strict", chart)
    assert result.returncode == 0, result.stdout
    assert set(re.findall(r"\[(?:WARNING|ERROR)\].*", result.stdout)) == set()


def test_the_packaged_chart_renders_the_same(helm, chart, tmp_path):
    packaged = helm.run("package", chart, "--destination", tmp_path)
    assert packaged.returncode == 0, packaged.stderr
    (archive,) = tmp_path.glob("wattrain-*.tgz")
    rendered = helm.run("template", "wattrain", archive, "--namespace", "wattrain-system")
    assert list(filter(None, yaml.safe_load_all(rendered.stdout))) == helm.render()
