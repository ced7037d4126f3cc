"""Fake nodes by KWOK: pods are scheduled for real, and run without a process."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.api import Api
from harness.binaries import find
from harness.components import free_port
from harness.controlplane import OwnCluster
from harness.daemon import Daemon, wait_for
from harness.scratch import when_killed

_STAGES = Path(__file__).with_name("kwok-stages.yaml")
_LABEL = "wattrain.dev/fake-node"
_RANGES = [f"10.{second}.0.0/16" for second in range(200, 240)]
_LOOPBACK_RANGE = "127.200.0.0/16"
_CAPACITY = {"cpu": "1024", "memory": "4Ti", "pods": "5000", "nvidia.com/gpu": "64"}
_TAINT = {"key": _LABEL, "effect": "NoSchedule"}
NODES = "/api/v1/nodes"
ON_FAKE_NODES: dict[str, Any] = {
    "nodeSelector": {_LABEL: ""},
    "tolerations": [{"key": _LABEL, "operator": "Exists", "effect": "NoSchedule"}],
}
"""What a pod, or `spec.workers` of a job, says to run on the fake nodes that all test processes share."""


class FakeNodes:
    """Nodes that somebody runs."""

    def __init__(self, nodes: list[str]):
        self.nodes = nodes


class Fleet(FakeNodes):
    """Use as a context manager: inside, `size` ready nodes named fake-0, fake-1, ...; afterwards none.

    The addresses of their pods are this machine's own, so that nothing that is sent to a pod leaves it. Who is not root
    gets loopback addresses, which the controllers of endpoints refuse. `tainted` keeps pods away that do not ask for
    fake nodes.
    """

    def __init__(self, plane: OwnCluster, size: int = 4, *, tainted: bool = False):
        super().__init__([f"fake-{number}" for number in range(size)])
        self._plane, self._taints = plane, [_TAINT] if tainted else []
        self._reserved = ExitStack()
        self._health = free_port()

    def __enter__(self) -> Self:
        addresses = self._reserved.enter_context(_reserved_range(self._plane.place.folder))
        kubeconfig = self._plane.kubeconfig_for("kwok", "kwok", "system:masters")
        command: list[str | Path] = [
            find("kwok"), f"--kubeconfig={kubeconfig}", f"--config={_STAGES}", f"--cidr={addresses}",
            f"--manage-nodes-with-label-selector={_LABEL}", "--node-lease-duration-seconds=40",
            f"--server-address=127.0.0.1:{self._health}",
        ]  # fmt: skip
        self.daemon = Daemon("kwok", command, self._plane.place.folder / "kwok.log")
        try:
            self.daemon.start(self._is_healthy)
            with self._plane.api() as api:
                for name in self.nodes:
                    self.add(api, name)
                for name in self.nodes:
                    wait_for(api.waits_for(f"{NODES}/{name}", is_ready), seconds=30, what=f"node {name} to be ready")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._plane.api() as api:
            for name in self.nodes:
                api.request("DELETE", f"{NODES}/{name}")
        self._end()

    def _end(self) -> None:
        self.daemon.kill()
        self._reserved.close()

    def add(self, api: Api, name: str) -> None:
        """Add a node, or bring back one that a test has deleted."""
        api.create(NODES, {
            "metadata": {"name": name, "labels": {_LABEL: "", "kubernetes.io/hostname": name}},
            "spec": {"taints": self._taints},
            "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
        })  # fmt: skip

    def _is_healthy(self) -> bool:
        with Api(f"http://127.0.0.1:{self._health}") as own:
            return own.request("GET", "/healthz").status == 200


@contextmanager
def described_fleet(plane: OwnCluster) -> Iterator[dict[str, list[str]]]:
    """Tainted fake nodes, described for other test processes."""
    with Fleet(plane, tainted=True) as fleet:
        yield {"nodes": fleet.nodes}


@contextmanager
def _reserved_range(folder: Path) -> Iterator[str]:
    """A range of addresses that lead to this machine alone, and that no other fleet uses."""
    may = os.geteuid() == 0 and shutil.which("ip") is not None
    found = next((each for each in _RANGES if may and _done(_route("add", each))), None)
    if found is None:
        yield _LOOPBACK_RANGE
        return
    remove = _route("del", found)
    with when_killed(folder, " ".join(remove)):
        try:
            yield found
        finally:
            _done(remove)


def _route(verb: str, addresses: str) -> list[str]:
    """Adds or removes the route of `addresses` to this machine. Only one can add it."""
    return ["ip", "route", verb, "local", addresses, "dev", "lo"]


def _done(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def is_ready(node: dict[str, Any]) -> bool:
    """Whether a node says that it is ready and the controllers let pods onto it that tolerate our own taint."""
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    return ready and all(taint["key"] == _LABEL for taint in node["spec"].get("taints", []))
