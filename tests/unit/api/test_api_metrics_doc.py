"""docs/metrics.md: every metric, with its unit and its field."""

import re

from wattrain_api import metrics, metrics_neighbours
from wattrain_api.metrics_doc import main, render

ALL = [exported for subject in metrics.SUBJECTS for exported in metrics.exported_of(subject)]


def test_every_metric_is_documented_with_type_unit_and_labels():
    for exported in ALL:
        labels = ", ".join(f"`{label}`" for label in exported.labels) or "-"
        metric = exported.metric
        assert f"| `{exported.name}` | {metric.type} | {metric.unit or '-'} | {labels} |" in render()


def test_fields_are_named_as_in_json():
    assert "| `validation.accuracy` |" in render()
    assert "| `power[].lowJoules` |" in render()
    assert "| `status.progress.learningRate` |" in render()


def test_what_stands_beside_other_exporters_is_exported_with_these_labels():
    known = {exported.name: exported for exported in ALL}
    queries = metrics_neighbours.JOIN_BY_UUID + metrics_neighbours.JOIN_BY_POD
    told = re.findall(r"\bwattrain_\w+", metrics_neighbours.render())
    assert len(told) > 10
    assert set(told) <= known.keys()
    assert "device" in known["wattrain_worker_energy_joules_total"].labels
    assert queries.count("(") == queries.count(")")


def test_check_finds_a_stale_page(tmp_path, capsys):
    page = tmp_path / "metrics.md"
    assert main([str(page)]) == 0
    assert main(["--check", str(page)]) == 0
    page.write_text(page.read_text().replace("watts", "horsepower"))
    assert main(["--check", str(page)]) == 1
    assert "is not current: run python -m wattrain_api.metrics_doc" in capsys.readouterr().err
