"""What must hold of each of our dashboards, beyond what Grafana's types say; read from the text that ships."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from grafana_foundation_sdk.models import units

from wattrain_dashboards.frame import COLUMNS, SCHEMA_VERSION, TAG
from wattrain_dashboards.panels import MODELLED

Json = dict[str, Any]
MOST_BYTES: Final = 200_000
"""Of a file without blanks: `kubectl apply` keeps a copy of it in an annotation of at most 262,144 bytes."""
KINDS: Final = {"row", "stat", "timeseries", "table", "state-timeline", "bargauge", "text", "xychart"}
"""Panels that our own page draws, too."""
UNITS: Final = {value for name, value in vars(units).items() if isinstance(value, str) and not name.startswith("_")}
_COLOUR: Final = re.compile(r"((super-)?light-)?(green|yellow|orange|red|blue|purple)|text|transparent")
_COLOUR_KEYS: Final = ("color", "iconColor", "fixedColor")
_SOURCE: Final = "${datasource}"
_WINDOW: Final = re.compile(r"\b(?:rate|irate|increase)\([^\[]*\[([^\]]+)\]")
_MATCHER: Final = re.compile(r'(=~|!~|!=|=)\s*"\$')
_SELECTOR: Final = re.compile(r"\bwattrain_(?:trainingjob|worker)_\w+(\{[^}]*\})?")


_CALCS: Final = {"lastNotNull", "max"}
_TRANSFORMATIONS: Final = {"merge", "organize", "partitionByValues"}
_PROPERTIES: Final = {
    "unit", "links",
    "custom.hidden", "custom.lineStyle", "custom.lineWidth", "custom.fillBelowTo", "custom.fillOpacity",
}  # fmt: skip
_ADDED_UP: Final = re.compile(r"\b(?:sum|avg|count)(?: by \(([^)]*)\))? ?\((?:rate\()?wattrain_")


def broken_rules(text: str) -> list[str]:
    """What is wrong with the dashboard in `text`, a sentence each."""
    dashboard = json.loads(text)
    found = [*_of_the_whole(dashboard), *_of_variables(dashboard), *_of_the_grid(dashboard["panels"])]
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            found += [f"panel {panel.get('title')}: {said}" for said in _of_a_panel(panel)]
    return found


def _of_the_whole(dashboard: Json) -> Iterator[str]:
    if dashboard["schemaVersion"] != SCHEMA_VERSION:
        yield f"schemaVersion is {dashboard['schemaVersion']}, not {SCHEMA_VERSION}"
    if {"id", "__inputs", "__requires"} & set(dashboard):
        yield "id, __inputs and __requires are of one Grafana, not of a file"
    if not re.fullmatch(r"wattrain-[a-z-]{1,30}", dashboard["uid"]):
        yield f"uid {dashboard['uid']} does not begin with wattrain-"
    if TAG not in dashboard["tags"] or not any(TAG in link["tags"] for link in dashboard["links"]):
        yield f"it and its links must have the tag {TAG}"
    if dashboard["editable"]:
        yield "it is editable: changes would be lost"
    size = len(json.dumps(dashboard, separators=(",", ":")))
    if size > MOST_BYTES:
        yield f"it has {size} bytes, more than {MOST_BYTES}"
    for name in sorted({name for name in _colours(dashboard) if not _COLOUR.fullmatch(name)}):
        yield f"colour {name} is not one that has a light and a dark shade"


def _colours(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in _COLOUR_KEYS and isinstance(value, str):
                yield value
            yield from _colours(value)
    elif isinstance(node, list):
        for value in node:
            yield from _colours(value)


def _of_variables(dashboard: Json) -> Iterator[str]:
    variables = dashboard["templating"]["list"]
    sources = [variable["name"] for variable in variables if variable["type"] == "datasource"]
    if sources != ["datasource"] or variables[0]["name"] != "datasource":
        yield "the first variable must be the only data source, called datasource"
    used = json.dumps([dashboard["panels"], dashboard["annotations"], [v.get("query") for v in variables]])
    for variable in variables:
        name = variable["name"]
        if not re.search(rf"\$(\{{{name}\b|{name}\b)", used):
            yield f"variable {name} is used nowhere"
        if variable["type"] != "query":
            continue
        if variable["refresh"] != 2:
            yield f"variable {name} does not follow the time that is shown"
        if not variable["query"]["query"].startswith("label_values(wattrain_"):
            yield f"variable {name} is not made of a metric of ours"
        if name != "cluster" and "$cluster" not in variable["query"]["query"]:
            yield f"variable {name} does not follow the variable cluster"


def _of_the_grid(panels: list[Json]) -> Iterator[str]:
    for what, count in Counter(panel["id"] for panel in panels).items():
        if count > 1 or not what:
            yield f"{count} panels have the id {what}"
    taken: dict[tuple[int, int], str] = {}
    for panel in panels:
        at, title = panel["gridPos"], str(panel["title"])
        if at["x"] + at["w"] > COLUMNS:
            yield f"panel {title} is wider than the grid"
        cells = [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
        covered = {taken[cell] for cell in cells if cell in taken}
        if covered:
            yield f"panel {title} covers {sorted(covered)}"
        taken.update(dict.fromkeys(cells, title))


def _of_a_panel(panel: Json) -> Iterator[str]:
    if panel["type"] not in KINDS:
        yield f"{panel['type']} is not a kind that Grafana 10.4 to 13 and our page draw"
    if not panel.get("title") or not panel.get("description", "").endswith("."):
        yield "it needs a title, and a description in sentences"
    if panel["type"] == "text":
        return
    yield from _of_units(panel["fieldConfig"])
    yield from _of_words(panel)
    refs = [target["refId"] for target in panel["targets"]]
    if len(set(refs)) != len(refs) or not refs:
        yield f"refIds {refs}"
    for source in (panel, *panel["targets"]):
        if source.get("datasource", {}).get("uid") != _SOURCE:
            yield f"a data source is not {_SOURCE}"
    for target in panel["targets"]:
        yield from _of_a_query(target)
    if panel["type"] == "timeseries":
        yield from _of_a_graph(panel)


def _of_units(config: Json) -> Iterator[str]:
    properties = [each for override in config["overrides"] for each in override["properties"]]
    for unit in (config["defaults"].get("unit"), *(each["value"] for each in properties if each["id"] == "unit")):
        if unit not in UNITS:
            yield f"unit {unit} is not known"
    if not config["defaults"].get("thresholds", {}).get("steps"):
        yield "it needs thresholds, were it one colour for all"


def _of_words(panel: Json) -> Iterator[str]:
    """Words that Grafana's types take for any text, and that do nothing where they are misspelt."""
    options, transformations = panel["options"], panel.get("transformations", ())
    for calc in (*options.get("legend", {}).get("calcs", ()), *options.get("reduceOptions", {}).get("calcs", ())):
        if calc not in _CALCS:
            yield f"{calc} is no way to reduce a series that we use"
    for each in transformations:
        if each["id"] not in _TRANSFORMATIONS:
            yield f"{each['id']} is no transformation that we use"
    shown = {target["legendFormat"] for target in panel["targets"]}
    shown |= {name for each in transformations for name in each["options"].get("renameByName", {}).values()}
    for override in panel["fieldConfig"]["overrides"]:
        matcher = override["matcher"]
        if matcher["id"] == "byName" and matcher["options"] not in shown:
            yield f"an override is for {matcher['options']}, which it does not show"
        for each in override["properties"]:
            if each["id"] not in _PROPERTIES:
                yield f"{each['id']} is no property that we override"


