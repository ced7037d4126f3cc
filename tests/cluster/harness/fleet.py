"""Fake nodes by KWOK: pods are scheduled for real, and run without a process."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.api import Api
from harness.binaries import find
from harness.components import free_port
from harness.controlplane import ControlPlane
from harness.daemon import Daemon, wait_for

_STAGES = Path(__file__).with_name("kwok-stages.yaml")
_LABEL = "wattrain.dev/fake-node"
_CAPACITY = {"cpu": "1024", "memory": "4Ti", "pods": "5000", "nvidia.com/gpu": "64"}
NODES = "/api/v1/nodes"


class Fleet:
    """Use as a context manager: inside, `size` ready nodes named fake-0, fake-1, ...; afterwards none."""

    def __init__(self, plane: ControlPlane, size: int = 4):
        self._plane = plane
        self.nodes = [f"fake-{number}" for number in range(size)]
        kubeconfig = plane.kubeconfig_for("kwok", "kwok", "system:masters")
        self._health = free_port()
        command: list[str | Path] = [
            find("kwok"), f"--kubeconfig={kubeconfig}", f"--config={_STAGES}", "--cidr=10.200.0.0/14",
            f"--manage-nodes-with-label-selector={_LABEL}", "--node-lease-duration-seconds=40",
            f"--server-address=127.0.0.1:{self._health}",
        ]  # fmt: skip
        self.daemon = Daemon("kwok", command, plane.place.folder / "kwok.log")

    def __enter__(self) -> Self:
        try:
            self.daemon.start(self._is_healthy)
            with self._plane.api() as api:
                for name in self.nodes:
                    self.add(api, name)
                for name in self.nodes:
                    wait_for(api.waits_for(f"{NODES}/{name}", is_ready), seconds=30, what=f"node {name} to be ready")
        except BaseException:
            self.daemon.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._plane.api() as api:
            for name in self.nodes:
                api.request("DELETE", f"{NODES}/{name}")
        self.daemon.kill()

    def add(self, api: Api, name: str) -> None:
        """Add a node, or bring back one that a test has deleted."""
        api.create(NODES, {
            "metadata": {"name": name, "labels": {_LABEL: "", "kubernetes.io/hostname": name}},
            "status": {"capacity": _CAPACITY, "allocatable": _CAPACITY},
        })  # fmt: skip

    def _is_healthy(self) -> bool:
        with Api(f"http://127.0.0.1:{self._health}") as own:
            return own.request("GET", "/healthz").status == 200


def is_ready(node: dict[str, Any]) -> bool:
    """Whether a node says that it is ready and the controllers let pods onto it."""
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
    return ready and not node["spec"].get("taints")
