"""The operator imports the asynchronous client alone."""

import subprocess
import sys

SAID = """
import sys
import wattrain_operator.cluster.serve
unwanted = ("kubernetes.client", "requests", "oauthlib", "websocket", "google.auth")
print([name for name in unwanted if name in sys.modules])
from kubernetes.aio.client import CoreV1Api
from kubernetes.client import V1Pod
print(V1Pod(kind="Pod").kind, CoreV1Api.__name__)
"""


def test_the_operator_starts_without_the_synchronous_client_which_can_still_be_imported():
    done = subprocess.run([sys.executable, "-c", SAID], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("[]\nPod CoreV1Api\n", 0), done.stderr


def test_who_has_imported_the_whole_package_keeps_it():
    said = "import kubernetes, wattrain_operator.cluster.serve; print(kubernetes.client.V1Pod(kind='Pod').kind)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("Pod\n", 0), done.stderr
