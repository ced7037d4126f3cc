import os
import re
import shutil
import subprocess
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from harness.binaries import find
from harness.controlplane import ControlPlane
from harness.daemon import wait_for
from harness.unavailable import UnavailableError

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "wattrain"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


RIGHT = re.compile(r"^\| `([a-z0-9.]*)/([a-z/]+)` \| ([a-z, ]+) \|", re.MULTILINE)


@pytest.fixture(scope="session")
def documented_rights():
    """The table of rights in docs/kubernetes.md: verbs by (API group, resource)."""
    text = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    return {(group, resource): set(verbs.split(", ")) for group, resource, verbs in RIGHT.findall(text)}


def objects_of(text):
    """The Kubernetes objects in a stream of YAML, by kind and name; no two may be the same."""
    found = [document for document in yaml.safe_load_all(text) if document]
    keys = [(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in found]
    assert [key for key, count in Counter(keys).items() if count > 1] == []
    return found


class Helm:
    """Real Helm, with a home of its own."""

    def __init__(self, program, home):
        self._program = str(program)
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def run(self, *arguments):
        command = [self._program, *map(str, arguments)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)

    def _with(self, values, *command, release="wattrain", namespace="wattrain-system"):
        folder = Path(self._environment["HOME"], "values")
        folder.mkdir(exist_ok=True)
        file = folder / f"{len(list(folder.iterdir()))}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        return self.run(*command, release, CHART, "--namespace", namespace, "--values", file)

    def render(self, values=None, **where):
        """The objects of the chart with `values`; `release` and `namespace` may be given."""
        result = self._with(values or {}, "template", **where)
        assert result.returncode == 0, result.stderr
        return objects_of(result.stdout)

    def refusal(self, values):
        """What Helm says to `values` that it must not take."""
        result = self._with(values, "template")
        assert result.returncode != 0, f"taken: {values}"
        return result.stderr

    def notes(self, values):
        """What Helm prints after an installation."""
        result = self._with(values, "install", "--dry-run=client")
        assert result.returncode == 0, result.stderr
        return result.stdout.split("NOTES:\n", 1)[1]


@pytest.fixture(scope="session")
def helm(tmp_path_factory):
    program = shutil.which("helm")
    if program is None:
        try:
            program = find("helm")
        except UnavailableError as error:
            pytest.skip(f"the chart is NOT tested, for there is no helm on PATH: {error}")
    return Helm(program, tmp_path_factory.mktemp("helm"))


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
def plane(tmp_path_factory):
    try:
        with ControlPlane(tmp_path_factory.mktemp("chart") / "plane") as plane:
            yield plane
    except UnavailableError as error:
        pytest.skip(f"the chart is NOT installed on an API server: {error}")


@pytest.fixture(scope="session")
def api(plane):
    with plane.api() as connection:
        yield connection


@pytest.fixture
def empty(plane, api):
    """The API server as it is before anybody installs anything."""
    remove_definitions(api)
    return plane


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
