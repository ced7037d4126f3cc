"""What every test cluster can do, whoever runs it: answer kubectl and the plain client, and lend namespaces."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from harness.api import Api
from harness.binaries import find
from harness.certificates import KeyPair
from harness.daemon import Daemon, wait_for

CRDS = Path(__file__).parents[3] / "manifests" / "crd"
RESTRICTED = "pod-security.kubernetes.io/enforce"
"""Label of a namespace that says what its pods must keep to."""


class Cluster:
    """A cluster with our CRDs, seen as its administrator through `kubeconfig`. `folder` is for files of ours."""

    def __init__(self, kubeconfig: Path, folder: Path):
        self.kubeconfig, self.folder = kubeconfig, folder

    def api(self) -> Api:
        """A connection of the administrator."""
        raise NotImplementedError

    def kubectl(self, *words: str, text: str = "", kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl with `text` as its input, as the administrator or with another `kubeconfig`."""
        command = [str(find("kubectl")), f"--kubeconfig={kubeconfig or self.kubeconfig}", *words]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)

    def kubeconfig_of(self, namespace: str, service_account: str) -> Path:
        """A kubeconfig with a token of a service account, as an operator outside of the cluster would use it."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        with self.api() as api:
            token = api.create(path, {"spec": {"expirationSeconds": 24 * 3600}})["status"]["token"]
        document = self._way()
        document["users"] = [{"name": user["name"], "user": {"token": token}} for user in document["users"]]
        return _write_private(self.folder / f"{namespace}-{service_account}.json", document)

    def _way(self) -> dict[str, Any]:
        """The administrator's kubeconfig, whole and in one file."""
        shown = self.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json").stdout
        return dict(json.loads(shown))

    def install_crds(self) -> None:
        """Apply manifests/crd, and wait until the API server serves both kinds."""
        with self.api() as api:
            for file in sorted(CRDS.glob("*.wattrain.dev.yaml")):
                definition = yaml.safe_load(file.read_text(encoding="utf-8"))
                path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
                api.apply(path, definition)
                wait_for(api.waits_for(path, _is_established), seconds=20, what=f"{file.name} to be served")

    @contextmanager
    def namespace(self, *, pod_security: str = "restricted") -> Iterator[str]:
        """A namespace of its own, ready for pods, and deleted afterwards (nobody waits until it is gone)."""
        name = f"test-{uuid.uuid4().hex[:10]}"
        with self.api() as api:
            api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": {RESTRICTED: pod_security}}})
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            # After an outage that a test made, the controllers ask again only after pauses of up to a minute.
            wait_for(lambda: api.exists(account), seconds=120, what=f"the default service account of {name}")
        try:
            yield name
        finally:
            with self.api() as api:  # another connection: the test may have killed the API server
                api.delete(f"/api/v1/namespaces/{name}")


class ExistingCluster(Cluster):
    """The cluster of $KUBECONFIG: kubectl's proxy signs in, so that every way to do so works."""

    def __init__(self, folder: Path):
        super().__init__(Path(os.environ["KUBECONFIG"]), folder)
        log = folder / "kubectl-proxy.log"
        command = [str(find("kubectl")), f"--kubeconfig={self.kubeconfig}", "proxy", "--port=0"]
        self._proxy = Daemon("kubectl proxy", command, log)
        self._proxy.start(lambda: "Starting to serve on" in self._proxy.tail())
        self.server = f"http://{self._proxy.tail().split()[-1]}"
        """Address of the API server, without TLS and signed in."""

    def api(self) -> Api:
        return Api(self.server)

    def stop(self) -> None:
        """End the proxy; the cluster stays."""
        self._proxy.stop()


def write_kubeconfig(path: Path, server: str, authority: Path, pair: KeyPair) -> Path:
    """Write a kubeconfig for one user of one cluster, who signs in by certificate."""
    return _write_private(path, {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": str(authority)}}],
        "users": [{"name": "test", "user": _files(pair)}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    })  # fmt: skip


def _write_private(path: Path, document: dict[str, Any]) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML too
    return path


def _files(pair: KeyPair) -> dict[str, str]:
    return {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}


def _is_established(definition: dict[str, Any]) -> bool:
    conditions = definition.get("status", {}).get("conditions") or []  # null at first
    return any(found["type"] == "Established" and found["status"] == "True" for found in conditions)
