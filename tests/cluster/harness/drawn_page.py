"""What a dashboard shows on Wattrain's own page, held against what Prometheus answers to the same queries."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.browser import BrowserError, Page
from harness.dashboard_queries import Asked, Dashboard, Values, Window, chosen, interpolated, queries
from harness.prometheus import Prometheus, QueryError

from wattrain_operator.dashboard.http_server import HttpServer
from wattrain_operator.dashboard.page_site import PageSite
from wattrain_operator.dashboard.prometheus_source import PrometheusSource
from wattrain_operator.dashboard.shipped import read_dashboards

_DRAWN = """[...document.querySelectorAll('section.panel')].map((section) => ({
  id: section.id, title: section.querySelector('h3').textContent, state: section.dataset.state,
  known: section.querySelector('.known')?.textContent, text: section.querySelector('.body')?.textContent,
  canvases: section.querySelectorAll('canvas').length,
  lines: [...section.querySelectorAll('.legend tbody tr')].map((row) =>
    [row.querySelector('th').textContent, ...[...row.querySelectorAll('data')].map((each) => each.value)]),
  figures: [...section.querySelectorAll('.body data')].map((each) => each.value),
}))"""

LEGIBLE = """(() => {
  const linear = (share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4);
  const luminance = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((value) => linear(value / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if (!/^rgba.*, 0\\)$/.test(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const says = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || !element.checkVisibility()) continue;
    const [a, b] = [getComputedStyle(element).color, behind(element)].map(luminance).sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) faint.push(`${element.textContent.slice(0, 40)}: ${(a + 0.05) / (b + 0.05)}`);
  }
  const back = luminance(getComputedStyle(document.body).backgroundColor);
  return { faint, width: document.documentElement.scrollWidth, dark: back < 0.2 };
})()"""
"""WCAG's contrast of every text with what is behind it: 4.5 is its level AA."""


@contextmanager
def served(server: Prometheus, folder: Path, window: Window) -> Iterator[str]:
    """The page's address, with the dashboards in `folder` and the data of `server`."""
    site = PageSite(PrometheusSource(server.url, window.scrape), read_dashboards(folder))
    http = HttpServer(site.answer)
    try:
        yield f"http://127.0.0.1:{http.port}/"
    finally:
        http.close()


def address(base: str, dashboard: Dashboard, window: Window, wanted: Values) -> str:
    """Of a dashboard, with the time and the variables that are shown; `a|b` are two values of one."""
    variables = "".join(f"&var-{name}={each}" for name, value in wanted.items() for each in value.split("|"))
    times = f"&from={int(window.start * 1000)}&to={int(window.end * 1000)}"
    return f"{base}?dashboard={dashboard['uid']}{times}{variables}"


def wait_until_drawn(page: Page) -> list[dict[str, Any]]:
    """The panels, once the page says that it is done. BrowserError where it never does."""
    page.wait_for("['ready', 'failed'].includes(document.documentElement.dataset.state)")
    found = page.evaluate(_DRAWN)
    assert isinstance(found, list)
    return found


def problems(
    page: Page, url: str, dashboard: Dashboard, server: Prometheus, window: Window, wanted: Values, **view: Any
) -> tuple[list[str], list[str]]:
    """What is wrong with a dashboard as it is drawn, and the titles of panels that are empty."""
    page.open(url, **view)
    try:
        drawn = wait_until_drawn(page)
    except BrowserError as error:
        return [str(error), *page.messages], []
    found = list(page.messages)
    if page.evaluate("document.documentElement.dataset.state") != "ready":
        found.append(f"the page: {page.evaluate('document.getElementById(`message`).textContent')}")
    found += [f"{each['title']}: {each['text']}" for each in drawn if each["state"] not in ("drawn", "empty")]
    found += [f"asked for {each}" for each in page.asked_for if not each.startswith(url.partition("?")[0])]
    panels = {f"panel-{each['id']}": each for each in dashboard["panels"] if each["type"] != "row"}
    if [each["id"] for each in drawn] != sorted(panels, key=lambda name: _place(panels[name])):
        return [*found, f"shown are {[each['title'] for each in drawn]}, and not {list(panels)}"], []
    values = chosen(dashboard, server, window, wanted)
    for each in drawn:
        if each["state"] == "drawn":
            found += _differences(panels[each["id"]], each, server, window, values)
    return found, [each["title"] for each in drawn if each["state"] == "empty"]


