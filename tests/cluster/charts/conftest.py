import shutil
import subprocess
from contextlib import ExitStack

import pytest
import yaml
from harness import rights
from harness.daemon import wait_for
from harness.helm import CHART, objects_of

ROOT = CHART.parents[1]
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def documented_rights():
    """The table of rights in docs/kubernetes.md: verbs by (API group, resource)."""
    return rights.documented()


@pytest.fixture(scope="session")
def kustomize():
    """Builds a folder of manifests/ into objects."""
    if shutil.which("kubectl") is None:
        pytest.skip("manifests/ are NOT tested, for there is no kubectl on PATH: install it")

    def build(folder):
        command = ["kubectl", "kustomize", str(ROOT / folder)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert result.returncode == 0, result.stderr
        return objects_of(result.stdout)

    return build


@pytest.fixture(scope="session")
def chart():
    return CHART


@pytest.fixture(scope="session")
def values(chart):
    return yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def api(own_plane):
    with own_plane.api() as connection:
        yield connection


@pytest.fixture
def empty(own_plane, api):
    """The API server as it is before anybody installs anything; afterwards it has our definitions again."""
    remove_definitions(api)
    yield own_plane
    own_plane.install_crds()


def remove_definitions(api):
    for definition in definitions(api):
        api.delete(f"{CRDS}/{definition['metadata']['name']}")
    wait_for(lambda: are_gone(api), seconds=60, what="the definitions to be gone")


def are_gone(api):
    """Whether none is left. The API server forgets one whose objects it failed to list, until that is changed."""
    left = definitions(api)
    for definition in left:
        conditions = definition["status"].get("conditions") or []
        if any(condition["reason"] == "InstanceDeletionFailed" for condition in conditions):
            change = {"metadata": {"annotations": {"again": definition["metadata"]["resourceVersion"]}}}
            api.request("PATCH", f"{CRDS}/{definition['metadata']['name']}", change, "application/merge-patch+json")
    return not left


def definitions(api):
    return [o for o in api.get(CRDS)["items"] if o["spec"]["group"] == "wattrain.dev"]


@pytest.fixture
def new_namespace(empty):
    """Makes namespaces, which are deleted only after what `install` put there has been removed."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(empty.namespace())


@pytest.fixture
def install(helm, chart, empty, new_namespace, tmp_path):
    """`helm install` of the packaged chart, and what else Helm does; whatever is installed is removed at the end."""
    packaged = helm.run("package", chart, "--destination", tmp_path)
    assert packaged.returncode == 0, packaged.stderr
    (archive,) = tmp_path.glob("wattrain-*.tgz")
    installed = set()

    def run(command, where, *settings):
        source = () if command == "uninstall" else (archive,)
        result = helm.run(
            command, "wattrain", *source, "--namespace", where, "--kubeconfig", empty.kubeconfig, *settings
        )
        assert result.returncode == 0, result.stderr
        (installed.discard if command == "uninstall" else installed.add)(where)
        return result.stdout

    yield run
    for where in sorted(installed):
        run("uninstall", where)
