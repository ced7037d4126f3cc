"""Asks a real Prometheus what the panels of a Grafana dashboard ask, with variables filled in as Grafana does it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from harness.prometheus import Labels, Prometheus, QueryError

Dashboard = dict[str, Any]
Values = Mapping[str, str]
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$([A-Za-z_]\w*)")  # not the $1 of label_replace
_LABEL = re.compile(r"\{\{(\w+)\}\}")
_LABEL_VALUES = re.compile(r"label_values\((?:(.+),\s*)?(\w+)\)")
_METRIC = re.compile(r"\b(?:wattrain|process|DCGM|container|kube)_\w+")
ALL = "$__all"


class Asked(NamedTuple):
    """A query of a panel or of an annotation."""

    panel: str
    ref: str
    expr: str
    legend: str
    instant: bool
    graph: bool
    """Whether series of the same name could not be told apart."""


class Window(NamedTuple):
    """The time that is shown, and how often Prometheus scrapes; all in seconds."""

    start: float
    end: float
    scrape: int

    @property
    def step(self) -> int:
        """A point a scrape: panels are at least that wide."""
        return self.scrape

    def built_in(self) -> dict[str, str]:
        """Grafana's own variables, by its rules."""
        seconds = int(self.end - self.start)
        return {
            "__interval": f"{self.step}s",
            "__rate_interval": f"{max(self.step + self.scrape, 4 * self.scrape)}s",
            "__range": f"{seconds}s",
        }


def queries(dashboard: Dashboard) -> Iterator[Asked]:
    """All queries, those of annotations last."""
    for panel in dashboard["panels"]:
        graph = panel["type"] in ("timeseries", "state-timeline", "bargauge")
        for target in panel.get("targets", ()):
            yield Asked(
                panel["title"], target["refId"], target["expr"], target["legendFormat"],
                bool(target.get("instant")), graph,
            )  # fmt: skip
    for note in dashboard["annotations"]["list"]:
        yield Asked(f"annotation {note['name']}", "A", note["expr"], note["textFormat"], instant=False, graph=False)


def metrics_named(dashboard: Dashboard) -> set[str]:
    """Names of metrics in queries and variables."""
    texts = [asked.expr for asked in queries(dashboard)]
    texts += [v["query"]["query"] for v in dashboard["templating"]["list"] if v["type"] == "query"]
    return {name for text in texts for name in _METRIC.findall(text)}


def chosen(dashboard: Dashboard, server: Prometheus, window: Window, wanted: Values) -> dict[str, str]:
    """A value for each variable: what is `wanted` (`a|b`: both), else what Grafana chooses at first.

    LookupError where a variable has no value, QueryError where Prometheus refuses its query.
    """
    found = window.built_in()
    for variable in dashboard["templating"]["list"]:
        name, kind = variable["name"], variable["type"]
        if kind != "query":
            found[name] = "default" if kind == "datasource" else variable.get("query", "")
            continue
        selector, label = _label_values(interpolated(variable["query"]["query"], found))
        times = {"start": repr(window.start), "end": repr(window.end)}
        values = server.get(f"/api/v1/label/{label}/values", **times, **({"match[]": selector} if selector else {}))
        several = wanted.get(name, "").split("|")
        if set(several) <= set(values):
            found[name] = several[0] if len(several) == 1 else f"({'|'.join(several)})"  # as Grafana writes them
        elif variable.get("includeAll"):
            found[name] = variable["allValue"]
        elif values:
            found[name] = values[0]
        else:
            raise LookupError(f"variable {name}: no values of {selector}")
    return found


def _label_values(query: str) -> tuple[str, str]:
    match = _LABEL_VALUES.fullmatch(query)
    if match is None:
        raise LookupError(f"not a query for values of a label: {query}")
    return match[1] or "", match[2]


def interpolated(text: str, values: Values) -> str:
    """`text` with its variables filled in; LookupError where one is not known."""

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in values:
            raise LookupError(f"unknown variable ${name} in {text}")
        return values[name]

    return _VARIABLE.sub(value, text)


class Answer(NamedTuple):
    """What a query gave."""

    series: list[Labels]
    problems: list[str]


def ask(asked: Asked, server: Prometheus, window: Window, values: Values) -> Answer:
    """Ask, and say what is wrong with the answer besides that it is empty."""
    try:
        expr = interpolated(asked.expr, values)
        if asked.instant:
            series = [sample.labels for sample in server.query(expr, at=window.end)]
        else:
            found = server.query_range(expr, start=window.start, end=window.end, step=window.step)
            series = [one.labels for one in found]
    except (LookupError, QueryError) as error:
        return Answer([], [f"{asked.panel} {asked.ref}: {error}"])
    return Answer(series, list(_said_of_names(asked, series)))


def _said_of_names(asked: Asked, series: list[Labels]) -> Iterator[str]:
    lacking = {label for label in _LABEL.findall(asked.legend) for labels in series if label not in labels}
    if lacking:
        yield f"{asked.panel} {asked.ref}: its legend names labels that series do not have: {sorted(lacking)}"
    names = Counter(_named(asked.legend, labels) for labels in series)
    twice = [name for name, count in names.items() if count > 1]
    if asked.graph and twice:
        yield f"{asked.panel} {asked.ref}: several series are called {twice}"


def _named(legend: str, labels: Labels) -> str:
    return _LABEL.sub(lambda match: labels.get(match[1], ""), legend)
