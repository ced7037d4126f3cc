"""What is measured, one function each. Times are differences of this process's monotonic clock, in seconds."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from burst.observer import JOBS, PODS, Observer
from burst.operator_process import OperatorProcess
from burst.server import RefusedError, Request, Server
from wattrain_api.names import child_name
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.objects import pod_of
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.core.observed import CreateChild

CONNECTIONS = 64
PATIENCE_SECONDS = 600.0
Json = dict[str, Any]
Requests = Counter[tuple[str, str, str]]


@dataclass(frozen=True)
class Burst:
    """Many jobs at once."""

    seconds: float
    """From the first apply to the last pod."""
    to_pods: list[float]
    """Of each job: from the answer to its apply to its last pod."""
    to_running: list[float]
    """Of each job: from the answer to its apply to its state Running."""
    cpu_seconds: float
    requests: Requests


@dataclass(frozen=True)
class Rest:
    """A while in which nothing happens."""

    seconds: float
    cpu_seconds: float
    requests: Requests


@contextmanager
def namespace_of(server: Server) -> Iterator[str]:
    """A namespace that is gone afterwards: what is measured next does not share the machine with its removal."""
    name = f"burst-{uuid.uuid4().hex[:8]}"
    path = f"/api/v1/namespaces/{name}"
    server.ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        wait_until(lambda: _is_there(server, f"{path}/serviceaccounts/default"))
        yield name
    finally:
        server.ask("DELETE", path)
    wait_until(lambda: not _is_there(server, path))


def raw_creates(server: Server, image: str, pods: int) -> float:
    """Pods a second that the API server takes from a client that does nothing else, the very pods of the operator's."""
    with namespace_of(server) as namespace:
        bodies = [_raw_pod(namespace, image, index) for index in range(pods)]
        requests = [Request("POST", PODS.format(namespace), json.dumps(body).encode()) for body in bodies]
        began = time.monotonic()
        answered = server.send_all(requests, CONNECTIONS)
        seconds = max(answered) - began
        wait_until(lambda: _all_run(server, namespace))
        server.ask("DELETE", PODS.format(namespace), {"gracePeriodSeconds": 0})
        wait_until(lambda: not server.ask("GET", f"{PODS.format(namespace)}?limit=1")["items"])
    return pods / seconds


def burst(
    server: Server, namespace: str, observer: Observer, operator: OperatorProcess, image: str, jobs: int, pods: int
) -> Burst:
    """Apply `jobs` jobs of `pods` pods at once, and wait until all are running."""
    names = [f"job-{index}" for index in range(jobs)]
    bodies = [json.dumps(job(namespace, name, image, pods)).encode() for name in names]
    cpu, requests = operator.cpu_seconds(), operator.requests()
    began = time.monotonic()
    applied = server.send_all([Request("POST", JOBS.format(namespace), body) for body in bodies], CONNECTIONS)
    observer.wait_for(lambda: observer.count() >= jobs * pods, f"{jobs * pods} pods", PATIENCE_SECONDS)
    observer.wait_for(
        lambda: all((name, "Running") in observer.states for name in names), "all jobs Running", PATIENCE_SECONDS
    )
    complete = [max(observer.created[name, 1]) for name in names]
    running = [observer.states[name, "Running"] for name in names]
    return Burst(
        max(complete) - began,
        [at - since for at, since in zip(complete, applied, strict=True)],
        [at - since for at, since in zip(running, applied, strict=True)],
        operator.cpu_seconds() - cpu,
        operator.requests() - requests,
    )


def rest(operator: OperatorProcess, seconds: float) -> Rest:
    """Look at the operator for a while, once it has told its last event."""
    before = None
    while before != (before := operator.requests()):
        time.sleep(1)
    cpu, requests, began = operator.cpu_seconds(), operator.requests(), time.monotonic()
    time.sleep(seconds)
    return Rest(time.monotonic() - began, operator.cpu_seconds() - cpu, operator.requests() - requests)


