"""Alerts that ship, made to fire and to end by jobs on a real node, with all times of the rules divided by sixty.

`PYTHONPATH=benchmarks python -m alerts` does so with every alert.
"""

import pytest
from harness.daemon import wait_for
from harness.discovered_pods import DiscoveredPods
from harness.faster_rules import write_faster
from harness.fixtures import or_skipped
from harness.node_cluster import NodeCluster
from harness.prometheus import running_prometheus

FASTER = 60
SCRAPE_SECONDS = 3  # on a machine under load the operator takes more than one to answer
LOOKED_AT = {"WattrainLossNotFinite", "WattrainJobWaitsForPowerDomain"}
"""Not what tells of slow starts: those are no faster here than elsewhere."""
TRAINS = """
import itertools, time
for step in itertools.count(1):
    print(f"step={step} loss={LOSS}", flush=True)
    time.sleep(0.2)
"""


@pytest.fixture
def pods(real_node, tmp_path):
    """What Prometheus scrapes."""
    if not isinstance(real_node, NodeCluster):
        pytest.skip("NOT TESTED on the cluster of $KUBECONFIG: its pods cannot be reached from here")
    return DiscoveredPods(tmp_path)


def script(loss, **more):
    def change(spec):
        for part in ("recipe", "data", "training", "checkpoint"):
            spec.pop(part)
        patterns = {"step": "step={number}", "loss": "loss={number}"}
        command = ["python", "-c", TRAINS.replace("LOSS", loss)]
        spec |= {"script": {"command": command, "metricPatterns": patterns}, "workers": {"replicas": 1}, **more}

    return change


def test_a_loss_that_is_nan_and_a_domain_that_is_missing_fire_until_they_are_mended_and_a_job_that_trains_does_not(
    apply, place, pods, real_node, tmp_path
):
    diverged = apply("digits-mlp.yaml", script("float('nan')"), name="diverged")
    apply("digits-mlp.yaml", script("1 / step", energy={"powerDomain": place}), name="homeless")
    trains = apply("digits-mlp.yaml", script("1 / step"), name="trains")
    for job in (diverged, trains):
        job.waits(lambda status: status.get("state") == "Running", "to run")
    config = pods.configuration(write_faster(tmp_path, FASTER), interval_seconds=SCRAPE_SECONDS)
    with or_skipped(), real_node.cluster.api() as api:
        pods.look(api)
        with running_prometheus(tmp_path / "prometheus", config=config) as server:

            def firing():
                labels = [a["labels"] for a in server.get("/api/v1/alerts")["alerts"] if a["state"] == "firing"]
                ours = [one for one in labels if one.get("namespace") == place and one["alertname"] in LOOKED_AT]
                return {(one["trainingjob"], one["alertname"]) for one in ours}

            expected = {("diverged", "WattrainLossNotFinite"), ("homeless", "WattrainJobWaitsForPowerDomain")}
            wait_for(lambda: firing() == expected, seconds=120, what="both alerts, and no other")
            diverged.kubectl("patch", "tj", "diverged", "--type=merge", '--patch={"spec": {"suspend": true}}')
            diverged.kubectl("delete", "tj", "homeless", "--wait=false")
            wait_for(lambda: firing() == set(), seconds=120, what="both to end")
            trains.waits(lambda status: status.get("state") == "Running", "to run still", seconds=10)
            of_it = f'ALERTS{{alertname=~"{"|".join(LOOKED_AT)}",namespace="{place}",trainingjob="trains"}}'
            assert server.query(f"count_over_time({of_it}[1h])") == []
