"""The operator as a process of this machine, beside a cluster whose nodes cannot run it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.daemon import Daemon


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without what an operator would heed, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WATTRAIN_", "KUBE"))}
    return kept | variables


def operator_settings(**settings: str) -> dict[str, str]:
    """Variables of an operator that takes free ports; `settings` go without their prefix."""
    told = {"WORKER_IMAGE": "worker:1", "METRICS_PORT": "0", "HEALTH_PORT": "0", **settings}
    return {f"WATTRAIN_OPERATOR_{name}": value for name, value in told.items()}


@contextmanager
def operator_process(kubeconfig: Path, namespace: str, folder: Path, **settings: str) -> Iterator[Daemon]:
    """Inside, an operator for all namespaces leads. `namespace` holds its Lease; its log is in `folder`."""
    told = {"KUBECONFIG": str(kubeconfig), **operator_settings(NAMESPACE=namespace, **settings)}
    variables = [f"{name}={value}" for name, value in clean_environment(**told).items()]
    command = ["env", "--ignore-environment", *variables, sys.executable, "-m", "wattrain_operator.cluster"]
    daemon = Daemon("operator", command, folder / "operator.log")
    try:
        daemon.start(lambda: "leading as" in daemon.tail(100))
        yield daemon
    finally:
        daemon.stop()
