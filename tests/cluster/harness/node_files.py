"""Configuration of the programs that make a node: containerd, its network, the kubelet and CoreDNS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.certificates import KeyPair
from harness.sandbox import NODE_ADDRESS, POD_RANGE

CLUSTER_DOMAIN = "cluster.local"
KUBELET_PORT = 10250
_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")  # Debian's folder, and everybody else's


def containerd(folder: Path, store: Path, pause_image: str) -> str:
    """TOML: images are kept in `store`, all else is of this run."""
    plugins = next((path for path in _PLUGINS if Path(path, "ptp").exists()), _PLUGINS[0])
    return f"""
version = 2
root = "{store}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt"]

[grpc]
  address = "{folder / "containerd.sock"}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause_image}"
  # Inside a container a process may not raise its chance to survive a shortage of memory: leave it as it is.
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{folder / "cni"}"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""


def network() -> dict[str, Any]:
    """CNI: a link of its own for each pod. All traffic between pods is routed, so kube-proxy's rules see all of it."""
    addresses = {"type": "host-local", "ranges": [[{"subnet": POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}]}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipMasq": False, "ipam": addresses}]}


def kubelet(folder: Path, authority: Path, serving: KeyPair, cgroup: str) -> dict[str, Any]:
    """The kubelet's configuration."""
    nothing = folder / "resolv.conf"
    nothing.write_text("", encoding="utf-8")  # pods know the cluster's names and no others
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": KUBELET_PORT,
        "healthzBindAddress": NODE_ADDRESS,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(authority)}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(serving.certificate),
        "tlsPrivateKeyFile": str(serving.key),
        "clusterDNS": [NODE_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(nothing),
        "containerRuntimeEndpoint": f"unix://{folder / 'containerd.sock'}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "podLogsDir": str(folder / "logs"),
        # A test machine's disk is often nearly full, and images come from an archive: nothing could bring them back.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageMinimumGCAge": "24h",
    }


def corefile(kubeconfig: Path) -> str:
    """CoreDNS for the cluster's own names, without a cache for them, as kubeadm sets it up."""
    return f"""
.:53 {{
    bind {NODE_ADDRESS}
    errors
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 30
    }}
}}
"""


def write_json(path: Path, document: dict[str, Any]) -> Path:
    """Write `document` to `path`, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
