"""`make cluster` where no real node can be had: it says so, works as far as it can, and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness.binaries import find
from harness.daemon import wait_for

EXAMPLE = Path(__file__).parents[2] / "examples/digits-mlp.yaml"
WITHOUT_NODE = """
import sys
from harness import serve
from harness.unavailable import UnavailableError

def check_possible():
    raise UnavailableError("no node today")

serve.check_possible = check_possible
sys.exit(serve.main())
"""


@pytest.fixture
def served(programs, tmp_path):
    """The command, with what it says so far; ended by force where a test fails."""
    programs("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok")
    told = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "TMPDIR": str(tmp_path)}
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, "-c", WITHOUT_NODE], env=told, stdout=output, stderr=output)
    yield process, log.read_text
    process.kill()
    process.wait()


def test_a_cluster_with_fake_nodes_runs_jobs_until_it_is_interrupted_and_leaves_nothing(served, tmp_path):
    process, said = served
    wait_for(lambda: process.poll() is not None or "Ctrl-C" in said(), seconds=120, what="the cluster")
    assert "there will be no real node: no node today" in said()
    assert "none of them trains a step" in said()
    kubeconfig = re.search(r"export KUBECONFIG=(\S+)", said())[1]

    def kubectl(*words):
        command = [find("kubectl"), f"--kubeconfig={kubeconfig}", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    kubectl("apply", "--filename", EXAMPLE)
    kubectl("wait", "--for=condition=Running", "trainingjob/digits-mlp", "--timeout=50s")
    assert kubectl("get", "pods", "--output=name").split() == ["pod/digits-mlp-1-0", "pod/digits-mlp-1-1"]
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # an impatient user, who must not keep it from clearing up
    assert process.wait(60) == 0
    wait_for(lambda: [path.name for path in tmp_path.iterdir()] == ["log"], seconds=10, what="its folder to go")
    assert (
        str(tmp_path / "wattrain-cluster-")
        not in subprocess.run(["ps", "axww"], capture_output=True, text=True, check=True).stdout
    )


def test_who_gives_up_before_it_is_ready_is_told_so_by_the_exit_code(served):
    process, said = served
    wait_for(lambda: "starting Kubernetes" in said(), seconds=60, what="the start")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert said().endswith("the cluster is gone\n")