def one_at_a_time(
    server: Server, namespace: str, observer: Observer, image: str, times: int, pods: int
) -> tuple[list[float], list[float]]:
    """Apply one job after the other, each removed before the next: from the apply's beginning to its last pod, and to
    its state Running."""
    to_pods, to_running = [], []
    for _ in range(times):
        name = f"single-{uuid.uuid4().hex[:8]}"
        began = _apply_and_wait(server, namespace, observer, image, name, pods)
        to_pods.append(max(observer.created[name, 1]) - began)
        to_running.append(observer.states[name, "Running"] - began)
        _remove(server, namespace, name)
    return to_pods, to_running


def lost_pod(
    server: Server, namespace: str, observer: Observer, image: str, times: int, pods: int
) -> tuple[list[float], list[float]]:
    """Delete a pod of a running job: from the deletion to the last pod of the next attempt, and to all of them running
    as the job's status says."""
    to_pods, to_running = [], []
    for _ in range(times):
        name = f"bereaved-{uuid.uuid4().hex[:8]}"
        _apply_and_wait(server, namespace, observer, image, name, pods)
        victim = child_name(name, "worker", 1, pods - 1)
        began = time.monotonic()
        server.ask("DELETE", f"{PODS.format(namespace)}/{victim}")
        observer.wait_for(lambda name=name: (name, "Running 2") in observer.states, "a second attempt that runs", 120)
        to_pods.append(max(observer.created[name, 2]) - began)
        to_running.append(observer.states[name, "Running 2"] - began)
        _remove(server, namespace, name)
    return to_pods, to_running


def job(namespace: str, name: str, image: str, pods: int) -> Json:
    """A job whose pods need nothing and end only when they are told to."""
    return {
        "apiVersion": "wattrain.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "image": image,
            "script": {"command": ["python", "-c", "import signal; signal.pause()"]},
            "workers": {"replicas": pods},
        },
    }


def wait_until(holds: Any, seconds: float = PATIENCE_SECONDS) -> None:
    """Return when `holds()`; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s")
        time.sleep(0.1)


def _apply_and_wait(server: Server, namespace: str, observer: Observer, image: str, name: str, pods: int) -> float:
    began = time.monotonic()
    server.ask("POST", JOBS.format(namespace), job(namespace, name, image, pods))
    observer.wait_for(
        lambda: (name, "Running") in observer.states and len(observer.created[name, 1]) == pods, f"{name} Running", 120
    )
    return began


def _remove(server: Server, namespace: str, name: str) -> None:
    """Remove a job, and wait until the garbage collector has been there. It looks for new kinds every 30 s."""
    path = PODS.format(namespace)
    server.ask("DELETE", f"{JOBS.format(namespace)}/{name}")
    wait_until(lambda: not server.ask("GET", f"{path}?limit=1&labelSelector=wattrain.dev/job={name}")["items"], 120)


def _raw_pod(namespace: str, image: str, index: int) -> Json:
    model = TrainingJob.model_validate(job(namespace, f"raw-{index}", image, 1))
    child = CreateChild(child_name(f"raw-{index}", "worker", 1, 0), "worker", 1, 0, 1, 0)
    body = pod_of(model, child, OperatorSettings(image, image))
    del body["metadata"]["ownerReferences"]  # the garbage collector would take a pod of a job that is not there
    return body


def _all_run(server: Server, namespace: str) -> bool:
    return not server.ask("GET", f"{PODS.format(namespace)}?limit=1&fieldSelector=status.phase=Pending")["items"]


def _is_there(server: Server, path: str) -> bool:
    try:
        server.ask("GET", path)
    except RefusedError:
        return False
    return True


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed."""
    ordered = sorted(values)
    return next(value for value, rank in zip(ordered, count(1), strict=False) if rank >= share * len(ordered))
