"""The dashboards keep to the rules of the house, and each rule finds what breaks it."""

import json
from pathlib import Path

import pytest

from wattrain_dashboards.house_rules import broken_rules

FOLDER = Path(__file__).parents[3] / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))


def test_there_are_four_dashboards():
    assert [file.stem for file in FILES] == ["compare", "fleet", "operator", "training-job"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_shipped_file_breaks_no_rule(file):
    assert broken_rules(file.read_text(encoding="utf-8")) == []


@pytest.fixture
def dashboard():
    """The dashboard of a training job, for a test to break."""
    return json.loads((FOLDER / "training-job.json").read_text(encoding="utf-8"))


def panel_of(dashboard, title):
    return next(panel for panel in dashboard["panels"] if panel["title"] == title)


def lines_of(dashboard):
    return panel_of(dashboard, "Power by component and source")


def figure_of(dashboard):
    return panel_of(dashboard, "Progress")


def table_of(dashboard):
    return panel_of(dashboard, "What each loss took")


def override_of(dashboard):
    return table_of(dashboard)["fieldConfig"]["overrides"][0]["properties"][0]


def steps_of(dashboard):
    return figure_of(dashboard)["fieldConfig"]["defaults"]["thresholds"]["steps"]


def variable_of(dashboard, name):
    return next(variable for variable in dashboard["templating"]["list"] if variable["name"] == name)


def change_query(dashboard, old, new):
    [target] = panel_of(dashboard, "Throughput")["targets"]
    target["expr"] = f"rate({target['expr'].split('(')[2].split(')')[0]}[$__rate_interval])"
    assert old in target["expr"]
    target["expr"] = target["expr"].replace(old, new)


MISTAKES = {
    "schemaVersion is 42": lambda d: d.update(schemaVersion=42),
    "id, __inputs": lambda d: d.update(id=7),
    "uid jobs": lambda d: d.update(uid="jobs"),
    "must have the tag": lambda d: d["tags"].clear(),
    "it is editable": lambda d: d.update(editable=True),
    "more than 200000": lambda d: d.update(description="x" * 200_000),
    "colour #1f1f1f": lambda d: figure_of(d)["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(
        color="#1f1f1f"
    ),
    "colour dark-red": lambda d: d["annotations"]["list"][0].update(iconColor="dark-red"),
    "the first variable must be": lambda d: d["templating"]["list"].reverse(),
    "variable logs is used nowhere": lambda d: panel_of(d, "State")["fieldConfig"]["overrides"].clear(),
    "job does not follow the time": lambda d: variable_of(d, "job").update(refresh=1),
    "not made of a metric of ours": lambda d: variable_of(d, "job")["query"].update(query="label_values(up, $cluster)"),
    "does not follow the variable cluster": lambda d: variable_of(d, "namespace")["query"].update(
        query="label_values(wattrain_trainingjob_state, namespace)"
    ),
    "2 panels have the id": lambda d: d["panels"][1].update(id=d["panels"][2]["id"]),
    "is wider than the grid": lambda d: figure_of(d)["gridPos"].update(x=23),
    "covers ['Progress']": lambda d: panel_of(d, "Steps")["gridPos"].update(x=6),
    "is not a kind that": lambda d: figure_of(d).update(type="graph"),
    "a description in sentences": lambda d: figure_of(d).update(description="How far"),
    "unit wats is not known": lambda d: figure_of(d)["fieldConfig"]["defaults"].update(unit="wats"),
    "unit mili is not known": lambda d: override_of(d).update(value="mili"),
    "needs thresholds": lambda d: steps_of(d).clear(),
    "lastnotnull is no way": lambda d: lines_of(d)["options"]["legend"]["calcs"].append("lastnotnull"),
    "orgnize is no transformation": lambda d: table_of(d)["transformations"][1].update(id="orgnize"),
    "an override is for tim,": lambda d: table_of(d)["fieldConfig"]["overrides"][0]["matcher"].update(options="tim"),
    "unti is no property": lambda d: override_of(d).update(id="unti"),
    "refIds ['A', 'A', 'C']": lambda d: panel_of(d, "Energy")["targets"][1].update(refId="A"),
    "a data source is not": lambda d: figure_of(d)["targets"][0]["datasource"].update(uid="prometheus"),
    "a rate over [5m]": lambda d: change_query(d, "$__rate_interval", "5m"),
    "scraped twice": lambda d: change_query(d, "rate(", "sum(rate("),
    "= with a variable": lambda d: change_query(d, '=~"$job"', '="$job"'),
    "a selector does not follow": lambda d: change_query(d, 'namespace=~"$namespace",', ""),
    "is not called modelled": lambda d: lines_of(d)["targets"][1].update(legendFormat="{{component}}"),
    "a line has no name": lambda d: lines_of(d)["targets"][0].update(legendFormat=""),
    "it has no legend": lambda d: lines_of(d)["options"]["legend"].update(showLegend=False),
    "are not dashed": lambda d: lines_of(d)["fieldConfig"]["overrides"].clear(),
}


@pytest.mark.parametrize("said", MISTAKES)
def test_a_mistake_is_found(dashboard, said):
    MISTAKES[said](dashboard)
    found = broken_rules(json.dumps(dashboard))
    assert any(said in rule for rule in found), found
