"""The dashboards that the chart brings are those of dashboards/, each small enough for `kubectl apply`."""

import json

import pytest

MOST_BYTES = 200_000
"""Of a ConfigMap: an annotation, which holds a copy, may have 262,144."""


def config_maps(objects):
    return [o for o in objects if o["kind"] == "ConfigMap"]


@pytest.fixture(scope="module")
def shipped(helm):
    return config_maps(helm.render())


def test_each_dashboard_is_shipped_as_it_is_in_its_own_config_map(shipped, root):
    files = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((root / "dashboards").glob("*.json"))]
    assert len(files) == len(shipped) == 4
    found = {key: json.loads(text) for o in shipped for key, text in o["data"].items()}
    assert found == {f"{dashboard['uid']}.json": dashboard for dashboard in files}
    assert "{{namespace}}" in "".join(text for o in shipped for text in o["data"].values())


def test_each_is_small_enough_for_the_annotation_of_kubectl_apply(shipped):
    sizes = {o["metadata"]["name"]: len(json.dumps(o)) for o in shipped}
    assert max(sizes.values()) < MOST_BYTES, sizes
    assert sum(sizes.values()) < 1024 * 1024


def test_the_sidecar_of_grafana_finds_them(shipped):
    for o in shipped:
        assert o["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert o["metadata"]["annotations"] == {"grafana_folder": "Wattrain"}
        assert o["metadata"]["namespace"] == "wattrain-system"


def test_label_folder_and_namespace_can_be_set(helm):
    values = {"namespace": "monitoring", "labels": {"grafana_dashboard": "yes"}, "annotations": {"folder": "Training"}}
    for o in config_maps(helm.render({"dashboards": values})):
        assert o["metadata"]["namespace"] == "monitoring"
        assert o["metadata"]["labels"]["grafana_dashboard"] == "yes"
        assert o["metadata"]["annotations"]["folder"] == "Training"


@pytest.mark.parametrize(("key", "value"), [
    ("enabled", "yes"), ("namespace", "Team A"), ("labels", {"a": 1}), ("annotations", ["a"]), ("folder", "Training"),
])  # fmt: skip
def test_a_bad_value_is_refused_by_name(helm, key, value):
    assert key in helm.refusal({"dashboards": {key: value}})


def test_they_can_be_left_out_and_nothing_else_with_them(helm, shipped):
    without = helm.render({"dashboards": {"enabled": False}})
    assert config_maps(without) == []
    assert len(helm.render()) == len(without) + len(shipped)
