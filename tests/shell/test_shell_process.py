"""The operator's process as a whole: how it starts, hands over and ends."""

import contextlib
import signal
import subprocess
import sys

import pytest
from harness.api import JOBS
from harness.daemon import wait_for
from harness.operator_process import clean_environment, operator_settings

from .processes import LEASE, Process


@pytest.fixture
def start(operator_kubeconfig, namespace, tmp_path):
    """Starts operators; none is left afterwards."""
    with contextlib.ExitStack() as stack:

        def begin(name, *program):
            operator = Process(tmp_path / f"{name}.log", operator_kubeconfig, namespace, *program)
            stack.callback(operator.process.wait)
            stack.callback(operator.process.kill)
            return operator

        yield begin


def test_one_leads_and_the_other_follows_when_it_is_killed_or_leaves(cluster, namespace, start):
    first = start("first")
    wait_for(lambda: first.said("leading as"), seconds=40, what="the first one leads")
    second = start("second")
    wait_for(lambda: second.said("standing by"), seconds=40, what="the second one stands by")
    assert second.get("/readyz") == "ok"
    assert "wattrain_operator_leader 0.0" in second.get("/metrics")
    first.end(signal.SIGKILL)
    wait_for(lambda: second.said("leading as"), seconds=20, what="the second one leads")
    third = start("third")
    wait_for(lambda: third.said("standing by"), seconds=40, what="the third one stands by")
    with cluster.api() as api:
        body = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": {"name": "one"}}
        spec = {"script": {"command": ["python", "-c", "1"]}, "workers": {"replicas": 2}}
        api.create(JOBS.format(namespace), body | {"spec": spec})
        pods = f"/api/v1/namespaces/{namespace}/pods"
        wait_for(lambda: len(api.get(pods)["items"]) == 2, seconds=40, what="two pods")
        uids = {pod["metadata"]["uid"] for pod in api.get(pods)["items"]}
        assert second.end(signal.SIGTERM) == 0
        assert api.get(LEASE.format(namespace))["spec"]["holderIdentity"] == "" or third.said("leading as")
        wait_for(lambda: third.said("leading as"), seconds=10, what="the third one leads")
        wait_for(lambda: "wattrain_operator_cache_objects" in third.get("/metrics"), seconds=40, what="it to work")
        assert {pod["metadata"]["uid"] for pod in api.get(pods)["items"]} == uids
    assert third.end(signal.SIGINT) == 0


NAMELESS = """
import os, pwd, sys

def getpwuid(uid):
    raise KeyError(f"uid not found: {uid}")

pwd.getpwuid = getpwuid
for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
    os.environ.pop(name, None)
from wattrain_operator.cluster.serve import main
sys.exit(main())
"""


def test_it_works_as_a_user_that_has_no_name_as_in_a_container(start):
    operator = start("nameless", ("-c", NAMELESS))
    wait_for(lambda: operator.said("leading as"), seconds=40, what="it leads")
    wait_for(lambda: "wattrain_operator_cache_objects" in operator.get("/metrics"), seconds=40, what="it works")
    assert operator.end(signal.SIGTERM) == 0
    assert "ended" not in operator.log.read_text()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "error: WATTRAIN_OPERATOR_WORKER_IMAGE=: required, but missing"),
        (operator_settings(REACH="magic"), "error: WATTRAIN_OPERATOR_REACH=magic: not known"),
        (operator_settings() | {"KUBECONFIG": "/nowhere"}, "error: no way to a cluster"),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_a_line(variables, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "wattrain_operator.cluster"],
        env=clean_environment(HOME=str(tmp_path), **variables), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_starts_it_too(tmp_path):
    code = "import sys; sys.argv = ['wattrain', 'operator']; from wattrain_operator.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(HOME=str(tmp_path)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "WORKER_IMAGE" in done.stderr) == (2, True)
