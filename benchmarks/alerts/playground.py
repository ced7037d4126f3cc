"""A cluster on which things may be broken: what is done to it, and that it is undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import yaml
from harness.cluster import ExistingCluster
from harness.components import free_port
from harness.daemon import wait_for
from harness.discovered_pods import DiscoveredPods
from harness.operator_process import operator_process

from alerts.deaf_watch import deaf_way

_SELECTOR = "app.kubernetes.io/name=wattrain,app.kubernetes.io/component=operator"
_SIGNAL = """
import os, pathlib, sys
found = False
for process in pathlib.Path("/proc").iterdir():
    if not process.name.isdigit():
        continue
    try:
        mine = sys.argv[1] in (process / "cgroup").read_text().replace("_", "-")
        words = (process / "cmdline").read_text()
    except OSError:
        continue
    if mine and sys.argv[2] in words and "forkserver" not in words:
        os.kill(int(process.name), int(sys.argv[3]))
        found = True
sys.exit(not found)  # what is printed may be lost on a node under load
"""


class Playground:
    """Use as a context manager: all that was changed through it is as before afterwards.

    `namespace` is for jobs, `tight` has a quota, `system` is the operator's own.
    """

    def __init__(self, cluster: ExistingCluster, pods: DiscoveredPods):
        self.cluster, self._pods, self._stack = cluster, pods, ExitStack()
        found = json.loads(self.kubectl("get", "deployments", "-A", f"--selector={_SELECTOR}", "-o=json"))["items"]
        if len(found) != 1:
            raise SystemExit(f"{len(found)} deployments of Wattrain's operator are in this cluster; install one")
        self._operator = found[0]
        self.system: str = self._operator["metadata"]["namespace"]
        self.operator: str = self._operator["metadata"]["name"]
        environment = self._operator["spec"]["template"]["spec"]["containers"][0]["env"]
        self._image = next(one["value"] for one in environment if one["name"] == "WATTRAIN_OPERATOR_WORKER_IMAGE")

    def __enter__(self) -> Playground:
        self.namespace = self._stack.enter_context(self.cluster.namespace())
        self.tight = self._stack.enter_context(self.cluster.namespace())
        self._tools = self._stack.enter_context(self.cluster.namespace(pod_security="privileged"))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def afterwards(self, undo: Callable[[], object]) -> None:
        """Call `undo` at the end."""
        self._stack.callback(undo)

    def kubectl(self, *words: str, text: str = "") -> str:
        """What kubectl says; RuntimeError where it fails."""
        done = self.cluster.kubectl(*words, text=text)
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def apply(self, document: dict[str, Any]) -> None:
        """Apply an object."""
        self.kubectl("apply", "--filename=-", text=yaml.safe_dump(document))

    def job(self, name: str, spec: dict[str, Any], *, namespace: str = "") -> None:
        """Apply a TrainingJob."""
        metadata = {"name": name, "namespace": namespace or self.namespace}
        self.apply({"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": metadata, "spec": spec})

    def state(self, name: str) -> str:
        """That of a job."""
        return self.kubectl("-n", self.namespace, "get", "tj", name, "-o=jsonpath={.status.state}")

    def wait_until_refused(self, name: str) -> None:
        """Wait until the status of a job cannot be written: an admission policy takes a moment to be in force."""
        words = ("patch", "tj", name, "--subresource=status", "--type=merge", '--patch={"status": {"attempt": 9}}')

        def is_refused() -> bool:
            return self.cluster.kubectl("-n", self.namespace, *words, "--dry-run=server").returncode != 0

        wait_for(is_refused, seconds=60, what=f"the status of {name} to be refused")

    def patch_job(self, name: str, spec: dict[str, Any]) -> None:
        """Change the spec of a job."""
        self.kubectl("-n", self.namespace, "patch", "tj", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def set_operator_environment(self, **variables: str) -> None:
        """Give the operator other settings until the end, and wait until it leads with them."""
        container = self._operator["spec"]["template"]["spec"]["containers"][0]
        before = {one["name"]: one.get("value", "") for one in container["env"]}
        given = {f"WATTRAIN_OPERATOR_{name}": value for name, value in variables.items()}
        where = ("-n", self.system, "set", "env", f"deployment/{self.operator}")
        back = [f"{name}={before[name]}" if name in before else f"{name}-" for name in given]
        self.kubectl(*where, *(f"{name}={value}" for name, value in given.items()))
        self.afterwards(lambda: self.kubectl(*where, *back))
        self.kubectl("-n", self.system, "rollout", "status", f"deployment/{self.operator}", "--timeout=110s")

    def put_deaf_operator_in_place(self, **settings: str) -> Callable[[], None]:
        """An operator beside the cluster, whose watch of jobs tells of nothing, in place of the one inside; what puts
        that back."""
        self.scale(0)
        stack, port = ExitStack(), free_port()
        kubeconfig = stack.enter_context(deaf_way(self.cluster.server, self.cluster.folder))
        told = {"WORKER_IMAGE": self._image, "METRICS_PORT": str(port), **settings}
        stack.enter_context(operator_process(kubeconfig, self.system, self.cluster.folder, **told))
        self._pods.beside = {f"127.0.0.1:{port}": self.system}

        def back() -> None:
            self._pods.beside = {}
            stack.close()
            self.scale(1)

        self.afterwards(stack.close)
        return back

    def scale(self, replicas: int) -> None:
        """Have so many operators."""
        self.kubectl("-n", self.system, "scale", f"deployment/{self.operator}", f"--replicas={replicas}")
        if replicas == 0:
            self.afterwards(lambda: self.scale(1))

    def without_right(self, kind: str, name: str, resource: str, verb: str) -> Callable[[], None]:
        """Take a verb away from a Role or ClusterRole; what gives it back."""
        where = () if kind == "clusterrole" else ("-n", self.system)
        before = json.loads(self.kubectl(*where, "get", kind, name, "-o=json"))["rules"]
        after = [
            {**rule, "verbs": [one for one in rule["verbs"] if one != verb]} if resource in rule["resources"] else rule
            for rule in before
        ]

        def put(rules: list[Any]) -> None:
            self.kubectl(*where, "patch", kind, name, "--type=merge", "-p", json.dumps({"rules": rules}))

        put(after)
        self.afterwards(lambda: put(before))
        return lambda: put(before)

    def signal(self, namespace: str, pod: str, program: str, number: int) -> None:
        """Send a signal to the process of a pod whose command has `program`, from a pod that may: PID 1 of a container
        takes no SIGSTOP from inside. RuntimeError where there is none."""
        uid = self.kubectl("-n", namespace, "get", "pod", pod, "-o=jsonpath={.metadata.uid}")
        if "signaller" not in self.kubectl("-n", self._tools, "get", "pods", "-o=name"):
            container = {
                "name": "signaller", "image": self._image, "command": ["sleep", "3600"],
                "securityContext": {"runAsUser": 0},  # root in a container may signal; not all clusters allow more
            }  # fmt: skip
            spec = {"hostPID": True, "containers": [container], "terminationGracePeriodSeconds": 0}
            metadata = {"name": "signaller", "namespace": self._tools}
            self.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
            self.kubectl("-n", self._tools, "wait", "pod/signaller", "--for=condition=Ready", "--timeout=60s")
        words = ("python3", "-c", _SIGNAL, uid, program, str(number))
        self.kubectl("-n", self._tools, "exec", "signaller", "--", *words)

    def operator_pod(self) -> str:
        """The name of the operator's pod."""
        return (
            self.kubectl("-n", self.system, "get", "pods", f"--selector={_SELECTOR}", "-o=name").split("/")[-1].strip()
        )
