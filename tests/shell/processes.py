"""Operators as processes of their own, as a kubelet runs them."""

import re
import signal
import subprocess
import sys
import urllib.request

from harness.daemon import die_with_parent
from harness.operator_process import clean_environment, operator_settings

LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases/wattrain-operator"


class Process:
    """One operator; its log goes into a file."""

    def __init__(self, log, kubeconfig, namespace, program=("-m", "wattrain_operator.cluster"), **variables):
        """`variables` are settings beside those that keep it inside `namespace`, without their prefix."""
        self.log = log
        settings = operator_settings(NAMESPACES=namespace, NAMESPACE=namespace, **variables)
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, *program],
                env=clean_environment(KUBECONFIG=str(kubeconfig), **settings), stderr=file, preexec_fn=die_with_parent,
            )  # fmt: skip

    def said(self, pattern):
        return re.search(pattern, self.log.read_text())

    def get(self, path):
        ports = self.said(r"probes on port (\d+), metrics on port (\d+)")
        port = ports[2 if path == "/metrics" else 1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()

    def freeze(self):
        """Stop it where it stands."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """Let it go on after freeze()."""
        self.process.send_signal(signal.SIGCONT)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(30)
