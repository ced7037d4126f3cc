"""Every dashboard that ships, drawn by the page in Chromium from the very file, with the data of a real Prometheus."""

import copy
import json
from pathlib import Path

import pytest
from harness import past_fleet
from harness.browser import running_browser
from harness.dashboard_queries import Window, metrics_named
from harness.drawn_page import LEGIBLE, address, problems, served, wait_until_drawn
from harness.fixtures import or_skipped
from harness.prometheus import running_prometheus

from wattrain_api.metrics import HISTOGRAM, JOB, OPERATOR, WORKER, exported_of
from wattrain_operator.dashboard import page_site

FOLDER = Path(__file__).parents[3] / "dashboards"
DASHBOARDS = sorted(path.stem for path in FOLDER.glob("*.json"))
WINDOW = Window(past_fleet.START, past_fleet.END, past_fleet.SCRAPE_SECONDS)
MODELLED = {"namespace": "team-a", "job": "digits"}
MEASURED = {"namespace": "team-b", "job": "gpu"}
EXPORTED = {
    *(f"{row.name}{part}" for subject in (JOB, WORKER, OPERATOR) for row in exported_of(subject)
      for part in (("_bucket",) if row.metric.type == HISTOGRAM else ("",))),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    text = past_fleet.openmetrics(past_fleet.jobs())
    with or_skipped(), running_prometheus(tmp_path_factory.mktemp("past"), openmetrics=text) as made:
        yield made


@pytest.fixture(scope="module")
def browser(server):
    with or_skipped(), running_browser() as made:
        yield made


@pytest.fixture(scope="module")
def page(browser):
    return browser.new_page()


@pytest.fixture(scope="module")
def base(server):
    with served(server, FOLDER, WINDOW) as made:
        yield made


def read(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def selector(title, kind="timeseries"):
    """CSS of a panel of *Training job*."""
    (found,) = [p["id"] for p in read("training-job")["panels"] if (p["title"], p["type"]) == (title, kind)]
    return f"#panel-{found}"


def may_be_empty(dashboard, title):
    """Whether a panel asks for nothing but metrics whose rows are yet to come."""
    panels = [panel for panel in dashboard["panels"] if panel["title"] == title]
    named = metrics_named({"panels": panels, "annotations": {"list": []}, "templating": {"list": []}})
    return any(name.startswith("wattrain_") for name in named - EXPORTED)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_shows_the_figures_of_its_queries(name, page, base, server):
    dashboard, empty = read(name), None
    is_of_jobs = "job" in {variable["name"] for variable in dashboard["templating"]["list"]}
    for wanted in (MODELLED, MEASURED) if is_of_jobs else ({},):
        found, lacking = problems(page, address(base, dashboard, WINDOW, wanted), dashboard, server, WINDOW, wanted)
        assert found == []
        empty = set(lacking) if empty is None else empty & set(lacking)
    assert [title for title in empty if not may_be_empty(dashboard, title)] == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_it_is_legible_on_narrow_and_wide_screens_in_light_and_dark(width, dark, page, base):
    page.open(address(base, read("training-job"), WINDOW, MODELLED), width=width, dark=dark)
    wait_until_drawn(page)
    found = page.evaluate(LEGIBLE)
    assert found["faint"] == []
    assert (found["width"] <= width, found["dark"]) == (True, dark)


def test_whoever_sees_nothing_is_told_what_there_is(page, base):
    page.open(address(base, read("training-job"), WINDOW, MODELLED))
    wait_until_drawn(page)
    page.evaluate("document.querySelectorAll('.behind').forEach((each) => { each.open = true; })")
    page.wait_for("document.querySelectorAll('.behind:not([hidden]) table').length >= 10")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {"image", "table", "region", "combobox", "textbox", "link", "button", "form", "navigation", "heading"}
    nameless = [node["role"]["value"] for node in nodes if not node["ignored"] and node["role"]["value"] in named
                and not node.get("name", {}).get("value")]  # fmt: skip
    assert nameless == []
    images = [node["name"]["value"] for node in nodes if node["role"]["value"] == "image"]
    assert any("Loss: training from 2." in image and " to 0.00" in image for image in images), images
    behind = f"document.querySelector('{selector('Loss')} .behind table').rows.length"
    assert 20 <= page.evaluate(behind) <= 45


def test_the_keyboard_moves_through_a_plot(page, base):
    page.open(address(base, read("training-job"), WINDOW, MODELLED))
    wait_until_drawn(page)
    head = f"document.querySelector('{selector('Loss')} .legend thead th:nth-child(2)').textContent"
    assert page.evaluate(head) == "last"
    page.evaluate(f"document.querySelector('{selector('Loss')} .surface').focus()")
    page.press("ArrowLeft")
    assert page.wait_for(f"/^00:59/.test({head}) && {head}")
    page.press("Tab")
    assert page.wait_for(f"{head} === 'last'")


def test_modelled_energy_looks_unlike_measured(page, base):
    shown = {}
    for wanted in (MODELLED, MEASURED):
        page.open(address(base, read("training-job"), WINDOW, wanted))
        drawn = {each["title"]: each for each in wait_until_drawn(page)}
        dashes = """[...document.querySelectorAll('%s .legend tbody tr')]
          .filter((row) => /^(cpu|gpu)/.test(row.textContent))
          .map((row) => row.querySelector('line').getAttribute('stroke-dasharray'))"""
        shown[wanted["job"]] = (
            drawn["Energy"]["known"],
            page.evaluate(dashes % selector("Power by component and source")),
        )
    assert shown == {"digits": ("modelled", ["10 10"]), "gpu": ("measured", ["", ""])}


def test_of_a_job_that_is_not_heard_of_any_more_it_says_since_when_and_how_its_energy_is_known(page, base):
    later = WINDOW._replace(end=past_fleet.END + 1800)  # long after the last scrape
    page.open(address(base, read("training-job"), later, MODELLED))
    drawn = {each["title"]: each for each in wait_until_drawn(page)}
    told = "Prometheus has heard nothing of this job since 1 Jan 2026, 01:0"  # a sample holds for five minutes
    assert told in page.evaluate("document.getElementById('story').textContent")
    assert (drawn["Energy"]["state"], drawn["Power by component and source"]["known"]) == ("empty", "modelled")
    page.open(f"{base}?from={int(later.start * 1000)}&to={int(later.end * 1000)}")
    wait_until_drawn(page)
    listed = page.evaluate("[...document.querySelectorAll('#panels .past a')].map((link) => link.textContent)")
    assert listed == ["team-a/digits", "team-a/wine", "team-b/diverges", "team-b/gpu", "team-b/waits"]
    page.open(address(base, read("training-job"), WINDOW, MODELLED))
    wait_until_drawn(page)
    assert page.evaluate("document.getElementById('story').textContent") == ""
    assert page.messages == []


def test_the_list_of_jobs_has_their_figures_and_leads_to_each_of_them(page, base, server):
    page.open(f"{base}?to={int(WINDOW.end * 1000)}")
    wait_until_drawn(page)
    rows = page.evaluate("[...document.querySelectorAll('.jobs tbody tr')].map((row) => row.innerText.split(/\\s+/))")
    assert sorted((name, state) for name, _, state, *_ in rows) == [
        ("digits", "Complete"), ("diverges", "Failed"), ("gpu", "Running"), ("waits", "Queued"), ("wine", "Running"),
    ]  # fmt: skip
    found = page.evaluate("[...document.querySelectorAll('.jobs tbody tr')].map((row) => [row.querySelector('a').text,"
                          "...[...row.querySelectorAll('data')].map((data) => Number(data.value))])")  # fmt: skip
    assert page.evaluate("document.querySelector('.past')") is None
    asked = "sum by (trainingjob) (max by (trainingjob, component, source) (wattrain_trainingjob_energy_joules_total))"
    joules = {sample.labels["trainingjob"]: sample.value for sample in server.query(asked, at=WINDOW.end)}
    assert {name: figures[5] for name, *figures in found if figures} == pytest.approx(joules)
    page.evaluate("[...document.querySelectorAll('.jobs a')].find((link) => link.textContent === 'gpu').click()")
    page.wait_for("document.querySelector('h1')?.textContent === 'Training job: gpu'")
    assert page.messages == []


def planted_in_dashboard(old, new):
    def plant(dashboard, _):
        return json.loads(json.dumps(dashboard).replace(old, new))

    return plant


def planted_in_page(file, old, new):
    def plant(dashboard, monkeypatch):
        files = dict(page_site.static_files())
        text = files[file].body.decode()
        assert old in text
        files[file] = files[file].__class__(files[file].content_type, text.replace(old, new).encode())
        monkeypatch.setattr(page_site, "static_files", lambda: files)
        return dashboard

    return plant


@pytest.mark.parametrize(("plant", "told"), [
    (planted_in_dashboard("max by (", "most by ("), "Loss: "),
    (planted_in_dashboard("_loss{", "_los{"), "empty: Loss"),
    (planted_in_dashboard("$job", "$jobb"), "Loss: variable $jobb: the dashboard does not define it"),
    (planted_in_dashboard('"unit": "none"', '"unit": "shrt"'), "Loss: unit shrt: not known to this page"),
    (planted_in_dashboard('"timeseries"', '"candlestick"'), "Loss: panel of type candlestick"),
    (planted_in_page("jobs.js", "const JOB =", "throw new Error('planted'); const JOB ="), "exception: Error: planted"),
    (planted_in_page("plot.js", "(a) => a.at(-1)", "(a) => a.at(-2)"), "Loss: shows"),
    (planted_in_page("panel_lines.js", "const x =", "console.warn('beware'); const x ="), "console.warning: beware"),
    (planted_in_page("query.js", "end: time.end, step", "end: time.end - 90, step"), "Loss: shows"),
])  # fmt: skip
def test_a_planted_mistake_is_found(plant, told, page, server, tmp_path, monkeypatch):
    assert told in said_of_panel("training-job", ("Loss", "timeseries"), plant, page, server, tmp_path, monkeypatch)


@pytest.mark.parametrize(("plant", "told"), [
    (planted_in_page("panel_xy.js", "[row[xName], row[y]]", "[row[y], row[xName]]"), "Loss by energy: shows"),
    (planted_in_page("frames.js", "`${identity} ${time}`", "`${identity}`"), "Loss by energy: shows"),
    (planted_in_page("frames.js", "rows: members,", "rows,"), "Loss by energy: shows"),
    (planted_in_dashboard("partitionByValues", "partitionByValue"), "transformation partitionByValue: not known"),
    (planted_in_dashboard('"Value #A": "energy"', '"Value #A": "enrgy"'), "Loss by energy: no moment has both"),
    (planted_in_dashboard("_loss{", "_los{"), "empty: Loss by energy"),
])  # fmt: skip
def test_a_planted_mistake_in_a_curve_without_time_is_found(plant, told, page, server, tmp_path, monkeypatch):
    said = said_of_panel("compare", ("Loss by energy", "xychart"), plant, page, server, tmp_path, monkeypatch)
    assert told in said


def said_of_panel(name, panel, plant, page, server, tmp_path, monkeypatch):
    """What is wrong with one panel of a dashboard, by title and type, after `plant`."""
    dashboard = read(name)
    dashboard["panels"] = [each for each in dashboard["panels"] if (each["title"], each["type"]) == panel]
    dashboard["annotations"]["list"] = []
    planted = plant(copy.deepcopy(dashboard), monkeypatch)
    (tmp_path / "planted.json").write_text(json.dumps(planted), encoding="utf-8")
    with served(server, tmp_path, WINDOW) as base:
        wanted = MEASURED if name == "training-job" else {"namespace": "team-a", "job": "digits|wine"}
        found, empty = problems(page, address(base, planted, WINDOW, wanted), planted, server, WINDOW, wanted)
    return " ".join([*found, *(f"empty: {title}" for title in empty)])
