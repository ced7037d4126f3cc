"""Alerts that real jobs make fire on a real Prometheus: one whose loss is nan, one that hangs, one that crashes again
and again, one that fails for good.

The rules are those that ship, but for their patience: `for` is a second, and a job without steps is seen after five.
"""

import json
import re
import signal

import pytest
import yaml
from harness.components import free_port
from harness.fixtures import or_skipped
from harness.prometheus import running_prometheus
from harness.rules_world import RULES

LOOP = """import time
for step in range(1, 1_000_000):
    print(f'step={step} loss={%s}', flush=True)
    time.sleep(%s)
"""
SCRIPTS = {
    "not-a-number": LOOP % ("1e999 - 1e999", "0.1"),
    "hangs": LOOP % ("1 / step", "0.1 if step < 5 else 3600"),
    "crashes": "import os\nos.kill(os.getpid(), 9)\n",
    "fails": "raise SystemExit(3)\n",
    "trains": LOOP % ("1 / step", "0.1"),
}
EXPECTED = {
    ("WattrainLossNotFinite", "not-a-number"),
    ("WattrainJobMakesNoSteps", "hangs"),
    ("WattrainJobRestartsOften", "crashes"),
    ("WattrainJobFailed", "fails"),
}


@pytest.fixture
def jobs(tmp_path):
    """A job for each script."""
    files = []
    for name, script in SCRIPTS.items():
        program, file = tmp_path / f"{name}.py", tmp_path / f"{name}.yaml"
        program.write_text(script)
        spec = {
            "script": {
                "command": ["python", str(program)],
                "metricPatterns": {"step": "step={number}", "loss": "loss={number}"},
            },
            "policy": {"maxRestarts": 100, "progressDeadlineSeconds": 3600},
        }
        document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": name}}
        file.write_text(json.dumps({**document, "spec": spec}))  # JSON is YAML
        files.append(file)
    return files


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def server(port, tmp_path):
    rules = tmp_path / "rules.yaml"
    text = (RULES / "jobs.yaml").read_text(encoding="utf-8")
    hasty, count = re.subn(r"(?m)^( +for: )\d+[mh]$", r"\g<1>1s", text)
    assert count == text.count("alert: ")
    rules.write_text(hasty.replace("steps_total[15m]", "steps_total[5s]"), encoding="utf-8")
    scrape = {"job_name": "run", "honor_labels": True, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules), str(RULES / "recording.yaml")],
        "scrape_configs": [scrape],
    }
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    with or_skipped(), running_prometheus(tmp_path / "prometheus", config=file) as running:
        yield running


def test_a_loss_that_is_nan_a_hang_many_restarts_and_a_failure_are_told_of_with_the_jobs_name(
    laptop, jobs, server, port
):
    laptop.start(*jobs, "--metrics-port", port)

    def firing():
        alerts = server.get("/api/v1/alerts")["alerts"]
        return {(a["labels"]["alertname"], a["labels"]["trainingjob"]): a for a in alerts if a["state"] == "firing"}

    laptop.wait_until(lambda: firing().keys() >= EXPECTED)
    alerts = firing()
    others = {"WattrainLossNotFinite", "WattrainJobRestartsOften", "WattrainJobFailed"}
    assert not {(name, "trains") for name in others} & alerts.keys()
    for name, job in EXPECTED:
        told = alerts[name, job]["annotations"]
        assert f"local/{job}" in told["description"]
        assert told["runbook_url"] == f"docs/runbook/{name}.md"
    laptop.signal(signal.SIGINT)
    laptop.signal(signal.SIGINT)
    laptop.finish()
