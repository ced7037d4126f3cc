"""The operator as a process of this machine, beside a cluster whose nodes cannot run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.cluster import Cluster
from harness.daemon import Daemon


@contextmanager
def operator_process(cluster: Cluster, namespace: str, folder: Path) -> Iterator[Daemon]:
    """Inside, an operator for all namespaces leads. `namespace` holds its Lease; its log is in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATTRAIN_", "KUBE"))}
    told = {
        "KUBECONFIG": str(cluster.kubeconfig), "WATTRAIN_OPERATOR_NAMESPACE": namespace,
        "WATTRAIN_OPERATOR_WORKER_IMAGE": "wattrain/worker", "WATTRAIN_OPERATOR_METRICS_PORT": "0",
        "WATTRAIN_OPERATOR_HEALTH_PORT": "0",
    }  # fmt: skip
    variables = [f"{name}={value}" for name, value in (kept | told).items()]
    command = ["env", "--ignore-environment", *variables, sys.executable, "-m", "wattrain_operator.cluster"]
    daemon = Daemon("operator", command, folder / "operator.log")
    try:
        daemon.start(lambda: "leading as" in daemon.tail(100))
        yield daemon
    finally:
        daemon.stop()
