"""One function for each kind of panel: what all panels of the kind have in common.

Only kinds and options that Grafana 10.4 to 13 share, and that Wattrain's own page draws. Colours are names of Grafana's
palette, which has a light and a dark shade of each.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import bargauge, stat, statetimeline, table, text, timeseries, xychart
from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard as build_dashboard
from grafana_foundation_sdk.builders import prometheus as build_prometheus
from grafana_foundation_sdk.models import common, dashboard, prometheus
from grafana_foundation_sdk.models import xychart as xychart_model

from wattrain_dashboards.promql import STATES, Query

DATA_SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
Steps = Sequence[tuple[float | None, str]]
"""Thresholds: from which value on which colour; None: from the least on."""
SCRAPE_INTERVAL: Final = "30s"
"""That of the chart's PodMonitors. Grafana makes the windows of rates of it, so that four scrapes fit into each."""
NEUTRAL: Final[Steps] = ((None, "text"),)
MODELLED: Final = "modelled"
"""The word in the legend of whatever no counter measured; its lines are dashed."""
STATE_COLOURS: Final = {
    "Pending": "light-yellow", "Queued": "yellow", "Preparing": "light-blue", "Starting": "super-light-blue",
    "Running": "green", "Restarting": "orange", "Suspending": "light-purple", "Suspended": "purple",
    "Complete": "blue", "Failed": "red",
}  # fmt: skip

B = TypeVar("B", stat.Panel, timeseries.Panel, table.Panel, statetimeline.Panel, bargauge.Panel,
            xychart.Panel)  # fmt: skip


def figure(title: str, unit: str, description: str, *queries: Query, steps: Steps = NEUTRAL) -> stat.Panel:
    """A figure as it is at the end of the time that is shown; several, each with its name."""
    named = common.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else common.BigValueTextMode.VALUE
    panel = _with_queries(_described(stat.Panel(), title, unit, description), queries, instant=True)
    return (
        panel.thresholds(thresholds(steps))
        .color_mode(common.BigValueColorMode.VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(named)
        .orientation(common.VizOrientation.AUTO)
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
    )


def lines(title: str, unit: str, description: str, *queries: Query, steps: Steps = ()) -> timeseries.Panel:
    """Figures over time. Whatever is modelled is dashed; `steps` are dashed lines across."""
    panel = _with_queries(_described(timeseries.Panel(), title, unit, description), queries, instant=False)
    legend = (
        build.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.TABLE)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "max"])
    )
    tooltip = build.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    limits = build.GraphThresholdsStyleConfig().mode(
        common.GraphThresholdsStyleMode.DASHED if steps else common.GraphThresholdsStyleMode.OFF
    )
    return (
        panel.legend(legend)
        .tooltip(tooltip)
        .fill_opacity(0)
        .line_width(2)
        .show_points(common.VisibilityMode.AUTO)
        .thresholds(thresholds(steps or NEUTRAL))
        .thresholds_style(limits)
        .override_by_regexp(f"/{MODELLED}/", [dashed(10)])
    )


def rows(
    title: str, unit: str, description: str, names: Sequence[str], *queries: Query, hide: Sequence[str] = ()
) -> table.Panel:
    """A table: `names` are its columns of figures, one for each query, in that order. Columns of labels in `hide` are
    not shown.
    """
    panel = _with_queries(_described(table.Panel(), title, unit, description), queries, instant=True)
    refs = string.ascii_uppercase[: len(queries)]
    renamed = {f"Value #{ref}" if len(queries) > 1 else "Value": name for ref, name in zip(refs, names, strict=True)}
    left_out = dict.fromkeys(("Time", "cluster", *hide), True)
    transformed = panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    return transformed.with_transformation(
        dashboard.DataTransformerConfig(
            id_val="organize", options={"excludeByName": left_out, "renameByName": {**renamed, "trainingjob": "job"}}
        )
    ).thresholds(thresholds(NEUTRAL))


def with_links_to_job(panel: table.Panel) -> table.Panel:
    """`panel` with each name of a job leading to the dashboard of that job."""
    link: dict[str, object] = {
        "title": "Open this job",
        "url": "/d/wattrain-training-job?${datasource:queryparam}&${cluster:queryparam}&var-namespace="
        "${__data.fields.namespace}&var-job=${__value.text}&from=${__from}&to=${__to}",
    }
    return panel.override_by_name("job", [links(link)])