def _place(panel: Dashboard) -> tuple[int, int]:
    return panel["gridPos"]["y"], panel["gridPos"]["x"]


def _differences(
    panel: Dashboard, drawn: dict[str, Any], server: Prometheus, window: Window, values: Values
) -> Iterator[str]:
    """Figures of a panel that are not those of its queries."""
    if panel["type"] == "text":
        return
    asked = list(queries({"panels": [panel], "annotations": {"list": []}}))
    try:
        is_of_pairs = panel["type"] == "xychart"
        expected = (_expected_of_pairs if is_of_pairs else _expected)(panel["type"], asked, server, window, values)
    except QueryError as error:
        yield f"{panel['title']}: {error}"
        return
    if panel["type"] in ("timeseries", "xychart"):
        found = sorted(([name, *map(_number, figures)] for name, *figures in drawn["lines"]), key=repr)
        if drawn["canvases"] == 0:
            yield f"{panel['title']}: no canvas"
    else:
        found = sorted(map(_number, drawn["figures"]), key=repr)
        hides = "custom.hidden" in json.dumps(panel["fieldConfig"])
        expected = [] if hides else expected
    if found != expected:
        yield f"{panel['title']}: shows {found}, and the queries give {expected}"


def _expected(kind: str, asked: list[Asked], server: Prometheus, window: Window, values: Values) -> list[Any]:
    found: list[Any] = []
    for one in asked:
        expr = interpolated(one.expr, values)
        if one.instant:
            found += [_number(sample.value) for sample in server.query(expr, at=window.end)]
            continue
        for series in server.query_range(expr, start=window.start, end=window.end, step=window.step):
            present = [value for _, value in series.points]
            if kind == "timeseries":
                numbers = [value for value in present if not math.isnan(value)]
                found.append(
                    [_name(one.legend, series.labels), _number(present[-1]), _number(max(numbers, default=""))]
                )
            else:
                times = [time for time, _ in series.points]
                changes = (i for i in range(len(present)) if i == 0 or present[i] != present[i - 1]
                           or times[i] - times[i - 1] > window.step)  # fmt: skip
                found += [_number(present[i]) for i in changes]
    return sorted(found, key=repr)  # numbers, and texts for what is none


def _expected_of_pairs(_: str, asked: list[Asked], server: Prometheus, window: Window, values: Values) -> list[Any]:
    """Of each job the last y and the first, by x: of an x that comes again the newer one counts."""
    of_x, of_y = (
        {(series.labels.get("namespace", ""), series.labels["trainingjob"]): dict(series.points)
         for series in server.query_range(interpolated(one.expr, values), start=window.start, end=window.end,
                                          step=window.step)}
        for one in asked
    )  # fmt: skip
    found = []
    for job, xs in of_x.items():
        pairs = {x: of_y[job][time] for time, x in xs.items() if time in of_y.get(job, {})}
        found += [[" ".join(job), _number(pairs[max(pairs)]), _number(pairs[min(pairs)])]] if pairs else []
    return sorted(found, key=repr)


def _name(legend: str, labels: dict[str, str]) -> str:
    for label, value in labels.items():
        legend = legend.replace(f"{{{{{label}}}}}", value)
    return legend


def _number(text: object) -> float | str:
    """A figure that can be compared: a number that is none is a text."""
    if text == "":
        return ""
    number = float(str(text))
    return number if math.isfinite(number) else str(number)
