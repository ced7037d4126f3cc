"""What all dashboards share: variables, links between them, the grid, and JSON that Grafana 10.4 to 13 load."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

from grafana_foundation_sdk.builders import bargauge, dashboard, stat, statetimeline, table, text, timeseries, xychart
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from wattrain_dashboards.panels import DATA_SOURCE
from wattrain_dashboards.promql import ALL_JOBS

AnyPanel: TypeAlias = (
    stat.Panel | timeseries.Panel | table.Panel | statetimeline.Panel | bargauge.Panel | text.Panel | xychart.Panel
)
TAG: Final = "wattrain"
COLUMNS: Final = 24
"""Of Grafana's grid."""
SCHEMA_VERSION: Final = 39
"""That of Grafana 10.4. Newer ones migrate it when they load it; an older one might refuse a newer version."""

XY_VERSION: Final = "11.6.0"
"""Of the options of XY charts; 11.1 was the first with these."""

_NAMESPACES: Final = 'label_values(wattrain_trainingjob_state{cluster=~"$cluster"}, namespace)'


class Placed(NamedTuple):
    """A panel and its size: columns of 24, and lines of the grid."""

    panel: AnyPanel
    width: int
    height: int


class Section(NamedTuple):
    """A row of a dashboard: its title and the panels below it, from left to right, then downwards."""

    title: str
    panels: Sequence[Placed]


def dashboard_of(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """A dashboard with the data source as its first variable, and links to the others."""
    links = dashboard.DashboardLink("Wattrain").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    chosen = model.VariableOption(selected=True, text="default", value="default")
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus").current(chosen)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(links.as_dropdown(True).include_vars(True).keep_time(True))
        .with_variable(source)
    )


def cluster_variable(metric: str = "wattrain_trainingjob_state") -> dashboard.QueryVariable:
    """All clusters unless one is chosen; where no series has the label, `.*` matches that as well."""
    return _all_of(_variable("cluster", "Cluster", f"label_values({metric}, cluster)"))


def namespaces_variable() -> dashboard.QueryVariable:
    """All namespaces unless some are chosen."""
    return _all_of(namespace_variable()).multi(True)


def namespace_variable() -> dashboard.QueryVariable:
    """One namespace."""
    return _variable("namespace", "Namespace", _NAMESPACES)


def job_variable() -> dashboard.QueryVariable:
    """One job of the namespaces that are chosen."""
    return _variable("job", "Training job", f"label_values({ALL_JOBS.job('state')}, trainingjob)")


def jobs_variable() -> dashboard.QueryVariable:
    """Some jobs of the namespaces that are chosen: the first one until others are."""
    return job_variable().label("Training jobs").multi(True)


def values_variable(name: str, label: str, metric: str) -> dashboard.QueryVariable:
    """All values of the label `name` of `metric`, unless some are chosen."""
    return _all_of(_variable(name, label, f'label_values({metric}{{cluster=~"$cluster"}}, {name})')).multi(True)


def with_sections(made: dashboard.Dashboard, sections: Sequence[Section]) -> dashboard.Dashboard:
    """`made` with the sections one below the other. ValueError where a line of panels does not fill the grid."""
    number = 0
    for section in sections:
        if sum(placed.width for placed in section.panels) % COLUMNS:
            raise ValueError(f"section {section.title}: its panels do not fill whole lines of {COLUMNS} columns")
        number += 1
        made = made.with_row(dashboard.Row(section.title).id(number))
        for panel, width, height in section.panels:
            number += 1
            made = made.with_panel(panel.id(number).span(width).height(height))
    return made


def to_json(made: dashboard.Dashboard) -> str:
    """The file that Grafana imports: sorted, without what Grafana 10.4 does not know and what 13 has dropped."""
    found = json.loads(JSONEncoder().encode(made.build()))
    found["schemaVersion"], found["version"] = SCHEMA_VERSION, 1
    links = [link for panel in found["panels"] for link in panel.get("links", ())]
    for item in found["annotations"].setdefault("list", []) + found["links"] + links:
        item.pop("placement", None)
    for variable in found["templating"]["list"]:
        variable.pop("allowCustomValue", None)
        for of_intervals in ("auto", "auto_count", "auto_min"):
            variable.pop(of_intervals, None)
    for panel in found["panels"]:
        if panel["type"] == "xychart":
            panel["pluginVersion"] = XY_VERSION  # without it Grafana reads the options as those of 10.3
        if panel["type"] == "table":
            panel["options"].pop("footer", None)
    return json.dumps(found, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATA_SOURCE)
        .query({"query": query, "refId": "V"})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _all_of(variable: dashboard.QueryVariable) -> dashboard.QueryVariable:
    everything = model.VariableOption(selected=True, text="All", value="$__all")
    return variable.include_all(True).all_value(".*").current(everything)
