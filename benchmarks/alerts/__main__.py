"""Make every alert that ships fire on a real cluster, and end again: `python -m alerts`.

A Prometheus is started here with the rules of charts/wattrain/rules, whose `for`, windows and limits in seconds are
divided by --faster; it scrapes by docs/prometheus/prometheus.yml. Jobs cause what concerns jobs, at the same time;
after them the operator is broken in several ways, one after the other. Beside them train, sleep and wait jobs of which
no alert may fire. Needs the cluster of `make cluster` in $KUBECONFIG, whose pods can be reached from here; nobody else
should use it meanwhile. Ends with 1 where an alert did not fire, did not end, or fired of what it should not.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "cluster"))

from harness.cluster import ExistingCluster
from harness.discovered_pods import DiscoveredPods
from harness.faster_rules import write_faster
from harness.prometheus import running_prometheus

from alerts.causes import begin_quiet, of_jobs, of_the_operator, settings_of
from alerts.playground import Playground
from alerts.timeline import Timeline


def main() -> int:
    """Cause, watch, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faster", type=float, default=15, help="factor (default 15: an hour becomes four minutes)")
    parser.add_argument("--seconds", type=float, default=1800, help="after so long it gives up (default 1800)")
    parser.add_argument("--keep", type=Path, help="folder for Prometheus' data (default: removed)")
    parser.add_argument("--only", nargs="*", default=[], help="names of alerts (default: all)")
    told = parser.parse_args()
    if not os.environ.get("KUBECONFIG"):
        parser.error("set KUBECONFIG to that of a cluster on which things may be broken, such as `make cluster` tells")
    with tempfile.TemporaryDirectory(prefix="wattrain-alerts-") as scratch:
        folder = told.keep or Path(scratch)
        folder.mkdir(exist_ok=True)
        return _run(folder, told.faster, time.monotonic() + told.seconds, told.only)


def _run(folder: Path, factor: float, deadline: float, only: list[str]) -> int:
    pods = DiscoveredPods(folder)
    config = pods.configuration(write_faster(folder, factor), interval_seconds=_scrape_seconds(factor))
    cluster = ExistingCluster(folder)
    try:
        with Playground(cluster, pods) as on, closing(cluster.api()) as api:
            on.set_operator_environment(**settings_of(factor))
            pods.look(api)
            with running_prometheus(folder / "prometheus", config=config) as server:
                line = Timeline(server, lambda: pods.look(api), deadline)
                print(f"Prometheus: {server.url}; all times of the rules divided by {factor:g}", flush=True)
                line.wait_until_running(on, begin_quiet(on))
                line.go_through(on, [cause for cause in of_jobs(factor) if not only or cause.alert in only])
                for cause in of_the_operator(factor):
                    if not only or cause.alert in only:
                        line.go_through(on, [cause])
                return line.report()
    finally:
        cluster.stop()


def _scrape_seconds(factor: float) -> int:
    """Rules look at five minutes, in which four scrapes must fit."""
    return max(1, int(300 / 4 / factor) - 1)


if __name__ == "__main__":
    sys.exit(main())
