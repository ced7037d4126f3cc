"""Clusters for tests: a control plane of our own, fake nodes, a real node, or the cluster of $KUBECONFIG.

What cannot be had on a machine skips its tests, with the reason and the remedy.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import binaries
from harness.cluster import Cluster, ExistingCluster
from harness.controlplane import ControlPlane
from harness.fleet import Fleet
from harness.node import attached_cluster, described_cluster
from harness.node_cluster import ExistingNodes, NodeCluster
from harness.sandbox import check_possible
from harness.shared import shared
from harness.unavailable import UnavailableError

Programs = Callable[..., None]


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> Programs:
    """Makes sure that programs are there, and shows what is being built meanwhile; skips where one cannot be had."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def ensure(*names: str) -> None:
        with capture.global_and_fixture_disabled(), _or_skipped():
            for name in names:
                binaries.find(name)

    return ensure


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for this test process; its short name leaves room for the paths of sockets in it."""
    with tempfile.TemporaryDirectory(prefix="wattrain-test-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="session")
def control_plane(programs: Programs, folder: Path) -> Iterator[ControlPlane]:
    """A control plane without nodes, one for each test process. A test that breaks it must mend it."""
    programs("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    with _or_skipped(), ControlPlane(folder / "plane") as plane:
        yield plane


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, programs: Programs, folder: Path) -> Iterator[Cluster]:
    """A cluster with our CRDs, whose nodes do not matter: that of $KUBECONFIG where one asks for it, else our own."""
    if not uses_existing_cluster():
        yield request.getfixturevalue("control_plane")
        return
    programs("kubectl")
    existing = ExistingCluster(folder)
    try:
        existing.install_crds()
        yield existing
    finally:
        existing.stop()


@pytest.fixture(scope="session")
def kwok_nodes(programs: Programs, control_plane: ControlPlane) -> Iterator[Fleet]:
    """Four fake nodes of `control_plane`: pods run there at once, for ever, without a process."""
    programs("kwok")
    with _or_skipped(), Fleet(control_plane) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def real_node(
    programs: Programs, folder: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[NodeCluster | ExistingNodes]:
    """A cluster with a node that really runs pods, one for all test processes: no test may break it."""
    if uses_existing_cluster():
        yield ExistingNodes(request.getfixturevalue("cluster"))
        return
    with _or_skipped():
        check_possible()
    programs("etcd", "kube-apiserver", "kubelet", "coredns", "probe")
    base = tmp_path_factory.getbasetemp()
    of_all = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with _or_skipped(), shared(of_all / "real-node", lambda: described_cluster(folder / "node")) as description:
        yield attached_cluster(description)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A fresh namespace of `cluster` under Pod Security `restricted`."""
    with cluster.namespace() as name:
        yield name


def uses_existing_cluster() -> bool:
    """Whether the tests go to the cluster of $KUBECONFIG. Only on demand: they install our CRDs there."""
    return bool(os.environ.get("KUBECONFIG")) and os.environ.get("WATTRAIN_TEST_CLUSTER") == "1"


@contextmanager
def _or_skipped() -> Iterator[None]:
    try:
        yield
    except UnavailableError as error:
        pytest.skip(str(error))