def _of_a_query(target: Json) -> Iterator[str]:
    expr = target["expr"]
    for window in _WINDOW.findall(expr):
        if window != "$__rate_interval":
            yield f"a rate over [{window}] instead of [$__rate_interval]"
    for labels in _ADDED_UP.findall(expr):
        if not {"instance", "job"} & set(labels.split(", ")):
            yield "it adds up what two configurations may have scraped twice: take the most by the labels first"
    for operator in _MATCHER.findall(expr):
        if operator != "=~":
            yield f"{operator} with a variable, which may stand for several values"
    for selector in _SELECTOR.findall(expr):
        if not {'cluster=~"$cluster"', 'namespace=~"$namespace"'} <= set(selector.strip("{}").split(",")):
            yield f"a selector does not follow cluster and namespace: {selector}"
    if 'source="model"' in expr and MODELLED not in target["legendFormat"]:
        yield f"what no counter measured is not called {MODELLED}"


def _of_a_graph(panel: Json) -> Iterator[str]:
    if not all(target["legendFormat"] for target in panel["targets"]):
        yield "a line has no name"
    if not panel["options"]["legend"]["showLegend"]:
        yield "it has no legend"
    dashed = [
        override["matcher"]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if any(each["id"] == "custom.lineStyle" and each["value"]["fill"] == "dash" for each in override["properties"])
    ]
    if any(MODELLED in target["legendFormat"] for target in panel["targets"]) and f"/{MODELLED}/" not in dashed:
        yield f"lines called {MODELLED} are not dashed"
