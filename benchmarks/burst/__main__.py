"""`PYTHONPATH=benchmarks python -m burst`: see --help."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from burst import measure
from burst.measure import Requests, percentile
from burst.observer import Observer
from burst.operator_process import OperatorProcess
from burst.server import Server
from wattrain_operator.cluster.kube.client import WRITES


def main() -> int:
    """Measure, and print."""
    told = _arguments()
    with tempfile.TemporaryDirectory(prefix="wattrain-burst-") as folder, _cluster(told, Path(folder)) as kubeconfig:
        server = Server.of(kubeconfig)
        for jobs in told.jobs:
            _say(told, _many(server, kubeconfig, Path(folder), told, jobs))
        if told.times:
            _say(told, _single(server, kubeconfig, Path(folder), told))
    return 0


def _many(server: Server, kubeconfig: Path, folder: Path, told: Any, jobs: int) -> dict[str, Any]:
    raw = [measure.raw_creates(server, told.image, told.raw_pods)]
    with (
        measure.namespace_of(server) as namespace,
        OperatorProcess(kubeconfig, namespace, folder / "operator.log", told.image) as operator,
        closing(Observer(server, namespace)) as observer,
    ):
        burst = measure.burst(server, namespace, observer, operator, told.image, jobs, told.pods)
        rest = measure.rest(operator, told.rest_seconds)
        memory = operator.peak_megabytes()
    raw.append(measure.raw_creates(server, told.image, told.raw_pods))
    speed = jobs * told.pods / burst.seconds
    return {
        "jobs": jobs,
        "pods per job": told.pods,
        "pods/s": speed,
        "raw pod creates/s before": raw[0],
        "raw pod creates/s after": raw[1],
        "share of the raw creates": speed / fmean(raw),
        "apply to all pods created p50, s": percentile(burst.to_pods, 0.5),
        "apply to all pods created p99, s": percentile(burst.to_pods, 0.99),
        "apply to Running p50, s": percentile(burst.to_running, 0.5),
        "apply to Running p99, s": percentile(burst.to_running, 0.99),
        "operator CPU ms/job": 1000 * burst.cpu_seconds / jobs,
        "operator peak RSS, MB": memory,
        "requests/job": sum(burst.requests.values()) / jobs,
        "requests/job by verb and resource": _by_kind(burst.requests, jobs),
        "requests that failed, by code": {
            f"{verb} {resource} {code}": n for (verb, resource, code), n in burst.requests.items() if code[0] != "2"
        },
        "at rest: operator CPU, share of a core": rest.cpu_seconds / rest.seconds,
        "at rest: writes": sum(n for (verb, _, _), n in rest.requests.items() if verb in WRITES),
        "at rest: requests/s": sum(rest.requests.values()) / rest.seconds,
    }


def _single(server: Server, kubeconfig: Path, folder: Path, told: Any) -> dict[str, Any]:
    with (
        measure.namespace_of(server) as namespace,
        OperatorProcess(kubeconfig, namespace, folder / "operator.log", told.image),
        closing(Observer(server, namespace)) as observer,
    ):
        asked = (server, namespace, observer, told.image)
        measure.one_at_a_time(*asked, 1, told.pods)  # caches warm, and the garbage collector knows the kind
        to_pods, to_running = measure.one_at_a_time(*asked, told.times, told.pods)
        again_pods, again_running = measure.lost_pod(*asked, max(1, told.times // 3), told.pods)
    return {
        "one job at a time, times": told.times,
        "apply to last pod p50, ms": 1000 * percentile(to_pods, 0.5),
        "apply to last pod p99, ms": 1000 * percentile(to_pods, 0.99),
        "apply to Running p50, ms": 1000 * percentile(to_running, 0.5),
        "apply to Running p99, ms": 1000 * percentile(to_running, 0.99),
        "deleted pod to new group created p50, s": percentile(again_pods, 0.5),
        "deleted pod to new group Running p50, s": percentile(again_running, 0.5),
        "deleted pod to new group Running p99, s": percentile(again_running, 0.99),
    }


def _by_kind(requests: Requests, jobs: int) -> dict[str, float]:
    kinds: dict[str, float] = {}
    for (verb, resource, _), number in requests.items():
        kinds[f"{verb} {resource}"] = kinds.get(f"{verb} {resource}", 0.0) + number / jobs
    return dict(sorted(kinds.items()))


def _say(told: Any, figures: dict[str, Any]) -> None:
    if told.output == "json":
        print(json.dumps(figures), flush=True)
        return
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{kind} {number:.2f}" for kind, number in value.items()) or "none"
        print(f"{name:42} {value if isinstance(value, (str, int)) else f'{value:.3g}'}", flush=True)
    print(flush=True)


@contextmanager
def _cluster(told: Any, folder: Path) -> Iterator[Path]:
    """The kubeconfig of the cluster that was named, or of one of our own with fake nodes."""
    if told.kubeconfig is not None:
        yield told.kubeconfig
        return
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "cluster"))
    from harness.controlplane import ControlPlane
    from harness.fleet import Fleet

    with ControlPlane(folder / "plane") as plane, Fleet(plane):
        yield plane.kubeconfig


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m burst", description="How fast jobs become pods, beside the API server's own limit.",
        epilog="Without --kubeconfig a control plane and fake nodes are started here. With it, the cluster needs our "
        "definitions and no operator that watches all namespaces; the operator is started here all the same.",
    )  # fmt: skip
    parser.add_argument("--kubeconfig", type=Path, help="a cluster that exists")
    parser.add_argument(
        "--image", default="wattrain.dev/none:1", help="image of the pods (default: none, for fake nodes)"
    )
    parser.add_argument("--jobs", type=int, nargs="*", default=[200, 1000], help="sizes of bursts (default: 200 1000)")
    parser.add_argument("--pods", type=int, default=4, help="pods a job (default: 4)")
    parser.add_argument("--raw-pods", type=int, default=2000, help="pods that are created raw (default: 2000)")
    parser.add_argument("--times", type=int, default=30, help="jobs one at a time (default: 30; 0: none)")
    parser.add_argument("--rest-seconds", type=float, default=60.0, help="how long to look at a rest (default: 60)")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
