import pytest

from wattrain_api import metrics
from wattrain_api.metrics_doc import main, render

ALL = (*metrics.WORKER_METRICS, *metrics.JOB_METRICS, *metrics.OPERATOR_METRICS)
LABELS = {
    "namespace", "name", "state", "component", "device", "source", "currency", "kind", "verb", "resource", "code",
    "outcome",
}  # fmt: skip


def test_every_metric_of_the_module_is_exported_and_documented():
    defined = {value for value in vars(metrics).values() if isinstance(value, metrics.Metric)}
    assert defined == set(ALL)
    for metric in ALL:
        assert f"| `{metric.name}` | {metric.type} |" in render()


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_follow_the_conventions_of_prometheus(metric):
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.type in ("gauge", "counter", "histogram")
    assert set(metric.labels) <= LABELS
    assert metric.help.endswith(".")
    assert "|" not in metric.help  # it would break the table


def test_check_finds_a_stale_page(tmp_path, capsys):
    page = tmp_path / "metrics.md"
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0
    page.write_text(page.read_text().replace("watts", "horsepower"))
    assert main(["--check", str(page)]) == 1
    assert "is not current: run python -m wattrain_api.metrics_doc" in capsys.readouterr().err
