"""The harness' Prometheus: data of a fixed past, and a configuration that really scrapes."""

import http.server
import json
import threading
from contextlib import contextmanager

import pytest
from harness.daemon import DaemonError, wait_for
from harness.fixtures import or_skipped
from harness.prometheus import QueryError, find_prometheus, promtool, running_prometheus
from harness.unavailable import UnavailableError

START = 1_767_225_600  # long before now: only the long retention keeps it
PAST = "".join(
    ["# TYPE energy_joules counter\n"]
    + [f'energy_joules_total{{trainingjob="demo"}} {100 * i} {START + 30 * i}\n' for i in range(41)]
    + ["# EOF\n"]
)


@pytest.fixture(autouse=True)
def installed():
    with or_skipped():
        find_prometheus()


def test_samples_of_a_fixed_past_are_answered_at_one_moment_and_over_time(tmp_path):
    with running_prometheus(tmp_path, openmetrics=PAST) as server:
        end = START + 1200
        (watts,) = server.query("sum by (trainingjob) (rate(energy_joules_total[5m]))", at=end)
        assert watts.labels == {"trainingjob": "demo"}
        assert watts.value == pytest.approx(100 / 30)
        (series,) = server.query_range("energy_joules_total", start=START + 60, end=end, step=30)
        assert series.points[0] == (START + 60, 200)
        assert series.points[-1] == (end, 4000)
        assert [sample.value for sample in server.query("1 + 1")] == [2]
        assert server.query("energy_joules_total") == []  # there are none of today
        with pytest.raises(QueryError, match="parse error"):
            server.query("sum(")


def test_it_scrapes_what_its_configuration_names(tmp_path):
    config = tmp_path / "prometheus.yml"
    with serving("# TYPE up_here gauge\nup_here 7\n") as port:
        scrape = {"job_name": "x", "scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        config.write_text(json.dumps({"scrape_configs": [scrape]}))  # JSON is YAML
        with running_prometheus(tmp_path, config=config) as server:
            wait_for(lambda: server.query('up_here{job="x"} == 7'), seconds=60, what="the first scrape")


def test_a_bad_configuration_is_told_by_its_own_words(tmp_path):
    config = tmp_path / "prometheus.yml"
    config.write_text("scrape_config: []\n")
    with pytest.raises(DaemonError, match="field scrape_config not found"), running_prometheus(tmp_path, config=config):
        pass


def test_samples_that_promtool_refuses_are_told_too(tmp_path):
    with pytest.raises(DaemonError, match="EOF"), running_prometheus(tmp_path, openmetrics="a 1 1\n"):
        pass


def test_promtool_reads_text_and_returns_its_verdict():
    assert (
        promtool("check", "metrics", text="# HELP a_total How many.\n# TYPE a_total counter\na_total 1\n").returncode
        == 0
    )
    assert promtool("check", "metrics", text="# TYPE a counter\na 1\n").returncode != 0


def test_where_it_is_not_installed_the_remedy_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UnavailableError, match="no prometheus: run tests/cluster/install-packages"):
        find_prometheus()


@contextmanager
def serving(text):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
