"""The command lines of etcd and of the parts of the control plane."""

from __future__ import annotations

import json
import random
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.binaries import find
from harness.certificates import Authority

SERVICE_RANGE = "10.96.0.0/16"
_SIGNING = "service-accounts"
_FIRST_SERVICE = "10.96.0.1"  # of the Service `kubernetes`
_PORTS = range(20_000, 32_000)  # below the ephemeral ports: no outgoing connection takes one between look and use
_UNTHROTTLED = "2000"  # requests/s of the control plane's own clients, so that they do not limit a test
_NOT_AUDITED = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "kwok"]


@dataclass(frozen=True)
class Place:
    """Where a control plane lives. All of its files are in `folder`."""

    folder: Path
    address: str
    etcd_port: int
    api_port: int

    @property
    def authority(self) -> Authority:
        """Who signs all certificates of the cluster."""
        return Authority(self.folder / "pki")

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def audit_log(self) -> Path:
        """File of audit events, JSON lines."""
        return self.folder / "audit.jsonl"

    def description(self) -> dict[str, str | int]:
        """The same for another process, as JSON."""
        return asdict(self) | {"folder": str(self.folder)}


def free_port(address: str = "127.0.0.1") -> int:
    """A port of `address` that nobody listens on."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port


def etcd(place: Place) -> list[str | Path]:
    """etcd on the loopback interface, without the fsync that a test does not need."""
    client, peer = f"http://127.0.0.1:{place.etcd_port}", f"http://127.0.0.1:{free_port()}"
    return [
        find("etcd"), f"--data-dir={place.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
    ]  # fmt: skip


def kube_apiserver(place: Place) -> list[str | Path]:
    """The API server with RBAC, Pod Security, NodeRestriction and an audit log."""
    policy = place.folder / "audit-policy.json"
    policy.write_text(json.dumps(_audit_policy()), encoding="utf-8")
    # The Service `kubernetes` cannot have an endpoint on the loopback interface, and without nodes nobody uses it.
    serving = place.authority.serving("kube-apiserver", _serving_hosts(place.address))
    to_kubelet = place.authority.client("to-kubelet", "kube-apiserver-kubelet-client", ("system:masters",))
    signing = place.authority.signing(_SIGNING)
    reconciler = "none" if place.address.startswith("127.") else "lease"
    return [
        find("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{place.etcd_port}",
        f"--bind-address={place.address}", f"--advertise-address={place.address}", f"--secure-port={place.api_port}",
        f"--endpoint-reconciler-type={reconciler}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--tls-cert-file={serving.certificate}", f"--tls-private-key-file={serving.key}",
        f"--client-ca-file={place.authority.own.certificate}",
        # Nobody has this name; without an authority for it the controllers complain all the time.
        f"--requestheader-client-ca-file={place.authority.own.certificate}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={signing.certificate}",
        f"--service-account-signing-key-file={signing.key}",
        f"--kubelet-client-certificate={to_kubelet.certificate}",
        f"--kubelet-client-key={to_kubelet.key}", f"--kubelet-certificate-authority={place.authority.own.certificate}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={policy}", f"--audit-log-path={place.audit_log}", "--audit-log-maxsize=1000",
        "--profiling=false",
    ]  # fmt: skip


def kube_controller_manager(place: Place, kubeconfig: Path, port: int) -> list[str | Path]:
    """The controllers: garbage collection, namespaces, service accounts, eviction and the rest."""
    return [
        find("kube-controller-manager"), *_signed_in(kubeconfig, port),
        "--use-service-account-credentials",
        f"--service-account-private-key-file={place.authority.pair(_SIGNING).key}",
        f"--root-ca-file={place.authority.own.certificate}", "--leader-elect=false",
        f"--kube-api-qps={_UNTHROTTLED}", f"--kube-api-burst={_UNTHROTTLED}",
    ]  # fmt: skip


def kube_scheduler(place: Place, kubeconfig: Path, port: int) -> list[str | Path]:
    """The scheduler."""
    file = place.folder / "scheduler.json"
    configuration = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "leaderElection": {"leaderElect": False},
        "clientConnection": {"kubeconfig": str(kubeconfig), "qps": int(_UNTHROTTLED), "burst": int(_UNTHROTTLED)},
    }
    file.write_text(json.dumps(configuration), encoding="utf-8")
    return [find("kube-scheduler"), f"--config={file}", *_signed_in(kubeconfig, port)[1:]]


def _signed_in(kubeconfig: Path, port: int) -> list[str]:
    return [
        f"--kubeconfig={kubeconfig}", f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}", "--bind-address=127.0.0.1", f"--secure-port={port}",
    ]  # fmt: skip


def _serving_hosts(address: str) -> list[str]:
    """Names and addresses that clients know the API server by, inside pods too."""
    return [address, "127.0.0.1", _FIRST_SERVICE, "kubernetes.default", "kubernetes.default.svc", "localhost"]


def _audit_policy() -> dict[str, object]:
    """Who did what, without bodies; of the control plane's own parts and of nodes nothing."""
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": _NOT_AUDITED},
            {"level": "None", "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
            {"level": "Metadata"},
        ],
    }
