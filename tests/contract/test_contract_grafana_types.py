"""The dashboards are what Grafana 10.4, 11.6, 12.4 and 13.2 say, by their published types, that a dashboard is."""

import json
from pathlib import Path

import pytest
from harness.fixtures import or_skipped
from harness.grafana_types import RELEASES, compare

FOLDER = Path(__file__).parents[2] / "dashboards"
FILES = sorted(FOLDER.glob("*.json"))
SHIPPED = {f"{file.stem}-{release}": (release, file) for file in FILES for release in RELEASES}


def first(dashboard, kind):
    return next(panel for panel in dashboard["panels"] if panel["type"] == kind)


def custom(dashboard):
    return first(dashboard, "timeseries")["fieldConfig"]["defaults"]["custom"]


MISTAKES = {
    "unit": ("13.2", lambda d: first(d, "stat")["fieldConfig"]["defaults"].update(unit="wats"), '"wats"'),
    "option": ("13.2", lambda d: first(d, "stat")["options"].update(colourMode="value"), "colourMode"),
    "custom": ("12.4", lambda d: custom(d).update(fillopacity=3), "fillopacity"),
    "word": ("11.6", lambda d: first(d, "timeseries")["options"]["legend"].update(displayMode="tabel"), '"tabel"'),
    "number": ("10.4", lambda d: d.update(graphTooltip=5), "Type '5'"),
    "refresh": ("10.4", lambda d: d["templating"]["list"][1].update(refresh=7), "Type '7'"),
    "variable": ("12.4", lambda d: d["templating"]["list"][1].update(type="qurey"), '"qurey"'),
    "top": ("10.4", lambda d: d.update(refesh="30s"), "refesh"),
    "target": ("13.2", lambda d: first(d, "stat")["targets"][0].update(expression="up"), "expression"),
    "panel": ("11.6", lambda d: first(d, "stat").update(type="graph"), '"graph"'),
    "newer": ("10.4", lambda d: d["links"][0].update(placement="inControlsMenu"), "placement"),
}
"""By name: the release that finds the mistake, the mistake, and what is said of it."""


def broken(spoil):
    """A dashboard with a panel of each kind, and the mistake."""
    dashboard = json.loads((FOLDER / "training-job.json").read_text(encoding="utf-8"))
    dashboard["panels"] = list({panel["type"]: panel for panel in reversed(dashboard["panels"])}.values())
    spoil(dashboard)
    return json.dumps(dashboard)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What is said of every file with every release, and of every mistake: one run of the compiler."""
    asked = {name: (release, file.read_text(encoding="utf-8")) for name, (release, file) in SHIPPED.items()}
    asked |= {f"mistake-{name}": (release, broken(spoil)) for name, (release, spoil, _) in MISTAKES.items()}
    with or_skipped():
        return compare(tmp_path_factory.mktemp("types"), asked)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_dashboard_has_the_types_of_grafana(said, name):
    assert said[name] == []


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_by_the_types(said, name):
    assert MISTAKES[name][2] in " ".join(said[f"mistake-{name}"])
