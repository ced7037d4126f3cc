"""Series of carbon intensity on a real API server: from a ConfigMap by a Role, and from an address."""

import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from harness.daemon import wait_for
from harness.node_cluster import NodeCluster
from harness.sandbox import HOST_ADDRESS

DIRTY, CLEAN = 500, 100
DIRTY_MINUTES = 35


def series():
    """Half an hour is dirty from now on, the rest is clean."""
    begun = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    times = [f"{begun + timedelta(minutes=minute):%Y-%m-%dT%H:%M:%SZ}" for minute in range(90)]
    lines = [f"{time},{DIRTY if minute < DIRTY_MINUTES else CLEAN}" for minute, time in enumerate(times)]
    return "\n".join(["# zone: TEST", "# basis: average", "time,gramsPerKWh", *lines, ""])


@pytest.fixture
def domain(real_node, place):
    """Applies a power domain with the name of the namespace, and the carbon that is given."""

    def made(**carbon):
        document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "metadata": {"name": place}}
        document["spec"] = {"carbon": {"zone": "TEST", **carbon}}
        done = real_node.cluster.kubectl("apply", "--filename=-", text=yaml.safe_dump(document))
        assert done.returncode == 0, done.stderr
        return partial(says, real_node.cluster, place)

    yield made
    real_node.cluster.kubectl("delete", "powerdomain", place)


def says(cluster, name, words):
    """Wait until the domain says so of its series."""
    path = '--output=jsonpath={.status.conditions[?(@.type=="CarbonSeries")].message}'
    seen = []

    def looks():
        seen.append(cluster.kubectl("get", "powerdomain", name, path).stdout)
        return words in seen[-1]

    wait_for(looks, seconds=100, what=f"the domain to say {words!r}")


def waits_for_clean_hours(domain):
    def change(spec):
        for part in ("recipe", "data", "training", "checkpoint"):
            del spec[part]
        spec["script"] = {"command": ["python", "-c", "import time; time.sleep(3)"]}
        spec["workers"] = {"replicas": 1}
        deadline = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        carbon = {"mode": "StartWindow", "estimatedDurationSeconds": 120, "deadline": deadline}
        spec["energy"] = {"powerDomain": domain, "carbon": carbon}

    return change


def test_a_job_waits_for_clean_hours_by_a_config_map_that_a_role_lets_the_operator_read(
    apply, real_node, place, installed, domain
):
    def kubectl(*words):
        done = real_node.cluster.kubectl(f"--namespace={place}", *words)
        assert done.returncode == 0, done.stderr

    kubectl("create", "configmap", "intensity", f"--from-literal=data={series()}")
    kubectl("create", "role", "carbon", "--verb=get", "--resource=configmaps", "--resource-name=intensity")
    kubectl(
        "create", "rolebinding", "carbon", "--role=carbon",
        f"--serviceaccount={installed['namespace']}:wattrain-operator",
    )  # fmt: skip
    domain(configMap={"name": "intensity", "namespace": place})("90 intensities, average, zone TEST")
    job = apply("digits-mlp.yaml", waits_for_clean_hours(place), name="patient")
    status = job.waits(lambda status: (status.get("cleanHours") or {}).get("start"), "to have chosen its start")
    assert f"for {CLEAN} g/kWh in place of {DIRTY}, which saves 80 %" in status["message"]
    assert (status["conditions"][0]["reason"], job.pods()) == ("WaitingForCleanHours", [])
    assert "WaitingForCleanHours" in job.kubectl("describe", "trainingjob", job.name).partition("Events:")[2]
    job.kubectl("patch", "tj", job.name, "--type=merge", '--patch={"spec": {"energy": {"carbon": {"mode": "Off"}}}}')
    status = job.completes()
    used = status["energy"]["joules"] / 3.6e6 * DIRTY
    assert status["cleanHours"]["message"] == "does not wait for clean hours: spec.energy.carbon.mode says so"
    assert status["energy"]["carbonGrams"] == pytest.approx(used, rel=0.01, abs=1e-6)


def test_a_series_is_read_from_an_address_and_what_is_wrong_with_that_is_told(real_node, place, domain, tmp_path):
    if not isinstance(real_node, NodeCluster):
        pytest.skip("NOT TESTED: an address, for the pods of the cluster of $KUBECONFIG may not reach this machine")
    (tmp_path / "series.csv").write_text(series())
    with served(tmp_path) as address:
        domain(url=f"{address}/missing.csv")("carbon.url: the answer is HTTP 404, not 200")
        domain(url=f"{address}/series.csv")("90 intensities, average, zone TEST")


@contextmanager
def served(folder):
    """The files in `folder`, at an address that pods of the node reach."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((HOST_ADDRESS, 0), partial(Handler, directory=folder)) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://{HOST_ADDRESS}:{server.server_address[1]}"
        finally:
            server.shutdown()
            serving.join()
