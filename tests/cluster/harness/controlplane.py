"""A Kubernetes control plane of our own: real etcd, API server, controllers and scheduler, ready in seconds."""

from __future__ import annotations

import json
import shutil
import ssl
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness import components
from harness.api import Api
from harness.certificates import Authority
from harness.cluster import Cluster, write_kubeconfig
from harness.components import Place, free_port
from harness.daemon import Check, Daemon

LOOPBACK = "127.0.0.1"


class OwnCluster(Cluster):
    """A cluster whose certificate authority we are: anybody's rights can be tried out, and everything is audited.

    It is run by somebody: ControlPlane, here or in another test process.
    """

    def __init__(self, place: Place):
        super().__init__(place.folder / "admin.json", place.folder)
        self.place, self.authority = place, place.authority
        self.restarts: list[tuple[datetime, datetime]] = []
        """When its API server was started again, and when it was ready."""

    def api(self) -> Api:
        return Api(self.place.server, self.authority.own.certificate, self.authority.pair("admin"))

    @contextmanager
    def api_as(self, user: str, *groups: str) -> Iterator[Api]:
        """A connection of any user, by certificate: with the rights that RBAC gives and no others."""
        pair = self.authority.client(f"user-{uuid.uuid4().hex}", user, groups)
        with Api(self.place.server, self.authority.own.certificate, pair) as api:
            yield api

    def kubeconfig_for(self, name: str, user: str, *groups: str) -> Path:
        """A kubeconfig of any user, by certificate, in a file called `name`."""
        pair = self.authority.client(name, user, groups)
        file = self.place.folder / f"{name}.json"
        return write_kubeconfig(file, self.place.server, self.authority.own.certificate, pair)

    def _way(self) -> dict[str, Any]:
        return dict(json.loads(self.kubeconfig.read_text(encoding="utf-8")))

    def audit_events(self, user: str = "") -> list[dict[str, Any]]:
        """What was asked of the API server so far, by `user` or by everyone but its own parts, oldest first."""
        if not self.place.audit_log.exists():
            return []
        written = self.place.audit_log.read_bytes()
        lines = written[: written.rfind(b"\n") + 1].splitlines()  # the last one may be half written
        events = (json.loads(line) for line in lines if user.encode() in line)
        return [event for event in events if user in ("", event["user"].get("username", ""))]


def attached_plane(description: dict[str, Any]) -> OwnCluster:
    """The control plane that somebody else runs, from the description of its place."""
    return OwnCluster(Place(**{**description, "folder": Path(description["folder"])}))


class ControlPlane(OwnCluster):
    """Use as a context manager: inside, everything runs and our CRDs are served; afterwards nothing is left.

    `folder` must not exist; it holds keys, logs and etcd's data, and is removed at the end. `address` is where the API
    server listens; with nodes it must be one that pods reach.
    """

    def __init__(self, folder: Path, address: str = LOOPBACK):
        folder.mkdir(parents=True)
        super().__init__(Place(folder, address, etcd_port=free_port(), api_port=free_port(address)))
        Authority.new(folder / "pki")
        self.kubeconfig_for("admin", "admin", "system:masters")
        self._parts: dict[str, tuple[Daemon, Check]] = {}

    def __enter__(self) -> Self:
        try:
            self._add("etcd", components.etcd(self.place), self._etcd_is_ready)
            self._add("kube-apiserver", components.kube_apiserver(self.place), self._api_is_ready)
            self._add_client("kube-controller-manager", components.kube_controller_manager)
            self._add_client("kube-scheduler", components.kube_scheduler)
            self.install_crds()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End every part, the last started first, and remove the folder."""
        for daemon, _ in reversed(self._parts.values()):
            daemon.kill()  # nothing here outlives us, so nothing needs a tidy end
        shutil.rmtree(self.place.folder, ignore_errors=True)

    # --- Faults --------------------------------------------------------------------------------------------------
    # `part` is etcd, kube-apiserver, kube-controller-manager or kube-scheduler.

    def daemon(self, part: str) -> Daemon:
        """The process of `part`: pid, log, freeze(), thaw()."""
        return self._parts[part][0]

    def kill(self, part: str) -> None:
        """End `part` as a power cut would."""
        self.daemon(part).kill()

    def start(self, part: str) -> None:
        """Start `part` again after kill(), on the same ports, and wait until it is ready."""
        daemon, ready = self._parts[part]
        began = datetime.now(UTC)
        daemon.start(ready)
        if part == "kube-apiserver":
            self.restarts.append((began, datetime.now(UTC)))

    @contextmanager
    def frozen(self, part: str) -> Iterator[None]:
        """Stop `part` where it stands: its connections stay open and nothing answers."""
        self.daemon(part).freeze()
        try:
            yield
        finally:
            self.daemon(part).thaw()

    # --- Parts ---------------------------------------------------------------------------------------------------

    def _add(self, name: str, command: list[str | Path], ready: Check) -> None:
        daemon = Daemon(name, command, self.place.folder / f"{name}.log")
        self._parts[name] = daemon, ready
        daemon.start(ready)

    def _add_client(self, name: str, command: Callable[[Place, Path, int], list[str | Path]]) -> None:
        kubeconfig = self.kubeconfig_for(name, f"system:{name}")
        port = free_port()
        self._add(name, command(self.place, kubeconfig, port), lambda: _is_ok(f"https://{LOOPBACK}:{port}/healthz"))

    def _etcd_is_ready(self) -> bool:
        return _is_ok(f"http://{LOOPBACK}:{self.place.etcd_port}/readyz")

    def _api_is_ready(self) -> bool:
        with self.api() as api:
            return api.request("GET", "/readyz").status == 200


def _is_ok(url: str) -> bool:
    """Whether a part of ours on the loopback interface answers well. Its certificate is its own: not checked."""
    context = ssl._create_unverified_context()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    with opener.open(url, timeout=5) as answer:
        return bool(answer.status == 200)
