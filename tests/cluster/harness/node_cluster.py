"""What tests may do with a real node, in whichever test process: images, claims, and the cluster around it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any

from harness.api import Api
from harness.binaries import cache_folder, find
from harness.cluster import Cluster
from harness.controlplane import OwnCluster
from harness.daemon import wait_for
from harness.unavailable import UnavailableError

_IS_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_ANYBODY = 0o777  # a hostPath volume gets no group of the pod


class NodeCluster:
    """A cluster with a real node that somebody runs: images, claims, and through `cluster` everything else."""

    def __init__(self, cluster: OwnCluster, folder: Path):
        self.cluster, self.folder = cluster, folder
        self.store = cache_folder() / "containerd"
        """Images of this node and of those before and after it."""
        probe = find("probe")
        digest = hashlib.sha256(probe.read_bytes()).hexdigest()[:12]
        self.probe_image = f"wattrain.dev/test/probe:{digest}"
        """An image of one static program, which tests can use too: see tests/cluster/binaries/probe."""

    def import_image(self, archive: Path) -> None:
        """Make the images in `archive` (OCI or docker) known to the node."""
        self.ctr("images", "import", str(archive))

    def images(self) -> dict[str, str]:
        """The images that the node has: names, and digests of what they name."""
        lines = self.ctr("images", "list").splitlines()[1:]  # REF TYPE DIGEST ...
        return {line.split()[0]: line.split()[2] for line in lines}

    def provide_claim(self, namespace: str, name: str, *, size: str = "10Gi") -> Path:
        """Create a PersistentVolumeClaim with a volume on a folder, which is returned; any user may write there."""
        folder = self.folder / "volumes" / f"{namespace}-{name}"
        folder.mkdir(parents=True)
        folder.chmod(_ANYBODY)
        volume = {
            "metadata": {"name": f"{namespace}-{name}"},
            "spec": {
                "capacity": {"storage": size}, "accessModes": ["ReadWriteMany"], "storageClassName": "",
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": str(folder)},
                "claimRef": {"namespace": namespace, "name": name},
            },
        }  # fmt: skip
        with self.cluster.api() as api:
            api.create("/api/v1/persistentvolumes", volume)
            path = _create_claim(
                api, namespace, name, size, {"storageClassName": "", "volumeName": f"{namespace}-{name}"}
            )
            bound = api.waits_for(path, lambda found: found["status"].get("phase") == "Bound")
            wait_for(bound, seconds=30, what=f"claim {name} to be bound")
        return folder

    def blobs(self) -> dict[str, int]:
        """What the node's store has of any image: digests, and sizes in bytes."""
        folder = self.store / "io.containerd.content.v1.content" / "blobs"
        digests = self.ctr("content", "list", "--quiet").split()
        return {digest: (folder / digest.replace(":", "/")).stat().st_size for digest in digests}

    def ctr_command(self, *words: str) -> list[str]:
        """The command that asks containerd."""
        return ["ctr", f"--address={self.folder / 'containerd.sock'}", "--namespace=k8s.io", *words]

    def ctr(self, *words: str) -> str:
        """Ask containerd through its own command; OSError where it refuses."""
        command = self.ctr_command(*words)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout


class ExistingNodes:
    """The nodes of the cluster of $KUBECONFIG. Images are the business of whoever runs it."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster

    def provide_claim(self, namespace: str, name: str, *, size: str = "10Gi") -> None:
        """Create a PersistentVolumeClaim of the cluster's default storage class, which must allow many writers.

        UnavailableError where it has no default: the claim would wait for ever.
        """
        with self.cluster.api() as api:
            classes = api.get("/apis/storage.k8s.io/v1/storageclasses")["items"]
            if not any((c["metadata"].get("annotations") or {}).get(_IS_DEFAULT) == "true" for c in classes):
                raise UnavailableError("the cluster of $KUBECONFIG has no default StorageClass: mark one")
            _create_claim(api, namespace, name, size, {})


def _create_claim(api: Api, namespace: str, name: str, size: str, more: dict[str, Any]) -> str:
    """Create a claim that many pods may write to; its path."""
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": size}}}
    api.create(path, {"metadata": {"name": name}, "spec": spec | more})
    return f"{path}/{name}"
