"""A real node: kubelet, containerd and runc, kube-proxy and CoreDNS, in a sandbox of its own."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import cgroups, node_files
from harness.binaries import cache_folder, find, locked
from harness.components import SERVICE_RANGE, Place
from harness.controlplane import ControlPlane, OwnCluster
from harness.daemon import Check, Daemon, wait_for
from harness.fleet import NODES, is_ready
from harness.image import write_image
from harness.node_cluster import NodeCluster
from harness.sandbox import HOST_ADDRESS, NODE_ADDRESS, POD_RANGE, Sandbox, check_possible
from harness.scratch import when_killed

NAME = "real-node"
_CGROUP = "wattrain-test-node"


@contextmanager
def real_cluster(folder: Path) -> Iterator[Node]:
    """A control plane with one real node, for one process at a time: `folder` must not exist, and does not afterwards.

    The images that a node has imported are kept in the cache, because a large one takes minutes.
    """
    check_possible()
    folder.mkdir(parents=True)
    lock = cache_folder() / "node.lock"
    with locked(lock), when_killed(folder, cgroups.removal(_CGROUP, lock)):
        sandbox = Sandbox(folder)
        try:
            sandbox.open([POD_RANGE, SERVICE_RANGE])
            with ControlPlane(folder / "plane", HOST_ADDRESS) as plane, Node(plane, sandbox) as node:
                yield node
        finally:
            sandbox.close()
            cgroups.remove(_CGROUP)
            shutil.rmtree(folder)  # nothing is mounted there: mounts ended with the sandbox


@contextmanager
def described_cluster(folder: Path) -> Iterator[dict[str, Any]]:
    """real_cluster(), described so that attached_cluster() finds it from another process."""
    with real_cluster(folder) as node:
        place = node.plane.place
        yield {
            "folder": str(folder), "plane": str(place.folder), "address": place.address,
            "etcd_port": place.etcd_port, "api_port": place.api_port,
        }  # fmt: skip


def attached_cluster(description: dict[str, Any]) -> NodeCluster:
    """The cluster that somebody else runs."""
    place = Place(Path(description["plane"]), description["address"], description["etcd_port"], description["api_port"])
    return NodeCluster(OwnCluster(place), Path(description["folder"]))


class Node(NodeCluster):
    """Use as a context manager, inside a sandbox that is open: runs the node."""

    def __init__(self, plane: ControlPlane, sandbox: Sandbox):
        super().__init__(plane, sandbox.folder)
        self.plane, self.sandbox = plane, sandbox
        self._daemons: dict[str, Daemon] = {}

    def __enter__(self) -> Self:
        self._start_containerd()
        self._start_kubelet()
        self._start_kube_proxy()
        self._start_coredns()
        with self.plane.api() as api:
            wait_for(api.waits_for(f"{NODES}/{NAME}", is_ready), seconds=60, what=f"node {NAME} to be ready")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for daemon in reversed(self._daemons.values()):
            daemon.kill()

    def daemon(self, part: str) -> Daemon:
        """The process of containerd, kubelet, kube-proxy or coredns."""
        return self._daemons[part]

    # --- Parts -----------------------------------------------------------------------------------------------------

    def _start_containerd(self) -> None:
        node_files.write_json(self.folder / "cni" / "10-pods.conflist", node_files.network())
        config = self.folder / "containerd.toml"
        config.write_text(node_files.containerd(self.folder, self.store, self.probe_image), encoding="utf-8")
        self._start("containerd", ["containerd", f"--config={config}"], lambda: self.ctr("version"))
        for container in self.ctr("containers", "list", "--quiet").split():
            self.ctr("containers", "delete", container)  # of a run that was ended by force
        if self.probe_image not in self.images():
            archive = self.folder / "probe.tar"
            write_image(archive, self.probe_image, {"/probe": find("probe")})
            self.import_image(archive)

    def _start_kubelet(self) -> None:
        cgroups.make(_CGROUP)
        serving = self.plane.authority.serving(f"{NAME}-serving", [NODE_ADDRESS, NAME])
        configuration = node_files.kubelet(self.folder, self.plane.authority.own.certificate, serving, f"/{_CGROUP}")
        config = node_files.write_json(self.folder / "kubelet.json", configuration)
        kubeconfig = self.plane.kubeconfig_for("kubelet", f"system:node:{NAME}", "system:nodes")
        command: list[str | Path] = [
            find("kubelet"), f"--config={config}", f"--kubeconfig={kubeconfig}", f"--hostname-override={NAME}",
            f"--node-ip={NODE_ADDRESS}", f"--root-dir={self.folder / 'kubelet'}", f"--cert-dir={self.folder}",
        ]  # fmt: skip
        self._start("kubelet", command, lambda: _is_ok(f"http://{NODE_ADDRESS}:10248/healthz"))

    def _start_kube_proxy(self) -> None:
        kubeconfig = self.plane.kubeconfig_for("kube-proxy", "system:kube-proxy")
        command: list[str | Path] = [
            find("kube-proxy"), f"--kubeconfig={kubeconfig}", "--proxy-mode=iptables",
            f"--hostname-override={NAME}", f"--cluster-cidr={POD_RANGE}", "--conntrack-max-per-core=0",
            f"--healthz-bind-address={NODE_ADDRESS}:10256", f"--metrics-bind-address={NODE_ADDRESS}:10249",
        ]  # fmt: skip
        self._start("kube-proxy", command, lambda: _is_ok(f"http://{NODE_ADDRESS}:10256/healthz"))

    def _start_coredns(self) -> None:
        corefile = self.folder / "Corefile"
        kubeconfig = self.plane.kubeconfig_for("coredns", "coredns", "system:masters")
        corefile.write_text(node_files.corefile(kubeconfig), encoding="utf-8")
        command: list[str | Path] = [find("coredns"), "-conf", corefile]
        self._start("coredns", command, lambda: "CoreDNS-" in self._daemons["coredns"].tail(50))

    def _start(self, name: str, command: list[str | Path], ready: Check) -> None:
        self._daemons[name] = self.sandbox.daemon(name, command)
        self._daemons[name].start(ready)


def _is_ok(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=5) as answer:
        return bool(answer.status == 200)
