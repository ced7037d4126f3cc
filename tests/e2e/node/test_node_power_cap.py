"""A cap below what two jobs may draw, on real pods: the second waits, and no version of the domain exceeds the cap."""

import json
import subprocess
from contextlib import contextmanager
from datetime import datetime

import pytest
import yaml
from harness.api import DOMAINS
from harness.binaries import find
from harness.daemon import wait_for

CAP_WATTS = 20
"""Between what one job of half a CPU may draw and what two may, with all of it for jobs."""
TRAINS_UNTIL_TOLD = """
import os, time
from wattrain_worker.report import report
step = 0
while not os.path.exists("/tmp/end"):
    step += 1
    report(step=step, total_steps=20_000, step_seconds=0.05)
    time.sleep(0.05)
"""


@pytest.fixture
def domain(real_node, place):
    """A power domain with the name of the namespace."""
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "metadata": {"name": place}}
    document["spec"] = {"capWatts": CAP_WATTS, "headroomPercent": 0}
    done = real_node.cluster.kubectl("apply", "--filename=-", text=yaml.safe_dump(document))
    assert done.returncode == 0, done.stderr
    yield place
    real_node.cluster.kubectl("delete", "powerdomain", place)


@contextmanager
def every_version(cluster, domain, file):
    """Inside, each version that the API server tells of `domain` is gathered; afterwards they are in the list."""
    path = f"{DOMAINS}?watch=true&fieldSelector=metadata.name%3D{domain}"
    command = [find("kubectl"), f"--kubeconfig={cluster.kubeconfig}", "get", f"--raw={path}"]
    versions = []
    with file.open("w") as output, subprocess.Popen(command, stdout=output) as watching:
        try:
            wait_for(lambda: file.read_text().count("\n"), seconds=30, what="the watch to begin")
            yield versions
            last = json.loads(cluster.kubectl("get", "powerdomain", domain, "--output=json").stdout)["metadata"]
            said = f'"resourceVersion":"{last["resourceVersion"]}"'
            wait_for(lambda: said in file.read_text(), seconds=30, what="the watch to have told all")
        finally:
            watching.kill()
    versions += [json.loads(line)["object"] for line in file.read_text().splitlines()]


def of_half_a_cpu(domain):
    def change(spec):
        for part in ("recipe", "data", "training", "checkpoint"):
            del spec[part]
        spec["script"] = {"command": ["python", "-c", TRAINS_UNTIL_TOLD]}
        spec["workers"] = {"replicas": 1, "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}}}
        spec["energy"] = {"powerDomain": domain}

    return change


def end(job):
    job.kubectl("exec", f"{job.name}-1-0", "--container=worker", "--", "touch", "/tmp/end")
    job.completes()


def test_a_second_job_waits_under_the_cap_and_starts_when_the_first_has_ended(
    apply, real_node, place, domain, tmp_path
):
    with every_version(real_node.cluster, domain, tmp_path / "versions") as versions:
        first = apply("digits-mlp.yaml", of_half_a_cpu(domain), name="first")
        first.waits(lambda status: status.get("state") == "Running", "to run")
        second = apply("digits-mlp.yaml", of_half_a_cpu(domain), name="second")
        told = second.waits(lambda status: (status.get("queue") or {}).get("expectedStart"), "to say when it may start")
        assert_it_says_what_it_waits_for(second, told, place)
        end(first)
        second.waits(lambda status: status.get("state") == "Running", "to run")
        assert second.status()["startTime"] >= first.status()["completionTime"]
        end(second)
    assert_the_cap_held(versions)


def assert_it_says_what_it_waits_for(second, status, place):
    """In its row, in `kubectl describe`, and in its status; no pod of it is there."""
    row = second.row()
    assert (row["STATE"], row["QUEUE"], row["HELD BY"]) == ("Queued", "1", f"{place}/first")
    needs = f"of the {CAP_WATTS} W for jobs of power domain {place}"
    assert needs in status["message"]
    assert needs in second.kubectl("describe", "trainingjob", "second").partition("Events:")[2]
    assert datetime.fromisoformat(status["queue"]["expectedStart"]) > datetime.fromisoformat(
        status["conditions"][0]["lastTransitionTime"]
    )
    assert second.pods() == []
    header, line = second.kubectl("get", "powerdomain", place).splitlines()
    shown = dict(zip(header.split(), line.split(), strict=False))  # LIMIT, the first that is empty, shifts the others
    assert line.split()[1] == str(CAP_WATTS), shown


def assert_the_cap_held(versions):
    """At every version, and all was used: both jobs had watts, one after the other."""
    holders = []
    for version in versions:
        status = version.get("status") or {}
        reserved = sum(r["watts"] for r in status.get("reservations") or ())
        power = status.get("power") or {"reservedWatts": 0, "freeWatts": CAP_WATTS, "exceededWatts": 0}
        assert reserved <= CAP_WATTS
        assert power["reservedWatts"] == pytest.approx(reserved)
        assert power["freeWatts"] == pytest.approx(CAP_WATTS - reserved)
        assert power["exceededWatts"] == 0
        holders.append([r["name"] for r in status.get("reservations") or ()])
    assert {"first", "second"} == {name for names in holders for name in names}
    assert max(map(len, holders)) == 1
