"""Directives reach the workers of a real node by an annotation of worker 0's pod, whoever writes it."""

import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness.daemon import wait_for

COMMAND = str(Path(sys.executable).parent / "wattrain")
FILE = "/etc/wattrain/directive.json"
FIRST, LAST = 2, 7
WATCH = f"""
import json, pathlib, time
seen, deadline = {{}}, time.monotonic() + 60
while {LAST} not in seen and time.monotonic() < deadline:
    text = pathlib.Path("{FILE}").read_text()
    version = json.loads(text)["version"] if text else 0
    seen.setdefault(version, time.time())
    pathlib.Path("/tmp/watching").touch()
    time.sleep(0.002)
print(json.dumps(seen))
"""


def without_checkpoints_of_its_own(spec):
    spec["training"] |= {"epochs": 1000}
    spec["checkpoint"] = {"every": {"steps": 1_000_000_000}}
    spec["storage"] = {"claim": "training"}


def direct(job, **directive):
    """Annotate worker 0's pod; returns when the API server has answered."""
    annotations = {"wattrain.dev/directive": json.dumps(directive)}
    with job.cluster.api() as api:
        api.patch(f"/api/v1/namespaces/{job.namespace}/pods/{job.name}-1-0", {"metadata": {"annotations": annotations}})
    return time.time()


def test_a_directive_is_in_the_pod_within_moments_and_has_the_group_save_profile_and_stop(apply, claim):
    job = apply("digits-mlp.yaml", without_checkpoints_of_its_own, folder=claim)
    job.waits(lambda status: (status.get("progress") or {}).get("phase") == "training", "to train")
    assert "checkpoint" not in job.status()
    seen = {}
    watching = threading.Thread(target=lambda: seen.update(json.loads(inside(job, "python3", "-c", WATCH))))
    watching.start()
    wait_for(lambda: "watching" in inside(job, "ls", "/tmp"), seconds=60, what="the file is watched")
    patched = {}
    for version in range(FIRST, LAST + 1):
        patched[version] = direct(job, version=version)
        wait_for(lambda v=version: f'"version": {v}' in inside(job, "cat", FILE), seconds=60, what="the file changes")
    watching.join()
    delays = [1000 * (seen[str(version)] - patched[version]) for version in patched]
    sys.stdout.write(f"from patch to file: {min(delays):.0f} to {max(delays):.0f} ms, ")
    sys.stdout.write(f"median {statistics.median(delays):.0f} ms, {len(delays)} times\n")
    direct(job, version=LAST + 1, checkpoint=True)
    saved = job.waits(lambda status: status.get("checkpoint"), "to save a checkpoint that a person asked for")
    assert saved["state"] == "Running"
    assert_a_profile_is_told(job)
    job.kubectl("patch", "trainingjob", job.name, "--type=merge", '--patch={"spec": {"suspend": true}}')
    suspended = job.waits(lambda status: status.get("state") == "Suspended", "to be suspended", seconds=100)
    assert suspended["internal"]["directiveVersion"] == LAST + 3, "the stop is newer than the profile"
    assert suspended["checkpoint"]["step"] > saved["checkpoint"]["step"], "it has saved before it stopped"
    job.kubectl("delete", "trainingjob", job.name)


def assert_a_profile_is_told(job):
    """`wattrain profile` as a user calls it: of the rank of another pod than the one that is directed."""
    place = (f"--namespace={job.namespace}", f"--kubeconfig={job.cluster.kubeconfig}")
    command = [COMMAND, "profile", job.name, "--steps=3", "--rank=1", *place]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert "aten::addmm" in done.stdout
    assert f"on the claim: claim://training/{job.name}/profiles" in done.stdout
    if job.folder is not None:
        [trace] = (job.folder / "profiles").glob("*.json")
        assert trace.name.endswith(".rank-1.trace.json")


def inside(job, *words):
    """What a command says in worker 0's container."""
    return job.kubectl("exec", f"{job.name}-1-0", "--container=worker", "--", *words)
