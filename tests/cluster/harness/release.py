"""The chart on a cluster, as a user installs it: packaged, and the package installed by Helm with the real images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from harness.cluster import Cluster
from harness.helm import CHART, Helm

RELEASE = "wattrain"
_TIMEOUT = "100s"  # less than what Helm itself is given


@dataclass(frozen=True)
class Images:
    """What the operator and the workers run in: repository with a tag or a digest."""

    operator: str
    worker: str


class InstallError(Exception):
    """Helm refused, or the operator did not become ready; with what Helm said."""


def install(helm: Helm, cluster: Cluster, namespace: str, images: Images, folder: Path, **more: Any) -> str:
    """Install the chart in `namespace`, which must be there, and wait until the operator is ready; Helm's notes.

    `folder` holds the package and the values, of which `more` may be given. The CRDs become the release's, even where
    something else has installed them.
    """
    packaged = helm.run("package", CHART, "--destination", folder)
    if packaged.returncode:
        raise InstallError(packaged.stderr)
    (archive,) = folder.glob("wattrain-*.tgz")
    values = {"image": _image(images.operator), "worker": {"image": _image(images.worker)}, **more}
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    done = helm.run(
        "install", RELEASE, archive, "--namespace", namespace, "--kubeconfig", cluster.kubeconfig, "--values", file,
        "--take-ownership", "--force-conflicts", "--wait", "--timeout", _TIMEOUT,
    )  # fmt: skip
    if done.returncode:
        raise InstallError(f"{done.stderr}\n{_why(cluster, namespace)}")
    return done.stdout.partition("NOTES:\n")[2]


def remove(helm: Helm, cluster: Cluster, namespace: str) -> None:
    """Remove what install() has installed, but for the CRDs. The operator ends first, while it still has the right to
    give its Lease back."""
    cluster.kubectl("delete", "deployment", "wattrain-operator", f"--namespace={namespace}", "--cascade=foreground")
    done = helm.run("uninstall", RELEASE, "--namespace", namespace, "--kubeconfig", cluster.kubeconfig, "--wait")
    if done.returncode:
        raise InstallError(done.stderr)


def _image(name: str) -> dict[str, str]:
    repository, at, digest = name.partition("@")
    if at:
        return {"repository": repository, "digest": digest}
    repository, _, tag = name.rpartition(":")
    return {"repository": repository, "tag": tag}


def _why(cluster: Cluster, namespace: str) -> str:
    """What a person would look at next."""
    pods = cluster.kubectl("describe", "pods", f"--namespace={namespace}").stdout
    logs = cluster.kubectl("logs", "deployment/wattrain-operator", f"--namespace={namespace}", "--tail=20").stdout
    return f"{pods}\n{logs}"
