"""A whole cluster for a person to play with, until Ctrl-C: `python -m harness.serve`, with tests/cluster on PYTHONPATH.

With a real node and the real images where this machine can have them. Else with fake nodes, where pods run without a
process, and with the operator as a process beside them.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from harness import release
from harness.binaries import find
from harness.cluster import RESTRICTED, Cluster
from harness.controlplane import ControlPlane
from harness.daemon import DaemonError
from harness.fleet import Fleet
from harness.helm import Helm
from harness.node import real_cluster
from harness.node_images import provide
from harness.operator_process import operator_process
from harness.progress import say
from harness.sandbox import check_possible
from harness.scratch import scratch_folder
from harness.unavailable import UnavailableError

_NAMESPACE, _CLAIM = "wattrain-system", "training"
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNAVAILABLE, _INTERRUPTED = 69, 130


def main() -> int:
    """Run until SIGINT, SIGTERM or SIGHUP: 0, or 130 before all was ready; 69 where a part cannot be had, 1 where one
    does not start."""
    for number in _SIGNALS:  # SIGINT too: a script's background process ignores it otherwise
        signal.signal(number, _leave)
    ready = False
    try:
        with scratch_folder("wattrain-cluster-") as folder, cluster(folder) as greeting:
            ready = True
            sys.stdout.write(greeting)
            sys.stdout.flush()
            while True:
                signal.pause()
    except KeyboardInterrupt:
        say("the cluster is gone")
        return 0 if ready else _INTERRUPTED
    except UnavailableError as error:
        say(str(error))
        return _UNAVAILABLE
    except (release.InstallError, DaemonError) as error:
        say(str(error))
        return 1


def _leave(number: int, frame: FrameType | None) -> None:
    """Begin to clear up, and let nobody interrupt that."""
    for other in _SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    say("removing the cluster")
    raise KeyboardInterrupt


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The best cluster that this machine allows, with the operator; what a person must know about it."""
    try:
        check_possible()
    except UnavailableError as error:
        say(f"there will be no real node: {error}")
        with fake(folder) as greeting:
            yield greeting
    else:
        with real(folder) as greeting:
            yield greeting


@contextmanager
def real(folder: Path) -> Iterator[str]:
    """With a real node, on which the chart's operator runs."""
    say("starting Kubernetes with one real node")
    with real_cluster(folder / "cluster") as node:
        images = release.Images(provide(node, "operator"), provide(node, "worker"))
        plain = provide(node, "worker-dependencies")
        say("installing the chart")
        started = time.monotonic()
        make_namespace(node.plane)
        release.install(_helm(folder), node.plane, _NAMESPACE, images, folder)
        storage = node.provide_claim("default", _CLAIM)
        say(f"... the operator is ready after {time.monotonic() - started:.0f} s")
        yield _greeting(node.plane.kubeconfig) + _of_real_node(storage, plain)


@contextmanager
def fake(folder: Path) -> Iterator[str]:
    """With fake nodes, and the operator as a process beside them."""
    say("starting Kubernetes with four fake nodes")
    with ControlPlane(folder / "cluster") as plane, Fleet(plane):
        make_namespace(plane)
        with operator_process(plane.kubeconfig, _NAMESPACE, folder):
            yield _greeting(plane.kubeconfig) + _of_fake_nodes()


def make_namespace(cluster: Cluster) -> None:
    """The operator's own namespace, under Pod Security `restricted`."""
    with cluster.api() as api:
        api.create("/api/v1/namespaces", {"metadata": {"name": _NAMESPACE, "labels": {RESTRICTED: "restricted"}}})


def _helm(folder: Path) -> Helm:
    home = folder / "helm"
    home.mkdir()
    return Helm(shutil.which("helm") or find("helm"), home)


def _greeting(kubeconfig: Path) -> str:
    path = "" if shutil.which("kubectl") else f"\n  export PATH=$PATH:{find('kubectl').parent}"
    return f"""
A Kubernetes cluster with Wattrain is running. In another terminal, in this folder:
{path}
  export KUBECONFIG={kubeconfig}
  kubectl apply -f examples/digits-mlp.yaml
  kubectl get trainingjobs --watch      # Ctrl-C ends the watch
  kubectl describe trainingjob digits-mlp
  kubectl explain trainingjob.spec.energy
"""


def _of_real_node(storage: Path, image: str) -> str:
    return f"""
Train it once more, break it while it trains, and look again:

  kubectl delete trainingjob digits-mlp; kubectl apply -f examples/digits-mlp.yaml
  kubectl wait --for=condition=Running trainingjob/digits-mlp
  kubectl logs -l wattrain.dev/job=digits-mlp --prefix
  kubectl delete pod -l wattrain.dev/job=digits-mlp,wattrain.dev/worker-index=1
  kubectl get trainingjob digits-mlp --output jsonpath='{{.status.restarts}}'

A claim that outlives its jobs, with the folder that is behind it:

  sed 's/name: digits-mlp/name: digits-kept/; s/^spec:$/spec:\\n  storage: {{claim: {_CLAIM}}}/' \\
    examples/digits-mlp.yaml | kubectl apply -f -
  ls {storage}

The node can pull no image. It has one with torch and nothing of ours:

  kubectl create configmap train-ddp --from-file=examples/script/train_ddp.py
  sed 's|image: .*|image: {image}|' examples/script-ddp.yaml | kubectl apply -f -
{_end()}"""


def _of_fake_nodes() -> str:
    return f"""
Its nodes are fake: pods are scheduled and called running, but they have no process. So jobs get their pods, can be
suspended, deleted and refused, and none of them trains a step.
{_end()}"""


def _end() -> str:
    return f"""
Ctrl-C removes all of it, or from elsewhere: kill {os.getpid()}
"""


if __name__ == "__main__":
    sys.exit(main())
