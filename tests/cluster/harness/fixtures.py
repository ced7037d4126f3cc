"""Clusters for tests of every folder: control planes, fake nodes, a real node, or the cluster of $KUBECONFIG.

What cannot be had on a machine skips its tests, with the reason and the remedy. See tests/cluster/README.md.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import binaries
from harness.audited import described_node, described_plane
from harness.cluster import Cluster, ExistingCluster
from harness.controlplane import ControlPlane, OwnCluster, attached_plane
from harness.fleet import FakeNodes, Fleet, described_fleet
from harness.helm import Helm
from harness.node import attached_cluster
from harness.node_cluster import ExistingNodes, NodeCluster
from harness.operator_account import installed_operators, operator_account
from harness.rights import record
from harness.run_folder import folder_of_records, folder_of_run
from harness.sandbox import check_possible
from harness.scratch import scratch_folder
from harness.shared import shared
from harness.unavailable import UnavailableError

Programs = Callable[..., None]
_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> Programs:
    """Makes sure that programs are there, and shows what is being built meanwhile; skips where one cannot be had."""

    def ensure(*names: str) -> None:
        with shown_or_skipped(pytestconfig):
            for name in names:
                binaries.find(name)

    return ensure


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder for this test process; its short name leaves room for the paths of sockets in it."""
    with scratch_folder("wattrain-test-") as made:
        yield made


# --- Control planes ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def plane(programs: Programs, folder: Path, pytestconfig: pytest.Config) -> Iterator[OwnCluster]:
    """A control plane without nodes, one for all test processes. No test may break it, nor change its CRDs."""
    _only_with_a_cluster_of_our_own()
    programs(*_PLANE)
    of_all, records = folder_of_run(pytestconfig) / "plane", folder_of_records(pytestconfig)
    with or_skipped(), shared(of_all, lambda: described_plane(folder / "shared", records)) as description:
        yield attached_plane(description)


@pytest.fixture(scope="session")
def own_plane(programs: Programs, folder: Path, pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    """A control plane of this test process alone. A test may break it, and must mend it."""
    _only_with_a_cluster_of_our_own()
    programs(*_PLANE)
    with or_skipped(), ControlPlane(folder / "own") as made:
        yield made
        record(made, folder_of_records(pytestconfig))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, programs: Programs, folder: Path) -> Iterator[Cluster]:
    """A cluster with our CRDs, whose nodes do not matter: that of $KUBECONFIG where one asks for it, else `plane`."""
    if not uses_existing_cluster():
        yield request.getfixturevalue("plane")
        return
    programs("kubectl")
    existing = ExistingCluster(folder)
    try:
        existing.install_crds()
        yield existing
    finally:
        existing.stop()


@pytest.fixture
def own_or_shared(request: pytest.FixtureRequest) -> Cluster:
    """`own_plane` in a test that asks for that one, else `cluster`."""
    found: Cluster = request.getfixturevalue("own_plane" if "own_plane" in request.fixturenames else "cluster")
    return found


@pytest.fixture
def namespace(own_or_shared: Cluster) -> Iterator[str]:
    """A fresh namespace under Pod Security `restricted`: of `own_plane` in a test that asks for it, else `cluster`."""
    with own_or_shared.namespace() as name:
        yield name


@pytest.fixture
def operator_kubeconfig(own_or_shared: Cluster, namespace: str, helm: Helm) -> Iterator[Path]:
    """Signs in as the operator that the chart would install in `namespace` for this namespace alone."""
    if uses_existing_cluster() and installed_operators(own_or_shared):
        pytest.skip(
            "NOT TESTED: the cluster of $KUBECONFIG has an operator, which would work on the same jobs: remove it"
        )
    with operator_account(own_or_shared, namespace, helm) as kubeconfig:
        yield kubeconfig


# --- Nodes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def kwok_nodes(programs: Programs, plane: OwnCluster, folder: Path, pytestconfig: pytest.Config) -> Iterator[FakeNodes]:
    """Four fake nodes of `plane`, for all test processes: pods run there at once, for ever, without a process.

    They are tainted, so that pods of other tests stay away: see harness.fleet.ON_FAKE_NODES. No test may remove one.
    """
    programs("kwok")
    of_all = folder_of_run(pytestconfig) / "fake-nodes"
    with or_skipped(), shared(of_all, lambda: described_fleet(plane)) as description:
        yield FakeNodes(description["nodes"])


@pytest.fixture
def own_nodes(programs: Programs, own_plane: ControlPlane) -> Iterator[Fleet]:
    """Four fake nodes of `own_plane` for one test, which may remove them."""
    programs("kwok")
    with or_skipped(), Fleet(own_plane) as fleet:
        yield fleet


@pytest.fixture(scope="session")
def real_node(
    programs: Programs, folder: Path, pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Iterator[NodeCluster | ExistingNodes]:
    """A cluster with a node that really runs pods, one for all test processes: no test may break it."""
    if uses_existing_cluster():
        yield ExistingNodes(request.getfixturevalue("cluster"))
        return
    with or_skipped():
        check_possible()
    programs("etcd", "kube-apiserver", "kubelet", "coredns", "probe")
    of_all, records = folder_of_run(pytestconfig) / "real-node", folder_of_records(pytestconfig)
    with or_skipped(), shared(of_all, lambda: described_node(folder / "node", records)) as description:
        yield attached_cluster(description)


# --- Helm -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def helm(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Real Helm, with a home of its own."""
    on_path = shutil.which("helm")
    if on_path is None:
        programs("helm")
    return Helm(on_path or binaries.find("helm"), tmp_path_factory.mktemp("helm"))


def uses_existing_cluster() -> bool:
    """Whether the tests go to the cluster of $KUBECONFIG. Only on demand: they install our CRDs there."""
    return bool(os.environ.get("KUBECONFIG")) and os.environ.get("WATTRAIN_TEST_CLUSTER") == "1"


def _only_with_a_cluster_of_our_own() -> None:
    if uses_existing_cluster():
        pytest.skip(
            "NOT TESTED on the cluster of $KUBECONFIG: reads audit logs, breaks parts or replaces CRDs; "
            "run it without WATTRAIN_TEST_CLUSTER, on a control plane of its own"
        )


@contextmanager
def shown_or_skipped(config: pytest.Config) -> Iterator[None]:
    """As `or_skipped`, and what is said in minutes of building is shown at once."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled(), or_skipped():
        yield


@contextmanager
def or_skipped() -> Iterator[None]:
    """Skips the test where a part cannot be had."""
    try:
        yield
    except UnavailableError as error:
        pytest.skip(f"NOT TESTED: {error}")
