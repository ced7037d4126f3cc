"""Clusters for several test processes, which leave a record of what the operator did when they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.controlplane import ControlPlane
from harness.node import attached_cluster, described_cluster
from harness.rights import record


@contextmanager
def described_plane(folder: Path, records: Path) -> Iterator[dict[str, Any]]:
    """A control plane in `folder`, described so that attached_plane() finds it from another process."""
    with ControlPlane(folder) as plane:
        yield plane.place.description()
        record(plane, records)


@contextmanager
def described_node(folder: Path, records: Path) -> Iterator[dict[str, Any]]:
    """The same with a real node, for attached_cluster()."""
    with described_cluster(folder) as description:
        yield description
        record(attached_cluster(description).cluster, records)
