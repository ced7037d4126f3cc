"""A real Prometheus with the configuration of docs/prometheus scrapes a real `wattrain run`."""

import signal
import urllib.request
from pathlib import Path

import pytest
import yaml
from harness.components import free_port
from harness.daemon import wait_for
from harness.fixtures import or_skipped
from harness.prometheus import promtool, running_prometheus

SHIPPED = Path(__file__).parents[3] / "docs" / "prometheus" / "laptop.yml"


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def server(port, tmp_path):
    """It has the shipped configuration, but for the port, which other tests may use, and a shorter interval."""
    config = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(SHIPPED.parent / pattern) for pattern in config["rule_files"]]
    [scrape] = config["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": ["127.0.0.1:9400"]}]
    scrape["static_configs"] = [{"targets": [f"127.0.0.1:{port}"]}]
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    with or_skipped(), running_prometheus(tmp_path / "prometheus", config=file) as running:
        yield running


def test_loss_and_watts_of_a_run_come_back_by_namespace_and_job(laptop, write_job, server, port):
    laptop.start(write_job(training={"epochs": 100_000, "batchSize": 64}), "--metrics-port", port)

    def value(expression):
        return {tuple(sorted(labels.items())): value for labels, value in server.query(expression)}

    job = (("namespace", "local"), ("trainingjob", "demo"))
    loss = "max by (namespace, trainingjob) (wattrain_trainingjob_loss)"
    watts = "sum by (namespace, trainingjob) (wattrain_trainingjob_power_watts) > 0"
    of_workers = "sum by (namespace, trainingjob) (wattrain_worker_power_watts) > 0"
    laptop.wait_until(lambda: value(loss) and value(watts) and value(of_workers))
    for expression in (loss, watts, of_workers):
        assert list(value(expression)) == [job], expression
    workers = "count by (namespace, trainingjob, worker) (wattrain_worker_loss)"
    assert set(value(workers)) == {(*job, ("worker", str(index))) for index in range(2)}
    assert value('sum by (state) (wattrain_trainingjob_state{state="Running"})') == {(("state", "Running"),): 1}
    steps = "sum by (namespace, trainingjob) (wattrain_trainingjob_steps_total)"
    assert 0 < value(steps)[job] <= sum(value("wattrain_worker_steps_total").values())  # of two workers, asked later
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        judged = promtool("check", "metrics", text=page.read().decode())
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")
    laptop.signal(signal.SIGKILL)  # its workers end with it
    laptop.finish()
    wait_for(lambda: value("up") == {} or 0 in value("up").values(), seconds=60, what="the target to be down")
    assert server.query("wattrain_trainingjob_loss") == []  # absent, and not frozen
