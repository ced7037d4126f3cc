"""What keeps workers from starting on a real node, as its kubelet and the cluster say it; and that it ends well."""

import time

from harness.daemon import wait_for

TALKS = {"command": ["python", "-c", "import time; print('step=1', flush=True); time.sleep(600)"]}


def script(spec, **workers):
    for part in ("recipe", "data", "training", "checkpoint"):
        spec.pop(part, None)
    spec["script"] = TALKS
    spec["workers"] = {"replicas": 2, **workers}


def tells(job, *words, seconds=90):
    """Wait until the job's message has `words`; after how many seconds that was."""
    begun = time.monotonic()
    job.waits(
        lambda status: all(word in status.get("message", "") for word in words), f"to tell {words}", seconds=seconds
    )
    return time.monotonic() - begun


def test_a_config_map_that_is_missing_is_told_and_the_workers_start_when_it_is_there(apply, real_node):
    volumes = [{"mountPath": "/script", "configMap": "own"}]
    job = apply("digits-mlp.yaml", lambda spec: script(spec, volumes=volumes), name="no-map")
    assert tells(job, "cannot start (FailedMount)", 'configmap "own" not found') < 40
    job.kubectl("create", "configmap", "own", "--from-literal=a=b")
    job.waits(lambda status: status.get("state") == "Running", "to run")


def test_a_scheduler_that_nobody_runs_is_told(apply):
    job = apply("digits-mlp.yaml", lambda spec: script(spec, schedulerName="volcano"), name="no-scheduler")
    assert tells(job, "cannot start (NotScheduled)", "volcano") < 60


def test_a_pod_that_a_foreign_finalizer_keeps_is_told_and_the_job_goes_on_without_it(apply):
    job = apply("digits-mlp.yaml", script, name="kept")
    job.waits(lambda status: status.get("state") == "Running", "to run")
    finalizers = '{"metadata": {"finalizers": %s}}'
    job.kubectl("patch", "pod", "kept-1-1", "--patch", finalizers % '["example.com/audit"]')
    job.kubectl("delete", "pod", "kept-1-1", "--wait=false")
    tells(job, "kept-1-1 has ended and cannot go (example.com/audit)", seconds=120)
    job.kubectl("patch", "pod", "kept-1-1", "--type=merge", "--patch", finalizers % "null")
    wait_for(lambda: job.status().get("attempt") == 2 and job.status()["state"] == "Running", seconds=120, what="it")


def test_a_quota_of_requests_lets_workers_in_and_one_smaller_than_the_group_fails_the_job(apply, real_node):
    limits = {"resources": {"limits": {"cpu": "500m", "memory": "300Mi"}}}
    namespace = apply("digits-mlp.yaml", lambda spec: spec.update(suspend=True), name="asleep").namespace
    created = real_node.cluster.kubectl(
        f"--namespace={namespace}", "create", "quota", "team", "--hard=requests.cpu=600m,requests.memory=2Gi"
    )
    assert created.returncode == 0, created.stderr
    small = apply("digits-mlp.yaml", script, name="small")
    small.waits(lambda status: status.get("state") == "Running", "to run with the usual requests")
    large = apply("digits-mlp.yaml", lambda spec: impatient(spec, **limits), name="large")
    large.kubectl("wait", "--for=condition=Failed", "trainingjob/large", "--timeout=60s")
    told = large.status()["message"]
    assert "2 workers need 2 x requests.cpu=500m, more than the whole quota team has (600m)" in told, told
    assert "workers.resources" in told


def impatient(spec, **workers):
    script(spec, **workers)
    spec["policy"] = {"startDeadlineSeconds": 10}
