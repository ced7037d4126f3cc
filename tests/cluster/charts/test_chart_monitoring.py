"""What the chart brings for Prometheus: with its operator, without it, and what a user may change."""

import pytest
import yaml
from harness.helm import MONITORING
from harness.helm import MONITORING_KINDS as KINDS

SCRAPE = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080", "prometheus.io/path": "/metrics"}


def monitoring(objects, kind=None):
    """The objects of the Prometheus operator's kinds, or of one of them, by name."""
    return {o["metadata"]["name"]: o for o in objects if o["apiVersion"] == MONITORING and kind in (None, o["kind"])}


def annotations(objects):
    (deployment,) = [o for o in objects if o["kind"] == "Deployment"]
    return deployment["spec"]["template"]["metadata"]["annotations"]


def rule_files(folder):
    """All groups of a folder of rule files."""
    files = sorted(folder.glob("*.yaml"))
    return [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]


def switched(*, monitors=True, rules=True, **more):
    return {"monitoring": {"podMonitors": {"enabled": monitors, **more}, "rules": {"enabled": rules, **more}}}


def test_without_the_prometheus_operator_its_kinds_are_left_out_and_the_notes_say_so(helm):
    assert monitoring(helm.render()) == {}
    assert "does not know them: PodMonitor, PrometheusRule" in helm.notes({})
    assert "does not know them: PrometheusRule (" in helm.notes(switched(monitors=False))
    assert set(monitoring(helm.render(knows=["PrometheusRule"]))) == {"wattrain"}


@pytest.mark.parametrize("monitors", [True, False])
@pytest.mark.parametrize("rules", [True, False])
def test_monitors_and_rules_are_switched_on_their_own(helm, monitors, rules):
    objects = helm.render(switched(monitors=monitors, rules=rules), knows=KINDS)
    assert len(monitoring(objects, "PodMonitor")) == (2 if monitors else 0)
    assert len(monitoring(objects, "PrometheusRule")) == int(rules)
    if not monitors and not rules:
        assert "Left out" not in helm.notes(switched(monitors=False, rules=False))


def test_with_the_prometheus_operator_it_finds_operator_and_workers_and_the_rules(helm):
    objects = helm.render(switched(labels={"release": "p"}), knows=KINDS)
    assert {o["metadata"]["labels"]["release"] for o in monitoring(objects).values()} == {"p"}
    monitors = monitoring(objects, "PodMonitor")
    assert set(monitors) == {"wattrain-operator", "wattrain-workers"}
    assert monitors["wattrain-workers"]["spec"]["namespaceSelector"] == {"any": True}
    assert "namespaceSelector" not in monitors["wattrain-operator"]["spec"]  # its own
    limited = monitoring(helm.render({"watchNamespaces": ["team-a"]}, knows=KINDS))
    assert limited["wattrain-workers"]["spec"]["namespaceSelector"] == {"matchNames": ["team-a"]}


def test_the_rules_of_the_chart_are_those_of_the_files(helm, chart, root):
    (rule,) = monitoring(helm.render(knows=KINDS), "PrometheusRule").values()
    assert rule["spec"]["groups"] == rule_files(chart / "rules") == rule_files(root / "docs" / "prometheus" / "rules")
    names = {group["name"] for group in rule["spec"]["groups"]}
    assert names == {"wattrain.domains", "wattrain.jobs", "wattrain.operator", "wattrain.recording"}


@pytest.mark.parametrize("address", ["https://wiki.example/runbook", "https://wiki.example/runbook/"])
def test_the_runbook_is_where_the_user_says(helm, address):
    objects = helm.render({"monitoring": {"rules": {"runbooks": address}}}, knows=KINDS)
    (rule,) = monitoring(objects, "PrometheusRule").values()
    urls = {r["annotations"]["runbook_url"] for g in rule["spec"]["groups"] for r in g["rules"] if "alert" in r}
    assert "https://wiki.example/runbook/WattrainJobFailed.md" in urls
    assert all(url.startswith("https://wiki.example/runbook/Wattrain") for url in urls)


def test_a_jobs_series_keep_its_namespace_and_a_workers_series_have_its_pods(helm):
    objects = monitoring(helm.render(knows=KINDS), "PodMonitor")
    honored = {
        name: [endpoint["honorLabels"] for endpoint in o["spec"]["podMetricsEndpoints"]] for name, o in objects.items()
    }
    assert honored == {"wattrain-operator": [True], "wattrain-workers": [False]}
    (endpoint,) = objects["wattrain-workers"]["spec"]["podMetricsEndpoints"]
    assert [relabeling["targetLabel"] for relabeling in endpoint["relabelings"]] == ["trainingjob", "worker"]


def test_helm_and_kustomize_annotate_the_operators_pod_for_scraping(helm, kustomize):
    assert annotations(helm.render()) == annotations(kustomize("manifests")) == SCRAPE


@pytest.mark.parametrize("mine", [{"prometheus.io/scrape": "false"}, {"prometheus.io/port": "1", "a": "b"}])
def test_a_users_own_annotations_win(helm, mine):
    assert annotations(helm.render({"podAnnotations": mine})) == SCRAPE | mine
