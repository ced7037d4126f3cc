"""A whole cluster for a person to play with, until Ctrl-C: `python -m harness.serve`, with tests/cluster on PYTHONPATH.

With a real node where this machine can be one, else with fake nodes, where pods run without a process.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.controlplane import ControlPlane
from harness.fleet import Fleet
from harness.node import real_cluster
from harness.sandbox import check_possible
from harness.unavailable import UnavailableError


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[ControlPlane, str]]:
    """The best cluster that this machine allows, and what a person must know about it."""
    try:
        check_possible()
    except UnavailableError as error:
        with ControlPlane(folder / "cluster") as plane, Fleet(plane):
            yield plane, f"Its nodes are fake, and pods run without a process: {error}"
        return
    with real_cluster(folder / "cluster") as node:
        yield node.plane, "It has one real node."


def main() -> int:
    """Run until SIGINT or SIGTERM; 69 where the parts of a cluster cannot be had."""
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a script's background process ignores it otherwise
        signal.signal(number, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="wattrain-cluster-") as name, cluster(Path(name)) as (plane, note):
            sys.stdout.write(_greeting(plane.kubeconfig, note))
            sys.stdout.flush()
            while True:
                signal.pause()
    except KeyboardInterrupt:
        sys.stdout.write("\nThe cluster is gone.\n")
        return 0
    except UnavailableError as error:
        sys.stderr.write(f"{error}\n")
        return 69


def _greeting(kubeconfig: Path, note: str) -> str:
    return f"""A Kubernetes cluster with the definitions of Wattrain is running. {note}

  export KUBECONFIG={kubeconfig}
  kubectl get nodes
  kubectl explain trainingjob.spec.energy
  kubectl apply -f examples/digits-mlp.yaml

Ctrl-C removes it.
"""


if __name__ == "__main__":
    sys.exit(main())
