"""The operator from its chart, in its real image, on a real node: installed once for all tests of a run.

On the cluster of $KUBECONFIG the images are those that the variables below name.
"""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import release
from harness.fixtures import or_skipped, shown_or_skipped
from harness.job import Job
from harness.node_cluster import NodeCluster
from harness.node_images import provide
from harness.run_folder import folder_of_run
from harness.shared import shared

EXAMPLES = Path(__file__).parents[3] / "examples"
VARIABLES = ("WATTRAIN_TEST_OPERATOR_IMAGE", "WATTRAIN_TEST_WORKER_IMAGE")
FREQUENT = [  # a test of half a minute wants to see more than one figure
    {"name": f"WATTRAIN_OPERATOR_{what}_INTERVAL_SECONDS", "value": "1"} for what in ("PROGRESS", "STATUS")
]


@pytest.fixture(scope="session")
def provided(real_node, pytestconfig) -> Callable[[str], str]:
    """Brings the image of a target of the Dockerfile to the node, with a word about what takes minutes; its name."""

    def bring(target: str) -> str:
        with shown_or_skipped(pytestconfig):
            return provide(real_node, target)

    return bring


@pytest.fixture(scope="session")
def images(real_node, provided) -> release.Images:
    if isinstance(real_node, NodeCluster):
        return release.Images(provided("operator"), provided("worker"))
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if missing:
        pytest.skip(f"NOT TESTED on the cluster of $KUBECONFIG: set {' and '.join(missing)} to images that it can pull")
    return release.Images(*(os.environ[name] for name in VARIABLES))


@pytest.fixture(scope="session")
def installed(real_node, images, helm, pytestconfig, tmp_path_factory) -> Iterator[dict[str, Any]]:
    """What is installed, and where: the same for all test processes."""
    cluster = real_node.cluster

    @contextmanager
    def made() -> Iterator[dict[str, Any]]:
        with cluster.namespace() as home:
            notes = release.install(helm, cluster, home, images, tmp_path_factory.mktemp("chart"), env=FREQUENT)
            yield {**asdict(images), "namespace": home, "notes": notes}
            release.remove(helm, cluster, home)

    with shared(folder_of_run(pytestconfig) / "release", made) as description:
        yield description


@pytest.fixture
def place(installed, real_node) -> Iterator[str]:
    """A namespace under Pod Security `restricted`, where the operator runs jobs."""
    with real_node.cluster.namespace() as name:
        yield name


@pytest.fixture
def claim(real_node, place) -> Path | None:
    """The folder behind a claim named `training`; None: nobody here can look into it."""
    with or_skipped():
        return real_node.provide_claim(place, "training")


@pytest.fixture
def apply(real_node, place):
    """Applies an example, changed by `change(spec)` and renamed to `name`, with kubectl."""

    def applied(file: str, change: Callable[[Any], None], name: str = "", folder: Path | None = None) -> Job:
        document = copy.deepcopy(yaml.safe_load((EXAMPLES / file).read_text(encoding="utf-8")))
        document["metadata"]["name"] = name or document["metadata"]["name"]
        change(document["spec"])
        job = Job(real_node.cluster, place, document["metadata"]["name"], folder)
        assert "created" in job.kubectl("apply", "--filename=-", text=yaml.safe_dump(document))
        return job

    return applied
