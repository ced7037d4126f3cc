"""Which requests the page's server answers, and with which headers."""

import json
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from wattrain_operator.dashboard.http_server import Answer, Request
from wattrain_operator.dashboard.page_site import PageSite
from wattrain_operator.dashboard.shipped import ShippedDashboard, read_dashboards, shipped_dashboards, static_files
from wattrain_operator.dashboard.source_protocol import About, success


class Source:
    def __init__(self):
        self.asked = []

    def about(self):
        return About(kind="runs", what="a run", scrape_seconds=1.0)

    def ask(self, path, parameters):
        self.asked.append((path, dict(parameters)))
        return success([])

    def receipt(self, namespace, name):
        return b"<p>receipt" if (namespace, name) == ("local", "digits") else None


@pytest.fixture
def source():
    return Source()


@pytest.fixture
def site(source):
    return PageSite(source, {"a-job": ShippedDashboard("a-job", "A job", b"{}")}, ["page.example"])


def get(site, path, host="127.0.0.1:8000", **parameters):
    return site.answer(Request(path, {name: [value] for name, value in parameters.items()}, host))


def test_page_files_and_dashboards_are_served_with_their_types(site):
    assert get(site, "/").content_type == "text/html; charset=utf-8"
    assert get(site, "/static/page.js").content_type == "text/javascript; charset=utf-8"
    assert b"uPlot" in get(site, "/static/uplot/uPlot.iife.min.js").body
    assert json.loads(get(site, "/dashboards.json").body) == [{"uid": "a-job", "title": "A job"}]
    assert get(site, "/dashboards/a-job.json").body == b"{}"
    assert json.loads(get(site, "/about.json").body)["what"] == "a run"


@pytest.mark.parametrize("path", [
    "/static/../page_site.py", "/static/../../pyproject.toml", "/static//etc/passwd", "/etc/passwd", "/static/",
    "/static",
    "/dashboards/../a-job.json", "/dashboards/", "/static/uplot/LICENSE", "/page_site.py", "//static/page.js",
    "",
])  # fmt: skip
def test_no_path_leads_to_another_file(site, path):
    assert get(site, path).status == 404


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9", "[::1]:80", "page.example", "LOCALHOST:1"])
def test_it_answers_to_its_own_names(site, host):
    assert get(site, "/", host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "localhost@evil.example", "[", "10.0.0.1"]
)
def test_a_stranger_s_name_for_this_address_is_refused_before_anything_is_asked(site, source, host):
    for path in ("/", "/api/v1/query", "/about.json", "/receipt.html"):
        assert get(site, path, host).status == 403
    assert source.asked == []


def test_a_query_goes_to_the_source_with_its_parameters(site, source):
    assert get(site, "/api/v1/query", query="up", time="3").status == 200
    assert source.asked == [("query", {"query": ["up"], "time": ["3"]})]


def test_every_answer_forbids_the_browser_what_the_page_does_not_need(site):
    for path in ("/", "/static/page.js", "/api/v1/query", "/nothing"):
        policy = get(site, path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
        assert "unsafe" not in policy and "http" not in policy and "*" not in policy  # noqa: PT018
        assert get(site, path).headers["X-Content-Type-Options"] == "nosniff"


def test_a_receipt_is_shown_in_a_sandbox(site):
    answer = get(site, "/receipt.html", namespace="local", name="digits")
    assert (answer.status, answer.body) == (200, b"<p>receipt")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy  # noqa: PT018
    assert "connect-src" not in policy and "default-src 'none'" in policy  # noqa: PT018
    assert get(site, "/receipt.html", namespace="local", name="other").status == 404
    assert get(site, "/receipt.html").status == 404


def test_no_file_of_the_page_names_another_host():
    for name, file in static_files().items():
        text = (
            file.body.decode()
            .replace("http://www.w3.org/2000/svg", "")
            .replace("https://github.com/leeoniya/uPlot", "")
        )
        assert "http://" not in text.replace('"http://', "") and "https://" not in text, name  # noqa: PT018


def test_the_dashboards_that_ship_are_those_of_the_repository(root_of_dashboards):
    uids = {json.loads(file.read_bytes())["uid"] for file in root_of_dashboards.glob("*.json")}
    assert set(shipped_dashboards()) == uids
    assert "wattrain-training-job" in uids  # which the list of jobs leads to


def test_the_wheel_has_the_dashboards_the_page_and_the_licence_of_what_it_brings(root_of_dashboards):
    builder = WheelBuilder(str(root_of_dashboards.parent))
    packed = {Path(file.distribution_path) for file in builder.recurse_included_files()}
    folder = Path("wattrain_operator/dashboard")
    assert {folder / "dashboards" / file.name for file in root_of_dashboards.glob("*.json")} <= packed
    assert {folder / "static" / name for name in static_files()} <= packed
    assert folder / "static/uplot/LICENSE" in packed
    assert {path.parts[0] for path in packed} == {"wattrain", "wattrain_api", "wattrain_operator", "wattrain_worker"}


def test_a_file_that_is_no_dashboard_is_named(tmp_path):
    (tmp_path / "x.json").write_text('{"uid": 1}')
    with pytest.raises(ValueError, match=r"x\.json: is no Grafana dashboard"):
        read_dashboards(tmp_path)


def test_an_answer_can_be_compared():
    assert success(1) == Answer(200, "application/json", b'{"status": "success", "data": 1}')
