"""The scrape configurations of docs/prometheus, as far as a Prometheus without discovery in Kubernetes can check them.

tests/e2e/laptop and tests/e2e/node scrape by them.
"""

import pytest
import yaml
from harness.helm import MONITORING_KINDS
from harness.prometheus import promtool
from harness.rules_world import RULES

FOLDER = RULES.parents[2] / "docs" / "prometheus"


def read(name):
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["laptop.yml", "prometheus.yml"])
def test_promtool_takes_it_and_finds_its_rules(promtool_is_there, tmp_path, name):
    config = read(name)
    for scrape in config["scrape_configs"]:  # Debian's Prometheus is built without this one
        for discovery in scrape.pop("kubernetes_sd_configs", []):
            assert set(discovery) == {"role", "selectors"}
            assert all(set(selector) == {"role", "label"} for selector in discovery["selectors"])
    config["rule_files"] = [str(FOLDER / pattern) for pattern in config["rule_files"]]
    assert all(list(FOLDER.glob(pattern)) for pattern in read(name)["rule_files"])
    file = tmp_path / name
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    done = promtool("check", "config", "--lint=all", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_laptop_has_no_alerts_of_an_operator_that_it_does_not_have():
    assert "rules/operator.yaml" not in read("laptop.yml")["rule_files"]


def test_with_and_without_the_prometheus_operator_workers_have_the_same_labels(helm):
    """`namespace` and `pod` come from the Prometheus operator itself."""
    monitors = {
        o["metadata"]["name"]: o["spec"]["podMetricsEndpoints"][0]
        for o in helm.render(knows=MONITORING_KINDS)
        if o["kind"] == "PodMonitor"
    }
    for scrape in read("prometheus.yml")["scrape_configs"]:
        monitor = monitors[scrape["job_name"]]
        assert scrape["honor_labels"] == monitor["honorLabels"]
        pairs = {
            (r["source_labels"][0], r["target_label"]) for r in scrape["relabel_configs"] if "target_label" in r
        } - {("__meta_kubernetes_namespace", "namespace"), ("__meta_kubernetes_pod_name", "pod")}
        assert pairs == {(r["sourceLabels"][0], r["targetLabel"]) for r in monitor.get("relabelings", [])}