def against(title: str, description: str, x: tuple[str, str, Query], y: tuple[str, str, Query]) -> xychart.Panel:
    """A line for each job: the figure `y` against the figure `x`, with name, unit and query of each.

    Grafana draws it from 11.1 on.
    """
    (x_name, x_unit, x_query), (y_name, y_unit, y_query) = x, y
    panel = _with_queries(_described(xychart.Panel(), title, y_unit, description), (x_query, y_query), instant=False)
    renamed = {"Value #A": x_name, "Value #B": y_name}
    left_out = dict.fromkeys(("Time", "cluster"), True)
    parted: dict[str, object] = {"fields": ["namespace", "trainingjob"], "keepFields": False}
    series = (
        xychart.XYSeriesConfig()
        .x(xychart.XychartXYSeriesConfigX().matcher(_by_name(x_name)))
        .y(xychart.XychartXYSeriesConfigY().matcher(_by_name(y_name)))
    )
    legend = (
        build.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .calcs([])
    )
    for id_val, options in (
        ("merge", {}),
        ("organize", {"excludeByName": left_out, "renameByName": renamed}),
        ("partitionByValues", {**parted, "naming": {"asLabels": False}}),
    ):
        panel = panel.with_transformation(dashboard.DataTransformerConfig(id_val=id_val, options=options))
    return (
        panel.mapping(xychart_model.SeriesMapping.AUTO)
        .series([series])
        .show(xychart_model.XYShowMode.LINES)
        .line_width(2)
        .axis_label(y_name)
        .legend(legend)
        .tooltip(build.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE).sort(common.SortOrder.NONE))
        .thresholds(thresholds(NEUTRAL))
        .override_by_name(x_name, column(x_unit))
    )


def _by_name(name: str) -> xychart.MatcherConfig:
    return xychart.MatcherConfig().id("byName").options(name)


def states(title: str, description: str, *queries: Query) -> statetimeline.Panel:
    """The state of jobs over time, by its name and colour."""
    panel = _with_queries(_described(statetimeline.Panel(), title, "none", description), queries, instant=False)
    return (
        panel.mappings([state_mapping()])
        .show_value(common.VisibilityMode.AUTO)
        .merge_values(True)
        .row_height(0.8)
        .fill_opacity(80)
        .thresholds(thresholds(NEUTRAL))
    )


def bars(title: str, unit: str, description: str, *queries: Query) -> bargauge.Panel:
    """Figures side by side."""
    panel = _with_queries(_described(bargauge.Panel(), title, unit, description), queries, instant=True)
    return (
        panel.min(0)
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .reduce_options(build.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(thresholds(((None, "blue"),)))
    )


def note(title: str, description: str, markdown: str) -> text.Panel:
    """A text."""
    return text.Panel().title(title).description(description).content(markdown)


def thresholds(steps: Steps) -> build_dashboard.ThresholdsConfig:
    """`steps` in Grafana's words."""
    made = [dashboard.Threshold(value=value, color=colour) for value, colour in steps]
    return build_dashboard.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(made)


def state_mapping() -> dashboard.ValueMap:
    """Name and colour of the number of a state."""
    return dashboard.ValueMap(
        options={
            str(code): dashboard.ValueMappingResult(text=state, color=STATE_COLOURS[state], index=code)
            for code, state in enumerate(STATES)
        }
    )


def dashed(gap: int) -> dashboard.DynamicConfigValue:
    """Override that dashes a line."""
    return dashboard.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [10, gap]})


def not_a_number() -> dashboard.SpecialValueMap:
    """Words for a loss that is no number any more."""
    said = dashboard.ValueMappingResult(text="not a number", color="red", index=0)
    return dashboard.SpecialValueMap(
        options=dashboard.DashboardSpecialValueMapOptions(match=dashboard.SpecialValueMatch.NA_N, result=said)
    )


def words(zero: tuple[str, str], one: tuple[str, str]) -> dashboard.ValueMap:
    """A word and its colour for 0, and for 1."""
    return dashboard.ValueMap(
        options={
            str(index): dashboard.ValueMappingResult(text=word, color=colour, index=index)
            for index, (word, colour) in enumerate((zero, one))
        }
    )


def links(*made: dict[str, object]) -> dashboard.DynamicConfigValue:
    """Override that gives a value links: each with its title and its url."""
    return dashboard.DynamicConfigValue(id_val="links", value=list(made))


def hidden() -> dashboard.DynamicConfigValue:
    """Override that hides a column of a table."""
    return dashboard.DynamicConfigValue(id_val="custom.hidden", value=True)


def column(unit: str) -> list[dashboard.DynamicConfigValue]:
    """Override that gives a column of a table its unit."""
    return [dashboard.DynamicConfigValue(id_val="unit", value=unit)]


def _described(panel: B, title: str, unit: str, description: str) -> B:
    return panel.title(title).unit(unit).description(description).datasource(DATA_SOURCE)


def _with_queries(panel: B, queries: Sequence[Query], *, instant: bool) -> B:
    for ref, query in zip(string.ascii_uppercase, queries, strict=False):
        target = (
            build_prometheus.Dataquery()
            .expr(query.expr)
            .legend_format(query.legend)
            .ref_id(ref)
            .editor_mode(prometheus.QueryEditorMode.CODE)
            .interval(SCRAPE_INTERVAL)
            .datasource(DATA_SOURCE)
        )
        wanted = prometheus.PromQueryFormat.TABLE if isinstance(panel, (table.Panel, xychart.Panel)) else None
        target = target.instant() if instant else target.range()
        panel = panel.with_target(target.format(wanted) if wanted else target)
    return panel
